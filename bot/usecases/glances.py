"""What metrics and logs say while a plan is made: read quickly, so that the card does not wait for them."""

import asyncio
from collections.abc import Awaitable
from datetime import datetime
from typing import NamedTuple, TypeVar

from bot.catalog.model import Log, Metric
from bot.domain import no_worse
from bot.domain.evidence import Outcome
from bot.domain.glance import Glance
from bot.domain.logjudge import compare
from bot.domain.logwatch import LogCounts
from bot.domain.series import Series, shown, typical
from bot.domain.verdict import Verdict
from bot.ports import PortError
from bot.ports.logs import Logs
from bot.ports.metrics import Metrics
from bot.usecases.bounds import reading
from bot.usecases.evidence_sources import not_needed, why
from bot.usecases.stretches import Before, Span, during

QUICK_S = 4.0

T = TypeVar("T")


class Seen(NamedTuple):
    """What the card says, what was before the incident, and in a log since, where that could be read now."""

    glance: Glance
    series: Series | None = None
    counts: LogCounts | None = None
    ill: LogCounts | None = None


async def glance_at_metric(known: Metric, metric: Metrics, before: Before, now: datetime) -> Seen:
    """Never raises a PortError: then it cannot be read, and says why."""
    try:
        kept = before.metrics.get(known.name)
        once, since = await asyncio.gather(
            _series(known, metric, before.span) if kept is None else _as_it_is(kept),
            not_needed(_series(known, metric, during(before.began, now - metric.delay))),
        )
        found = no_worse.assess(known.expectation, once, since)
    except (PortError, ValueError) as error:
        return Seen(_unread("metrics", known.name, error))
    told = _glance("metrics", known.name, found.verdict, _told(once, since, found))
    readable = any(series is not None and series.known for series in (once, since))
    return Seen(told.model_copy(update={"readable": readable}), series=once if once and once.known else None)


async def glance_at_log(known: Log, log: Logs, before: Before, now: datetime) -> Seen:
    """Never raises a PortError: then it cannot be read, and says why."""
    try:
        kept = before.logs.get(known.name)
        once, since = await asyncio.gather(
            _counts(known, log, before.span) if kept is None else _as_it_is(kept),
            not_needed(_counts(known, log, during(before.began, now))),
        )
    except (PortError, ValueError) as error:
        return Seen(_unread("logs", known.name, error))
    if once is None or since is None:
        return Seen(_glance("logs", known.name, Verdict.UNVERIFIED, "it can be read"), counts=once)
    findings = compare(once, since)
    wrong = [finding for finding in findings if finding.verdict is Outcome.FAILED]
    told = "; ".join(finding.sentence for finding in wrong or findings[:1])
    verdict = Verdict.FAIL if wrong else Verdict.PASS
    return Seen(_glance("logs", known.name, verdict, told), counts=once, ill=since)


async def _as_it_is(value: T) -> T:
    return value


async def _series(known: Metric, metric: Metrics, span: Span | None) -> Series | None:
    return None if span is None else await _quickly(_cut(metric, span), f"The metric {known.name}")


async def _cut(metric: Metrics, span: Span) -> Series:
    return (await metric.series(*span)).between(*span)


async def _counts(known: Log, log: Logs, span: Span | None) -> LogCounts | None:
    return None if span is None else await _quickly(log.counts(*span), f"The log {known.name}")


async def _quickly(asking: Awaitable[T], what: str) -> T:
    return await reading(asking, what, QUICK_S)


def _told(before: Series | None, since: Series | None, found: no_worse.Assessment) -> str:
    if found.verdict is Verdict.FAIL or before is None or not before.known:
        return found.sentence
    if since is None or not since.known:
        return f"{shown(typical(before), before.unit)} before"
    return f"{shown(typical(since), since.unit)}, {shown(typical(before), before.unit)} before"


def _glance(source: str, what: str, verdict: Verdict, sentence: str) -> Glance:
    wrong = verdict is Verdict.FAIL
    return Glance(source=source, what=what, readable=True, wrong=wrong, sentence=sentence)


def _unread(source: str, what: str, error: Exception) -> Glance:
    return Glance(source=source, what=what, readable=False, wrong=False, sentence=why(error))
