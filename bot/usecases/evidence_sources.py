"""Where the rows of the verdict come from: kaeru's own probes, metrics, logs. One more kind is one more `Source`."""

import asyncio
import logging
from collections.abc import Awaitable
from datetime import timedelta
from typing import Protocol, TypeVar

from bot.catalog.model import Log, Metric, Service
from bot.domain import no_worse
from bot.domain.comparison import Comparison
from bot.domain.evidence import Baseline, Look, Outcome, judge, summarize
from bot.domain.logjoin import joined
from bot.domain.logjudge import LogLimits
from bot.domain.logrows import rows_of_log
from bot.domain.logwatch import LogCounts
from bot.domain.no_worse import unread
from bot.domain.proberows import SOURCE as HTTP
from bot.domain.proberows import rows_of_probes
from bot.domain.series import Series
from bot.domain.verdict import Row, Verdict
from bot.ports import PortError
from bot.ports.logs import Logs
from bot.ports.metrics import Metrics
from bot.store import Store
from bot.usecases.bounds import reading
from bot.usecases.stretches import Before, Span

_log = logging.getLogger(__name__)
T = TypeVar("T")

ASK_S = 10.0
"""How long a metric or a log may take to answer. Mitigation never waits for one, the verdict no longer than this."""
PIECE = timedelta(minutes=1)
"""How much of a log is read again at each look: what is written late is still seen."""
LATE = timedelta(seconds=2)
WATCHED = LogLimits(false_alarm=1e-5)
"""While it is watched it is looked at again and again: each look has to be that much surer before it fails."""
RECENT = timedelta(minutes=5)
"""How much of a log is also looked at by itself while it is watched."""


class Source(Protocol):
    """One thing that is evidence, of one incident. Keeps what it has read of times that are over."""

    @property
    def delay(self) -> timedelta:
        """How long after a moment it can be asked about it."""
        ...

    async def rows(self, after: Span, *, lately: bool = False) -> tuple[Row, ...]:
        """How it was since. Never raises for what cannot be read: that is an unverified row with its reason.

        With `lately`, what is bad in the newest part of that time alone fails as well.
        """
        ...


class ProbeSource:
    """kaeru's own probes, endpoint by endpoint, against the plan's baseline."""

    delay = timedelta(0)

    def __init__(self, store: Store, service: Service, baseline: Baseline, ill: Span | None) -> None:
        self._store = store
        self._service = service
        self._baseline = baseline
        self._ill = ill

    async def rows(self, after: Span, *, lately: bool = False) -> tuple[Row, ...]:  # noqa: ARG002 - the watch itself judges the newest probes
        name, ill, baseline = self._service.name, self._ill, self._baseline
        since = await self._store.read(lambda uow: uow.probes.window(name, *after))
        bad = await self._store.read(lambda uow: uow.probes.window(name, *ill)) if ill else ()
        was = {stats.endpoint: stats for stats in baseline.endpoints}
        ailing = {finding.endpoint: finding for finding in judge(bad, baseline)}
        found = {finding.endpoint: finding for finding in judge(since, baseline, look=Look.OVER_ALL)}
        rows = [
            Comparison(
                endpoint=endpoint,
                before=was.get(endpoint),
                during=ailing[endpoint].stats if endpoint in ailing else None,
                after=found[endpoint].stats if endpoint in found else None,
                limit_error_rate=baseline.limit_error_rate(endpoint),
                limit_p95_ms=baseline.limit_p95_ms(endpoint),
                during_verdict=ailing[endpoint].verdict if endpoint in ailing else Outcome.UNKNOWN,
                after_verdict=found[endpoint].verdict if endpoint in found else Outcome.UNKNOWN,
            )
            for endpoint in dict.fromkeys((*was, *(s.endpoint for s in summarize((*bad, *since)))))
        ]
        if not rows and self._service.health is not None:
            return (unread(what=self._service.health.url, reason="nothing was measured", source=HTTP),)
        # What kaeru.yml asks for no longer is no evidence, and none is missing.
        asked = {row.endpoint for row in rows if row.after is not None}
        return rows_of_probes(row for row in rows if row.endpoint in asked or not asked)


