"""What people typed just before a crash is done once: not lost, and not done again."""

from pathlib import Path

from sandbox.shop.releases import Shop
from tests.crash.scene import BAD, scene
from tests.crash.story import Story
from tests.crash.truth import at_rest, happened, shown_once, timeline_of

PLACES = ("inbox:command:/incident", "commit:note_added", "exported")


async def test_a_note_and_an_export_are_made_once(built: Shop, memory: Path, tmp_path: Path) -> None:
    async with scene(tmp_path, built, serving=BAD, memory=memory, die_at=PLACES) as stage:
        story = Story(stage)
        await story.ask()
        await story.card("severity")
        # The note kills twice: where it was only written down, and where it was carried out after the restart.
        for text, deaths in (("note two calls so far", 2), ("export", 3)):
            await story.tell(f"/incident {text}")
            await stage.until(lambda wanted=deaths: stage.bot.deaths == wanted, "the bot to be dead")  # type: ignore[misc]  # binds the loop's value
            await stage.until(lambda: stage.bot.listening, "the next bot to listen")
        await stage.until(lambda: len(story.files()) == 2, "the exported timeline")
        await at_rest(stage)
        await stage.bot.stop()
        _, entries = await timeline_of(stage, story.channel)
        assert happened(entries) | {"plan_ready": 1} == {
            "incident_declared": 1,
            "plan_requested": 1,
            "channel_opened": 1,
            "plan_ready": 1,
            "note_added": 1,
        }
        assert sorted(file["name"].rpartition("-")[2] for file in story.files()) == [
            "timeline.json",
            "timeline.md",
        ]
        shown_once(stage, story)
