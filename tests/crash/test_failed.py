"""A rollback that fails is put back once, told once, and the next plan is on offer, wherever the bot is killed."""

from pathlib import Path

import pytest

from sandbox.shop.releases import Shop, build
from tests.crash.places import FAILURES
from tests.crash.scene import BAD, GOOD, Scene, scene
from tests.crash.story import Story
from tests.crash.truth import at_rest, happened, shown_once, starts, timeline_of

OF_ITS_OWN = (
    "before:",
    "after:",
    "reverted:",
    "commit:rollback",
    "commit:step_added",
    "commit:step_finished:revert",
)


@pytest.fixture(scope="session")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop whose v1.2.9 does not start any more."""
    return build(tmp_path_factory.mktemp("broken"), current=BAD, broken_versions=(GOOD,))


async def test_the_places_of_a_failure_are_known(broken: Shop, memory: Path, tmp_path: Path) -> None:
    async with scene(tmp_path, broken, serving=BAD, memory=memory) as stage:
        await failed_once(stage)
        passed = stage.bot.passed()
        since = passed[passed.index("applied:shop") :]
        of_its_own = {p for p in since if p.startswith(OF_ITS_OWN)}
        assert of_its_own - {"before:arm", "after:arm", "after:apply:0"} == set(FAILURES)


@pytest.mark.parametrize("place", FAILURES)
async def test_killed_while_it_fails(place: str, broken: Shop, memory: Path, tmp_path: Path) -> None:
    async with scene(tmp_path, broken, serving=BAD, memory=memory, die_at=(place,)) as stage:
        await failed_once(stage)
        assert stage.bot.deaths == 1


async def failed_once(stage: Scene) -> None:
    """Roll back to a version that does not start; then look at what became of it. Stops the bot."""
    story = Story(stage)
    await story.ask()
    await story.say_how_bad(await story.card("severity"))
    await story.approve(await story.open_plan())
    await story.open_plan(2)
    await at_rest(stage)
    await stage.bot.stop()
    status = stage.shop.status()
    assert (status["current"], status["running"]["version"]) == (BAD, BAD)
    assert starts(stage) == [BAD, BAD]  # at the beginning, and when it was put back
    incident, entries = await timeline_of(stage, story.channel)
    assert happened(entries) == {
        "incident_declared": 1,
        "plan_requested": 2,
        "channel_opened": 1,
        "plan_ready": 2,
        "severity_set": 1,
        "approval_given": 1,
        "rollback_approved": 1,
        "step_finished apply:shop": 1,
        "step_added": 1,
        "step_finished revert:shop": 1,
        "rollback_failed": 1,
    }
    assert incident.record is not None
    assert incident.record.to_version == "v1.2.8"
    shown_once(stage, story)
