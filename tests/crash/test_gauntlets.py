"""Between the boundaries: commits, starts of workflows, people's requests, and what Slack has accepted but nobody remembers."""

from pathlib import Path

import pytest

from sandbox.shop.releases import Shop
from tests.crash.places import GAUNTLETS
from tests.crash.scene import BAD, scene
from tests.crash.story import Story
from tests.crash.truth import all_is_well, nobody_had_to_repeat


@pytest.mark.parametrize("gauntlet", GAUNTLETS)
async def test_killed_at_one_place_after_the_other(
    gauntlet: str, built: Shop, memory: Path, tmp_path: Path
) -> None:
    places = GAUNTLETS[gauntlet]
    async with scene(tmp_path, built, serving=BAD, memory=memory, die_at=places) as stage:
        story = Story(stage)
        await story.whole()
        await all_is_well(stage, story)
        assert stage.bot.missed(places) == []
        assert stage.bot.deaths == len(places)
        if not any(place.startswith(("sent:", "edited:")) for place in places):
            nobody_had_to_repeat(stage)
