"""Users are taken off once and come back once, and a cache is told once, wherever the bot is killed meanwhile."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.domain import events as e
from bot.domain.run import OFF, RAMP, cache_step
from sandbox.shop.releases import Shop
from tests.contract.aws_world import REGION, CdnWorld, Cloud, own_keys, started
from tests.contract.traffic_load import Load
from tests.crash.scene import BAD, scene
from tests.crash.story import Story
from tests.crash.truth import at_rest, events_of, happened, shown_once, timeline_of, workflows
from tests.scenarios.traffic_worlds import Street, haproxy_street

__all__ = ["own_keys"]

pytestmark = pytest.mark.usefixtures("own_keys")
CACHE = cache_step("cdn")
PLACES = (
    f"commit:step_started:{OFF}",
    "shifted:0",
    "commit:traffic_shifted",
    f"commit:step_started:{CACHE}",
    "invalidated",
    f"commit:step_finished:{CACHE}",
    "before:ramp",
    f"commit:step_started:{RAMP}",
    "shifted:50",
    "shifted:100",
    f"commit:step_finished:{RAMP}",
)
AWS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    yield from started()


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    folder = tmp_path / "door"
    folder.mkdir()
    with haproxy_street(folder) as found:
        yield found


async def test_killed_while_users_are_off_and_come_back(
    built: Shop, memory: Path, tmp_path: Path, street: Street, cloud: Cloud
) -> None:
    cdn = CdnWorld(cloud)
    traffic = street.changes(stages=[50, 100])["services"]["shop"]["traffic"]
    cloudfront = {"kind": "cloudfront", "distribution": cdn.id, "endpoint": cloud.proxy.endpoint}
    around = {"traffic": traffic, "caches": {"cdn": cloudfront}}
    more = {"KAERU_CRASH_ALSO": "tests.crash.steering", **AWS}
    load = Load(street.door.url, rps=60)
    async with scene(
        tmp_path / "scene", built, serving=BAD, memory=memory, die_at=PLACES, around=around, more=more
    ) as stage:
        street.wall.target = stage.shop.url
        coming = asyncio.create_task(load.run())
        try:
            story = Story(stage)
            await story.ask()
            await story.say_how_bad(await story.card("severity"))
            await story.approve(await story.open_plan())
            await story.until_verified(within=100.0)  # with eleven new starts in between
        finally:
            load.stopped.set()
            await coming
        await at_rest(stage)
        await stage.bot.stop()
        assert stage.bot.missed(PLACES) == []
        assert stage.bot.deaths == len(PLACES)
        incident, entries = await timeline_of(stage, story.channel)
        shown_once(stage, story)
        ended = {state for name, state in workflows(stage) if name.startswith("rollback:")}
    (run,) = incident.runs
    counted = happened(entries)
    for step in (OFF, CACHE, RAMP):
        assert counted[f"step_finished {step}"] == 1
    assert [x.share for x in events_of(entries) if isinstance(x, e.TrafficShifted)] == [0.0, 0.5, 1.0]
    assert "traffic_asked" not in counted
    assert cdn.references() == [f"{run.id}/{CACHE}"]
    assert ended == {"SUCCESS"}
    assert incident.debts == ()
    weights = {
        line.split(",")[1]: line.split(",")[18]
        for line in street.door.ask("show stat shop 4 -1").splitlines()
        if line.startswith("shop,")
    }
    assert weights["other"] == "0"
