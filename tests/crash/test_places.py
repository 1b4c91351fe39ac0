"""No place is forgotten: what a whole story passes is what the other tests kill the bot at."""

from pathlib import Path

from sandbox.shop.releases import Shop
from tests.crash.places import BOUNDARIES, GAUNTLETS
from tests.crash.scene import BAD, scene
from tests.crash.story import Story
from tests.crash.truth import all_is_well


async def test_the_places_of_a_story_are_those_where_it_is_cut_short(
    built: Shop, memory: Path, tmp_path: Path
) -> None:
    async with scene(tmp_path, built, serving=BAD, memory=memory) as stage:
        story = Story(stage)
        await story.whole()
        await all_is_well(stage, story)
        assert stage.bot.deaths == 0
        places = [place for gauntlet in GAUNTLETS.values() for place in gauntlet]
        # The Home tab is looked at before the story begins, and may still be on its way then.
        passed = set(stage.bot.passed()) - {"sent:home"}
        assert passed == {*BOUNDARIES, *places}
        assert len(places) == len(set(places))
