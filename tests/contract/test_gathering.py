"""What evidence is gathered: before the rollback, while people decide, and since; and nothing is waited for without end."""

import asyncio
import logging
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from bot.catalog import Kinds, load_catalog
from bot.domain.incident import Incident
from bot.domain.logwatch import LogCounts
from bot.domain.plan import Plan
from bot.domain.series import Series
from bot.domain.verdict import Row, Verdict
from bot.ports import Unavailable
from bot.store import Store
from bot.usecases import evidence_sources, glances
from bot.usecases.fleet import Fleet, Hands, OutsideHands
from bot.usecases.gathering import Case, Evidence, Gathering
from bot.usecases.stretches import Span
from tests import story
from tests.contract.store_worlds import Clock
from tests.fakes.logs import MemoryLogs
from tests.fakes.metrics import MemoryMetrics

pytest_plugins = ("tests.postgres", "tests.contract.store_fixtures")

MINUTE = timedelta(minutes=1)
DEPLOYED, MITIGATED = story.at("14:08:00"), story.at("14:13:40")
SINCE = Span(MITIGATED, story.at("14:33:40"))


class Settings(BaseModel):
    """No settings."""


class World:
    """A shop with a metric and a log, in memory; the store is a database."""

    def __init__(self, store: Store, folder: Path, clock: Clock) -> None:
        self.orders = MemoryMetrics("orders", unit="orders/min")
        self.log = MemoryLogs()
        service = {
            "target": {"kind": "memory"},
            "metrics": {"orders": {"source": {"kind": "memory"}, "better": "higher"}},
            "logs": {"app": {"source": {"kind": "memory"}, "required": True}},
        }
        path = folder / "kaeru.yml"
        path.write_text(yaml.safe_dump({"services": {"shop": service}}), encoding="utf-8")
        known = {"memory": Settings}
        self.catalog = load_catalog(path, Kinds(targets=known, changes={}, metrics=known, logs=known))
        outside = OutsideHands(metrics={"orders": self.orders}, logs={"app": self.log})
        self.fleet = Fleet({"shop": Hands({}, None, None, outside=outside)})
        self.store, self.clock = store, clock
        self.gathering = Gathering(store, self.catalog, self.fleet, clock=clock)
        self.incident: Incident = story.incident()
        self.plan: Plan = story.plan(1)

    def measured(self, since: datetime, until: datetime, value: float) -> None:
        at = since.replace(second=0)
        while at < until:
            self.orders.values[at] = value
            self.log.write("INFO order paid", at=at)
            at += MINUTE

    async def rows(self, after: Span = SINCE) -> dict[str, Row]:
        return {row.what: row for row in await (await self.evidence()).rows(after)}

    async def evidence(self) -> Evidence:
        run = self.incident.run
        assert run is not None
        return await self.gathering.evidence(self.incident, run, self.plan)


@pytest.fixture
async def world(store: Store, tmp_path: Path, clock: Clock) -> World:
    made = World(store, tmp_path, clock)
    clock.now = story.at("14:12:00")
    await store.write(
        lambda uow: (
            uow.releases.saw("shop", story.GOOD, DEPLOYED, good=True),
            uow.releases.saw("shop", story.BAD, clock.now, good=False),
        )
    )
    made.measured(DEPLOYED - timedelta(hours=1), DEPLOYED, 40)
    made.measured(DEPLOYED, MITIGATED, 5)
    made.measured(MITIGATED, story.at("14:40:00"), 40)
    return made


async def test_before_during_and_after_are_told_apart(world: World) -> None:
    rows = await world.rows()
    orders = rows["orders"]
    assert orders.verdict is Verdict.PASS
    assert [cell and cell.numbers["value"] for cell in (orders.before, orders.during, orders.after)] == [
        40,
        5,
        40,
    ]
    assert rows["errors in app"].verdict is Verdict.PASS
    assert rows["warnings in app"].verdict is Verdict.PASS