class MetricSource:
    """One metric."""

    def __init__(self, known: Metric, metric: Metrics, before: Before, ill: Span | None) -> None:
        self._known = known
        self._metric = metric
        self._span = before.span
        self._before = before.metrics.get(known.name)
        self._ill = ill
        self._during: Series | None = None

    @property
    def delay(self) -> timedelta:
        return self._metric.delay

    async def rows(self, after: Span, *, lately: bool = False) -> tuple[Row, ...]:
        try:
            return (await self._row(after, lately=lately),)
        except (PortError, ValueError) as error:
            return (self._unread(why(error)),)
        except Exception as error:  # noqa: BLE001 - one source must not keep the others from being judged
            _log.exception("the metric %s could not be judged", self._known.name)
            return (self._unread(broke_down(error)),)

    async def _row(self, after: Span, *, lately: bool) -> Row:
        settled = Span(after.since, after.until - self.delay)
        self._before, self._during, since = await asyncio.gather(
            self._read(self._before, self._span),
            not_needed(self._read(self._during, self._ill)),
            self._read(None, settled if settled.since < settled.until else None),
        )
        return no_worse.row(
            self._known.expectation,
            what=self._known.name,
            before=self._before,
            during=self._during,
            after=since,
            required=self._known.required,
            lately=lately,
        )

    async def _read(self, found: Series | None, span: Span | None) -> Series | None:
        if found is not None or span is None:
            return found
        return await series_of(self._known, self._metric, span)

    def _unread(self, reason: str) -> Row:
        return unread(what=self._known.name, reason=reason, required=self._known.required)


async def series_of(known: Metric, metric: Metrics, span: Span) -> Series:
    """What was measured of that time and of no other. Raises PortError."""
    found = await reading(metric.series(*span), f"The metric {known.name}", ASK_S)
    return found.between(*span)


class LogSource:
    """One log, counted on from look to look."""

    delay = timedelta(0)

    def __init__(self, known: Log, log: Logs, before: Before, ill: Span | None) -> None:
        self._known = known
        self._reader = log
        self._span = before.span
        self._before = before.logs.get(known.name)
        self._ill = ill
        self._early = before.ill_logs.get(known.name)
        self._during: LogCounts | None = None
        self._pieces: list[LogCounts] = []

    async def rows(self, after: Span, *, lately: bool = False) -> tuple[Row, ...]:
        try:
            return await self._rows(after, lately=lately)
        except (PortError, ValueError) as error:
            return (self._unread(why(error)),)
        except Exception as error:  # noqa: BLE001 - one source must not keep the others from being judged
            _log.exception("the log %s could not be judged", self._known.name)
            return (self._unread(broke_down(error)),)

    async def _rows(self, after: Span, *, lately: bool) -> tuple[Row, ...]:
        before, self._during, pieces = await asyncio.gather(
            self._read(self._before, self._span),
            not_needed(self._while_ill()),
            self._counted(after),
        )
        if before is None:
            raise ValueError("nothing is known of the time before")
        self._before = before
        limits = WATCHED if lately else LogLimits()
        rows = self._judged(before, pieces, limits)
        if not lately or pieces[0].since >= after.until - RECENT:
            return rows
        recent = [piece for piece in pieces if piece.since >= after.until - RECENT]
        newest = self._judged(before, recent or pieces[-1:], limits)
        failing = {row.what: row for row in newest if row.verdict is Verdict.FAIL}
        return tuple(failing.get(row.what, row) for row in rows)

    def _judged(self, before: LogCounts, pieces: list[LogCounts], limits: LogLimits) -> tuple[Row, ...]:
        known = self._known
        return rows_of_log(known.name, before, self._during, joined(pieces), limits, required=known.required)

    async def _while_ill(self) -> LogCounts | None:
        """What was read before the bad version went, and the rest."""
        early, ill = self._early, self._ill
        if self._during is not None or early is None or ill is None:
            return await self._read(self._during, ill)
        if early.until >= ill.until:
            return early
        return joined([early, await counts_of(self._known, self._reader, Span(early.until, ill.until))])

    async def _read(self, found: LogCounts | None, span: Span | None) -> LogCounts | None:
        if found is not None or span is None:
            return found
        return await counts_of(self._known, self._reader, span)

    async def _counted(self, after: Span) -> list[LogCounts]:
        """The pieces of that time. Only the last minute or so is read again."""
        kept = [piece for piece in self._pieces if piece.since >= after.since and piece.until <= after.until]
        begin = kept[-1].until if kept else after.since
        if after.until - LATE - begin >= PIECE:
            settled = Span(begin, after.until - LATE)
            kept.append(await counts_of(self._known, self._reader, settled))
            begin = settled.until
        self._pieces = kept
        return [*kept, await counts_of(self._known, self._reader, Span(begin, after.until))]

    def _unread(self, reason: str) -> Row:
        return unread(what=self._known.name, reason=reason, source="logs", required=self._known.required)


async def counts_of(known: Log, log: Logs, span: Span) -> LogCounts:
    """Raises PortError; ValueError for a time that has no length."""
    return await reading(log.counts(*span), f"The log {known.name}", ASK_S)


async def not_needed(asking: Awaitable[T]) -> T | None:
    """What only illustrates: None where it cannot be had."""
    try:
        return await asking
    except PortError as error:
        _log.warning("what was measured while it was ill cannot be had: %s", error)
        return None


def why(error: Exception) -> str:
    """A sentence for people."""
    return error.advice if isinstance(error, PortError) else str(error)


def broke_down(error: Exception) -> str:
    """What is said of a defect."""
    return f"kaeru itself failed here ({type(error).__name__}); the log has the details"
