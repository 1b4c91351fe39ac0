"""An action becomes one issue and a revision one commit, wherever the bot is killed meanwhile."""

from pathlib import Path

from sandbox.shop.releases import Shop
from tests.contract.api_servers import serving
from tests.contract.papers_worlds import GitWorld
from tests.contract.trackers_worlds import TOKEN, GithubWorld
from tests.crash.scene import BAD, scene
from tests.crash.story import Story
from tests.crash.truth import at_rest, happened, timeline_of, workflows

PLACES = (
    "started:file.v1",
    "before:file",
    "filed",
    "commit:action_filed",
    "published",
    "commit:postmortem_published",
)


async def test_killed_while_it_files_and_publishes(built: Shop, memory: Path, tmp_path: Path) -> None:
    tracker, papers = GithubWorld(), GitWorld(tmp_path / "papers")
    with serving(tracker.api):
        around = {
            "tracker": {
                "kind": "github",
                "url": tracker.api.base,
                "repository": "example/shop",
                "token": TOKEN,
            },
            "papers": {"repository": {"kind": "git", "remote": str(papers.bare)}},
        }
        more = {"KAERU_CRASH_ALSO": "tests.crash.leaving"}
        async with scene(
            tmp_path, built, serving=BAD, memory=memory, die_at=PLACES, around=around, more=more
        ) as stage:
            story = Story(stage)
            await story.ask()
            await story.say_how_bad(await story.card("severity"))
            await story.alice.command(story.channel, "/incident action @bob Add a timeout")
            await story.approve(await story.open_plan())
            await story.until_verified()
            await story.close()
            await stage.until(lambda: stage.bot.missed(PLACES) == [], "all places to be passed", within=80)
            await at_rest(stage)
            await stage.bot.stop()
            assert stage.bot.deaths == len(PLACES)
            incident, entries = await timeline_of(stage, story.channel)
    assert [title for title, _, _ in tracker.issues()] == ["Add a timeout"]
    assert tracker.api.problems == []
    counted = happened(entries)
    assert (counted["action_filed"], counted.get("action_not_filed", 0)) == (1, 0)
    assert counted["postmortem_published"] == incident.postmortem_revision == papers_of(papers, incident.id)
    assert {state for name, state in workflows(stage) if name.startswith("file:")} == {"SUCCESS"}


def papers_of(world: GitWorld, incident_id: str) -> int:
    """How many commits there are for the incident's postmortem."""
    return world.revisions(f"postmortems/{incident_id}.md")
