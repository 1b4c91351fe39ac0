"""Metrics and logs prove a rollback, or keep it from being proven; the verdict is one table."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.domain import events as e
from bot.domain.verdict import Moment, Verdict, VerdictTable
from sandbox.workspace import forms
from tests import prometheus
from tests.scenarios.conftest import NewWorld
from tests.scenarios.evidence import (
    BAD_SHARE,
    GOOD_SHARE,
    Exporter,
    LogFile,
    checkout,
    exporting,
    failed_requests,
    measured,
)
from tests.scenarios.world import BAD, GOOD, INCIDENTS, Room, World

FAILED, CHECKOUT, LOG = "failed requests", "checkout", "app.log"


@pytest.fixture(scope="module")
def exporter() -> Iterator[Exporter]:
    with exporting() as found:
        yield found


@pytest.fixture(scope="module")
def server(exporter: Exporter) -> Iterator[str]:
    prometheus.need()
    with measured(exporter) as url:
        yield url


@pytest.fixture
def log(tmp_path: Path) -> LogFile:
    found = LogFile(tmp_path / "app.log")
    found.begin()
    return found


def watched(**settings: Any) -> dict[str, Any]:
    return {"services": {"shop": {"watch_interval": "300ms", **settings}}}


@contextlib.asynccontextmanager
async def served(world: World, exporter: Exporter) -> AsyncIterator[None]:
    """While the bad version is in place, the numbers are bad."""
    shop = world.shop.shop
    exporter.share = lambda: BAD_SHARE if shop.current_version() == BAD else GOOD_SHARE
    try:
        yield
    finally:
        exporter.share, exporter.silent = lambda: GOOD_SHARE, False


@contextlib.asynccontextmanager
async def busy(log: LogFile) -> AsyncIterator[None]:
    """A service that says something when all is well."""

    async def write() -> None:
        while True:
            log.write("INFO", "order 8 paid")
            await asyncio.sleep(0.2)

    writing = asyncio.create_task(write())
    try:
        yield
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)


async def tables(room: Room) -> dict[Moment, VerdictTable]:
    return {event.table.moment: event.table for event in await room.events(e.VerdictReached)}


async def test_a_whole_incident_is_proven_by_metrics_and_logs(
    new_world: NewWorld, exporter: Exporter, server: str, log: LogFile
) -> None:
    metrics = {FAILED: failed_requests(server), CHECKOUT: checkout(exporter)}
    logs = {LOG: {**log.configured, "required": True}}
    world = await new_world(changes=watched(watch="12s", watch_patience="60s", metrics=metrics, logs=logs))
    async with served(world, exporter), busy(log):
        await world.bad_deploy()
        await bad_is_measured(world, server)
        room = await world.declare()
        card = forms.text_of(await room.approve())
        assert "3 of 3 metrics and logs can be read" in card
        assert f"`{CHECKOUT}` 900 ms, 120 ms before" in card

        await room.sees("when it was mitigated")
        await room.status("verified", timeout_s=90)
        said = forms.text_of(await room.sees("shop: It is well again"))
        assert f"metrics `{FAILED}`" in said
        await room.close()
    found = await tables(room)
    assert found[Moment.MITIGATED].overall is Verdict.UNVERIFIED
    last = found[Moment.VERIFIED]
    rows = {row.what: row for row in last.rows}
    assert {row.verdict for row in last.rows if row.required} == {Verdict.PASS}
    assert {row.source for row in last.rows} == {"HTTP", "metrics", "logs"}
    failed = rows[FAILED]
    assert failed.before is not None
    assert failed.during is not None
    assert failed.after is not None
    assert failed.before.numbers["value"] == pytest.approx(GOOD_SHARE, rel=0.2)
    assert failed.during.numbers["value"] > 10 * GOOD_SHARE
    assert failed.after.numbers["value"] == pytest.approx(GOOD_SHARE, rel=0.2)
    assert failed.after.series is not None
    assert rows[CHECKOUT].after is not None
    assert rows[CHECKOUT].after.numbers["value"] == 120
    assert rows[f"errors in {LOG}"].verdict is Verdict.PASS

    run = (await room.incident()).run
    assert run is not None
    assert run.verdicts[-1] == last.lean
    text = await room.postmortem()
    assert "### Verdict" in text
    assert f"| pass | metrics | {FAILED} |" in text
    assert (await room.file(".png"))[1].startswith(b"\x89PNG")


async def bad_is_measured(world: World, server: str) -> None:
    """Until Prometheus has scraped as much of the bad version's numbers as one value describes."""

    async def seen() -> bool:
        query = {"query": "sum(rate(shop_failed_total[3s])) / sum(rate(shop_requests_total[3s]))"}
        answer = await asyncio.to_thread(asked, f"{server}/api/v1/query", query)
        return bool(answer) and float(answer[0]["value"][1]) > BAD_SHARE * 0.95

    await world.until(seen, "the bad version's numbers")


