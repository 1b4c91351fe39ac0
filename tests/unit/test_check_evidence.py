"""What `kaeru check` says of metrics and logs, in memory."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import BaseModel

from bot.catalog.model import Adapter, Log, Metric
from bot.domain.no_worse import Expectation
from bot.ports import Unavailable
from bot.usecases.check_evidence import look_at_log, look_at_metric
from bot.usecases.check_report import Row, State
from tests.fakes.logs import MemoryLogs
from tests.fakes.metrics import MemoryMetrics

NOW = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Settings(BaseModel):
    """No settings."""


ADAPTER = Adapter(kind="memory", settings=Settings())
ORDERS = Metric("orders", ADAPTER, Expectation())
APP = Log("app", ADAPTER)


async def metric(*known: int, every: timedelta | None = None) -> Row:
    """Of a metric of whose last hour these minutes are known."""
    source = MemoryMetrics("orders", unit="orders/min")
    source.values = {NOW - MINUTE * (minute + 1): 40.0 for minute in known}
    source.sample_every = every
    (row,) = await look_at_metric("shop", ORDERS, source, NOW)
    assert row.name == "metric orders"
    return row


async def test_a_metric_with_a_whole_hour_is_fine() -> None:
    row = await metric(*range(60))
    assert (row.state, row.seen) == (State.OK, "40 orders/min over the last hour, 60 of 60 values known")


async def test_a_metric_without_enough_to_compare_with_is_warned_of() -> None:
    assert (await metric()).state is State.WARN
    assert (await metric()).seen == "it has no value of the last hour"
    few = await metric(1, 2)
    assert (few.state, few.remedy[:17]) == (State.WARN, "At least 8 values")
    gaps = await metric(*range(50))
    assert (gaps.state, gaps.seen) == (
        State.WARN,
        "40 orders/min over the last hour, 50 of 60 values known",
    )


async def test_a_metric_that_is_only_sampled_answers() -> None:
    row = await metric(every=timedelta(seconds=15))
    assert (row.state, row.seen) == (State.OK, "it answers; kaeru samples it every 15 s while it runs")


async def test_what_cannot_be_asked_raises_for_the_report() -> None:
    source = MemoryMetrics("orders")
    source.down = True
    with pytest.raises(Unavailable):
        await look_at_metric("shop", ORDERS, source, NOW)
    log = MemoryLogs()
    log.trouble = Unavailable("The disk is gone.")
    with pytest.raises(Unavailable):
        await look_at_log("shop", APP, log, NOW)


async def test_a_log_is_counted_and_its_holes_are_told() -> None:
    log = MemoryLogs()
    (silent,) = await look_at_log("shop", APP, log, NOW)
    assert silent.state is State.WARN
    assert "says nothing" in silent.remedy
    log.write("INFO well", "WARN slow", "ERROR no rate", at=NOW - MINUTE)
    (row,) = await look_at_log("shop", APP, log, NOW)
    assert (row.state, row.seen) == (State.OK, "errors: 1, warnings: 1, of 3 lines in the last hour")
    log.missing = "One file is gone."
    (holes,) = await look_at_log("shop", APP, log, NOW)
    assert holes.state is State.WARN
    assert holes.seen.endswith("; One file is gone.")
