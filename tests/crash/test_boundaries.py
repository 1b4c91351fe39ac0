"""The bot is killed once at every boundary of every durable step, and each time the story ends as if it had not been."""

from pathlib import Path

import pytest

from sandbox.shop.releases import Shop
from tests.crash.places import BOUNDARIES
from tests.crash.scene import BAD, scene
from tests.crash.story import Story
from tests.crash.truth import all_is_well, nobody_had_to_repeat


@pytest.mark.parametrize("place", BOUNDARIES)
async def test_killed_at_a_boundary(place: str, built: Shop, memory: Path, tmp_path: Path) -> None:
    async with scene(tmp_path, built, serving=BAD, memory=memory, die_at=(place,)) as stage:
        story = Story(stage)
        await story.whole()
        await all_is_well(stage, story)
        assert stage.bot.deaths == 1
        nobody_had_to_repeat(stage)
