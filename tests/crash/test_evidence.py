"""A watch that asks metrics is taken up where it was, and what was before the incident is known still."""

from pathlib import Path

from bot.domain import events as e
from bot.domain.verdict import Moment, Verdict
from sandbox.shop.releases import Shop
from tests import prometheus
from tests.crash.scene import BAD, scene
from tests.crash.story import Story
from tests.crash.truth import at_rest, events_of, happened, service_is_back, timeline_of
from tests.scenarios.evidence import (
    BAD_SHARE,
    GOOD_SHARE,
    LogFile,
    checkout,
    exporting,
    failed_requests,
    measured,
)

PLACES = ("commit:incident_mitigated", "commit:verdict_reached")


async def test_killed_while_it_watches(built: Shop, memory: Path, tmp_path: Path) -> None:
    prometheus.need()
    log = LogFile(tmp_path / "app.log")
    log.begin()
    with exporting() as exporter, measured(exporter) as url:
        around = {
            "metrics": {"failed requests": failed_requests(url), "checkout": checkout(exporter)},
            "logs": {"app.log": log.configured},
            "watch": "13s",
            "watch_patience": "60s",
        }
        async with scene(tmp_path, built, serving=BAD, memory=memory, die_at=PLACES, around=around) as stage:
            shop = stage.shop.shop
            exporter.share = lambda: BAD_SHARE if shop.current_version() == BAD else GOOD_SHARE
            story = Story(stage)
            await story.ask()
            await story.say_how_bad(await story.card("severity"))
            await story.approve(await story.open_plan())
            await stage.until(lambda: stage.bot.missed(PLACES) == [], "both places to be passed")
            # And once more in the middle, without anything being written down.
            await stage.until(
                lambda: stage.bot.deaths == len(PLACES) and stage.bot.listening, "the third bot"
            )
            stage.bot.kill()
            await stage.until(lambda: stage.bot.deaths == len(PLACES) + 1, "its death")
            await story.until_verified()
            await at_rest(stage)
            await stage.bot.stop()
            service_is_back(stage)
            _, entries = await timeline_of(stage, story.channel)
    counted = happened(entries)
    assert counted["incident_mitigated"] == counted["incident_verified"] == 1
    found = [event.table for event in events_of(entries) if isinstance(event, e.VerdictReached)]
    assert found[0].moment is Moment.MITIGATED
    assert sum(table.moment is Moment.MITIGATED for table in found) == 1
    rows = {row.what: row for row in found[-1].rows}
    assert {row.verdict for row in found[-1].rows if row.required} == {Verdict.PASS}
    before = rows["failed requests"].before
    assert before is not None
    assert before.numbers["points"] > 3000