def asked(url: str, query: dict[str, str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(url, params=query, trust_env=False).json()["data"]["result"]
    return found


async def test_errors_of_a_new_kind_after_mitigation_reopen_the_incident(
    new_world: NewWorld, log: LogFile
) -> None:
    world = await new_world(changes=watched(watch="60s", logs={LOG: log.configured}))
    async with busy(log):
        await world.bad_deploy()
        room = await world.declare()
        card = forms.text_of(await room.approve())
        assert "1 of 1 metric or log can be read" in card
        await room.status("mitigated")
        relapsed = asyncio.create_task(room.when(lambda i: bool(i.runs[0].ended_at), "the relapse"))
        while not relapsed.done():
            log.write("ERROR", "cannot reach the vault with password=hunter2 in 12 ms")
            await asyncio.sleep(0.1)
        await relapsed
    (relapse,) = await room.events(e.IncidentRelapsed)
    assert relapse.reason.startswith(f"errors in {LOG}: ")
    table = (await tables(room))[Moment.RELAPSED]
    (row,) = [row for row in table.rows if row.verdict is Verdict.FAIL]
    assert row.what == f"errors in {LOG}"
    assert len(row.lines) == 1
    assert "cannot reach the vault" in row.lines[0]
    assert "hunter2" not in row.lines[0]
    said = forms.text_of(await room.sees("shop: It is ill again"))
    assert "cannot reach the vault" in said
    assert "hunter2" not in said
    # It is open again, and the next plan is on offer.
    incident = await room.when(lambda i: i.status.value == "deciding", "a decision to be due")
    assert len(incident.plans) == 2
    assert await world.serves() == GOOD


async def test_a_gap_is_never_green(new_world: NewWorld, exporter: Exporter, server: str) -> None:
    world = await new_world(
        changes=watched(watch="1s", watch_patience="3s", metrics={FAILED: failed_requests(server)})
    )
    async with served(world, exporter):
        await world.bad_deploy()
        room = await world.declare()
        await room.card()
        exporter.silent = True
        await room.approve()
        waiting = forms.text_of(await room.sees("kaeru waits for what is missing until"))
        assert "Not proven to be well" in waiting
        await room.sees("Not verified yet: kaeru waits")
        incident = await room.when(
            lambda i: i.run is not None and i.run.ended_at is not None, "the end of the patience"
        )
        assert incident.status.value == "mitigated"
        assert incident.verified_at is None
        said = forms.text_of(await room.sees("Not verified."))
        assert FAILED in said
        await world.alice.message(INCIDENTS, "not everything could be measured")
    (left,) = await room.events(e.IncidentLeftUnverified)
    assert left.reason.startswith(f"{FAILED}: ")
    assert not await room.events(e.IncidentVerified)
    assert not await room.events(e.IncidentRelapsed)
    table = (await tables(room))[Moment.VERIFIED]
    assert table.overall is Verdict.UNVERIFIED
    # People may close it, and have to say that they know.
    answer = await room.asks(world.alice, "/incident close It is well.")
    assert "could not be verified" in answer
    await room.close()
    assert "Mitigated, not verified" in await room.postmortem()