async def test_what_was_before_is_kept_while_it_can_be_read(world: World) -> None:
    """A source that forgets, a log that is thrown away, a bot that is started anew."""
    seen = await world.gathering.prepare(world.incident, world.plan)
    assert [(one.what, one.readable, one.wrong) for one in seen] == [
        ("orders", True, False),
        ("app", True, False),
    ]
    assert seen[0].sentence == "5 orders/min, 40 orders/min before"
    for moment in [at for at in world.orders.values if at < DEPLOYED]:
        del world.orders.values[moment]
    world.log.lines = [(at, text) for at, text in world.log.lines if at >= DEPLOYED]
    # Meanwhile the good version was seen again: when the bad one began is known all the same.
    later = story.at("14:20:00")
    await world.store.write(lambda uow: uow.releases.saw("shop", story.GOOD, later, good=True))
    await world.gathering.prepare(world.incident, world.plan)
    world.gathering = Gathering(world.store, world.catalog, world.fleet, clock=world.clock)
    rows = await world.rows()
    assert rows["orders"].before is not None
    assert rows["orders"].before.numbers["points"] == 60
    assert rows["orders"].verdict is Verdict.PASS
    assert rows["errors in app"].verdict is Verdict.PASS


async def test_what_was_written_while_it_was_ill_is_kept_though_it_goes_with_the_bad_version(
    world: World,
) -> None:
    """As the log of a pod does."""
    for second in range(7):
        world.log.write("ERROR no rate", at=DEPLOYED + second * MINUTE / 6)
    await world.gathering.prepare(world.incident, world.plan)
    world.log.lines = [(at, text) for at, text in world.log.lines if "ERROR" not in text]
    world.log.write("ERROR the last one", at=world.clock.now + MINUTE / 2)
    during = (await world.rows())["errors in app"].during
    assert during is not None
    assert during.numbers["errors"] == 8


async def test_what_is_wrong_now_is_said_on_the_card(world: World) -> None:
    world.clock.now = story.at("14:28:00")
    world.measured(DEPLOYED, world.clock.now, 5)
    for minute in range(15):
        at = DEPLOYED + MINUTE * minute
        world.log.write(*[f"ERROR no rate for {n}" for n in range(9)], at=at)
    orders, app = await world.gathering.prepare(world.incident, world.plan)
    assert orders.wrong
    assert orders.sentence.startswith("5 orders/min, 40 orders/min before: at most ")
    assert app.wrong
    assert "errors" in app.sentence


async def test_a_metric_that_cannot_be_sampled_is_said_once_and_when_it_is_back(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="bot.usecases.gathering")
    for down in (True, True, True, False, False, True):
        world.orders.down = down
        await world.gathering.sample("shop", "orders")
    lost = "shop: the metric orders could not be sampled: The memory cannot be reached."
    assert [record.getMessage() for record in caplog.records] == [
        lost,
        "shop: the metric orders is sampled again",
        lost,
    ]


async def test_what_cannot_be_read_is_unverified_and_keeps_nothing_else(world: World) -> None:
    world.orders.down = True
    orders, app = await world.gathering.prepare(world.incident, world.plan)
    assert (orders.readable, orders.sentence) == (False, "The memory cannot be reached.")
    assert app.readable
    rows = await world.rows()
    assert rows["orders"].verdict is Verdict.UNVERIFIED
    assert rows["orders"].sentence == "The memory cannot be reached."
    assert rows["errors in app"].verdict is Verdict.PASS
    world.orders.down, world.log.trouble = False, Unavailable("The disk is gone.")
    rows = await world.rows()
    assert rows["orders"].verdict is Verdict.PASS
    assert (rows["app"].verdict, rows["app"].sentence) == (Verdict.UNVERIFIED, "The disk is gone.")


async def test_a_gap_and_a_part_that_is_missing_are_unverified(world: World) -> None:
    del world.orders.values[story.at("14:20:00")]
    world.log.missing = "One file could not be read."
    rows = await world.rows()
    assert rows["orders"].verdict is Verdict.UNVERIFIED
    assert rows["orders"].sentence == "1 of 19 values since are missing"
    assert rows["errors in app"].verdict is Verdict.UNVERIFIED
    assert rows["errors in app"].required


