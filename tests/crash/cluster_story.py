"""From `/rollback` to the end of the watch, whatever dies on the way, and what there is to see of it afterwards."""

from tests.crash.cluster_scene import ClusterScene
from tests.crash.scene import BAD, GOOD
from tests.crash.story import Story
from tests.crash.truth import at_rest, happened, shown_once, timeline_of, workflows

__all__ = ["BAD", "GOOD", "ended_once", "goes_back"]


async def goes_back(stage: ClusterScene) -> Story:
    """People ask and approve, and the bot says that it is verified."""
    story = Story(stage)
    await story.ask()
    await story.say_how_bad(await story.card("severity"))
    await story.approve(await story.open_plan())
    await story.until_verified()
    return story


async def ended_once(stage: ClusterScene, story: Story) -> None:
    """One death, and everything of the run is in the timeline, in Slack and in the engine once. Stops the bot."""
    await at_rest(stage)
    await stage.bot.stop()
    assert stage.bot.deaths == 1
    _, entries = await timeline_of(stage, story.channel)
    counts = happened(entries)
    steps = {name: count for name, count in counts.items() if name.startswith("step_finished")}
    assert steps == {"step_finished apply:shop": 1, "step_finished prove": 1, "step_finished watch": 1}
    once = ("plan_ready", "rollback_approved", "incident_mitigated", "incident_verified")
    assert {name: counts.get(name) for name in once} == dict.fromkeys(once, 1)
    shown_once(stage, story)
    assert {status for _, status in workflows(stage)} == {"SUCCESS"}
