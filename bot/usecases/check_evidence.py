"""What `kaeru check` says of metrics and logs: whether they can be read, and whether there is enough to compare with."""

from datetime import datetime, timedelta

from bot.catalog.model import Log, Metric
from bot.domain.logwatch import LogCounts
from bot.domain.series import Series, shown, typical
from bot.ports.logs import Logs
from bot.ports.metrics import Metrics
from bot.usecases.bounds import reading
from bot.usecases.check_report import Row, State, row_of

HOUR = timedelta(hours=1)


async def look_at_metric(area: str, known: Metric, metric: Metrics, now: datetime) -> list[Row]:
    """Raises PortError where it cannot be had."""
    name = f"metric {known.name}"
    await reading(metric.sample(), name)
    until = now - metric.delay
    found = await reading(metric.series(until - HOUR, until), name)
    every = metric.sample_every
    if every is not None:
        seen = f"it answers; kaeru samples it every {every.total_seconds():g} s while it runs"
        return [row_of(area, name, State.OK, seen)]
    return [_of_series(area, name, known, found)]


def _of_series(area: str, name: str, known: Metric, found: Series) -> Row:
    count = len(found.known)
    if not count:
        seen = "; ".join(("it has no value of the last hour", *found.notes))
        return row_of(
            area, name, State.WARN, seen, "Look at the query: without values nothing can be verified."
        )
    seen = (
        f"{shown(typical(found), found.unit)} over the last hour, {count} of {len(found.values)} values known"
    )
    if count < known.expectation.least:
        remedy = f"At least {known.expectation.least} values before and since are needed; let it have more of them."
        return row_of(area, name, State.WARN, seen, remedy)
    if found.gaps:
        remedy = (
            "Values that are missing after a rollback keep it from being verified; look into why they are."
        )
        return row_of(area, name, State.WARN, seen, remedy)
    return row_of(area, name, State.OK, seen)


async def look_at_log(area: str, known: Log, log: Logs, now: datetime) -> list[Row]:
    """Raises PortError where it cannot be read."""
    name = f"log {known.name}"
    found = await reading(log.counts(now - HOUR, now), name)
    seen = _counted(found)
    if not found.complete:
        remedy = "What cannot be read is unverified after a rollback."
        return [row_of(area, name, State.WARN, "; ".join((seen, *found.notes)), remedy)]
    if not found.total:
        remedy = "A log that says nothing proves nothing: look at its place, or let the service write when all is well."
        return [row_of(area, name, State.WARN, seen, remedy)]
    return [row_of(area, name, State.OK, seen)]


def _counted(found: LogCounts) -> str:
    return f"errors: {found.errors}, warnings: {found.warnings}, of {found.total} lines in the last hour"