async def test_nothing_hangs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(_since: datetime, _until: datetime) -> Series:
        await asyncio.Event().wait()
        raise AssertionError

    async def never_counted(_since: datetime, _until: datetime) -> LogCounts:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(world.orders, "series", never)
    monkeypatch.setattr(world.log, "counts", never_counted)
    monkeypatch.setattr(evidence_sources, "ASK_S", 0.2)
    monkeypatch.setattr(glances, "QUICK_S", 0.2)
    began = time.monotonic()
    seen = await world.gathering.prepare(world.incident, world.plan)
    rows = await world.rows()
    assert time.monotonic() - began < 5
    assert [one.sentence for one in seen] == [
        "The metric orders did not answer within 0.2 s.",
        "The log app did not answer within 0.2 s.",
    ]
    assert {row.verdict for row in rows.values()} == {Verdict.UNVERIFIED}


async def test_what_is_bad_lately_is_not_diluted_by_a_long_good_time(world: World) -> None:
    world.measured(MITIGATED, story.at("18:00:00"), 40)
    bad_since = story.at("17:40:00")
    world.measured(bad_since, story.at("18:00:00"), 5)
    for minute in range(16, 20):
        world.log.write(*["ERROR no rate"] * 9, at=bad_since + MINUTE * minute)
    evidence = await world.evidence()
    long = MITIGATED
    for until in (story.at("17:56:00"), story.at("18:00:00")):
        after = Span(long, until)
        watched = {row.what: row for row in await evidence.watched(after)}
    assert watched["orders"].verdict is Verdict.FAIL
    assert watched["orders"].sentence.startswith("lately: ")
    assert watched["errors in app"].verdict is Verdict.FAIL
    assert watched["errors in app"].lines == ("36 times since 17:56:00 UTC: ERROR no rate",)


async def test_a_log_is_read_on_and_not_from_the_beginning(world: World) -> None:
    asked: list[tuple[datetime, datetime]] = []
    counts = world.log.counts

    async def noted(since: datetime, until: datetime) -> LogCounts:
        asked.append((since, until))
        return await counts(since, until)

    world.log.counts = noted  # type: ignore[method-assign]  # notes, and goes on
    evidence = await world.evidence()
    for seconds in range(0, 600, 5):
        await evidence.watched(Span(MITIGATED, MITIGATED + timedelta(seconds=seconds)))
    since = [(a, b) for a, b in asked if a >= MITIGATED]
    assert max(b - a for a, b in since) <= timedelta(seconds=70)
    world.log.write("ERROR in the end", at=MITIGATED + timedelta(seconds=599))
    rows = {row.what: row for row in await evidence.watched(Span(MITIGATED, SINCE.until))}
    after = rows["errors in app"].after
    assert after is not None
    assert (after.numbers["errors"], after.numbers["minutes"]) == (1, 20)


async def test_more_sources_have_their_rows_beside_the_others(world: World) -> None:
    """As what users report will have."""
    told = Row(
        source="users", what="reports", before=None, during=None, after=None, verdict=Verdict.PASS, sentence=""
    )  # fmt: skip

    class Users:
        delay = timedelta(0)

        async def rows(self, after: Span, *, lately: bool = False) -> tuple[Row, ...]:
            return (told,)

    cases: list[Case] = []

    def make(case: Case) -> list[Users]:
        cases.append(case)
        return [Users()]

    world.gathering = Gathering(world.store, world.catalog, world.fleet, clock=world.clock, more=[make])
    rows = await world.rows()
    assert rows["reports"] == told
    assert rows["orders"].verdict is Verdict.PASS
    (case,) = cases
    assert case.incident is world.incident
    assert case.ill == Span(DEPLOYED, MITIGATED)


async def test_when_it_began_is_not_looked_for_in_another_season(world: World) -> None:
    """No version but the bad one was seen in the last two weeks: then it began when it was seen to be ill."""
    incident = world.incident.model_copy(
        update={
            "id": "inc-20261220-shop-1",
            "declared_at": story.at("14:11:30") + timedelta(days=26),
            "detected_at": story.at("14:09:00") + timedelta(days=26),
        }
    )
    run = incident.run
    assert run is not None
    evidence = await world.gathering.evidence(incident, run, world.plan)
    asked: list[datetime] = []
    series = world.orders.series

    async def noted(since: datetime, until: datetime) -> Series:
        asked.append(until)
        return await series(since, until)

    world.orders.series = noted  # type: ignore[method-assign]  # notes, and goes on
    await evidence.rows(SINCE)
    assert incident.detected_at in asked
