"""The moment that matters most: the service was told to change, and the one who told it is gone."""

from pathlib import Path

import pytest

from sandbox.shop.releases import Shop
from tests.crash.scene import BAD, scene
from tests.crash.story import Story
from tests.crash.truth import all_is_well


@pytest.mark.parametrize("accident", ["before", "during", "after"])
async def test_killed_while_the_service_changes(
    accident: str, built: Shop, memory: Path, tmp_path: Path
) -> None:
    async with scene(tmp_path, built, serving=BAD, memory=memory) as stage:
        stage.accident(accident)
        story = Story(stage)
        await story.whole()
        await all_is_well(stage, story)
        assert stage.bot.deaths == 1
