"""Whether a log has no more errors than it had before.

The test: of all errors of both times together, how likely is it that so many or more fall into the later time, if
both have the same rate? That is the exact one-sided test of two Poisson rates. Errors come in bursts, which Poisson
knows nothing of: both counts are divided first by how much more the counts of single minutes vary than they would
(the index of dispersion, at least 1), so that one burst is not taken for many errors.
"""

import math
from collections.abc import Sequence

from bot.domain.base import Value
from bot.domain.evidence import Outcome
from bot.domain.logwatch import LogCounts, Minute

_EXACT = 20_000
"""Up to so many errors the tail is summed up; beyond, the normal distribution is as good."""


class LogLimits(Value):
    """What counts as more. All three have to be exceeded.

    `false_alarm` is the test's level: how often a log that is as before may be called worse, per comparison.
    `factor` is how many times the rate before is still no matter, `floor` how many lines a minute never are: of a
    shorter time than `least_minutes` as many as of those, so that what ends with the bad version is no flood.
    """

    false_alarm: float = 0.001
    factor: float = 1.5
    floor: float = 1.0
    least_minutes: float = 5.0


class LogFinding(Value):
    """Errors or warnings, before and after: lines per minute, the test's p-value, a judgement and a sentence."""

    what: str
    before: float | None
    after: float | None
    p: float | None
    verdict: Outcome
    sentence: str


def compare(before: LogCounts, after: LogCounts, limits: LogLimits | None = None) -> tuple[LogFinding, ...]:
    """Errors first, then warnings. What could not be read makes it unknown, never well; nor does silence prove anything.

    That there are more is also believed where part of the later log is missing: it would only be more still.
    """
    told = limits or LogLimits()
    return _one("errors", before, after, told), _one("warnings", before, after, told)


def _one(what: str, before: LogCounts, after: LogCounts, limits: LogLimits) -> LogFinding:
    now = _total(what, after.minutes)
    rate = now / after.length
    if not after.total:
        why = "not a line was written" if after.complete else "the log could not be read"
        return _finding(what, Outcome.UNKNOWN, f"{why}, which proves nothing", after=None)
    once = _known_rate(what, before, limits)
    if now <= limits.floor * max(after.length, limits.least_minutes):
        verdict = Outcome.SUCCEEDED if after.complete else Outcome.UNKNOWN
        said = f"{_per_minute(rate)} {what}" + (f", {_per_minute(once)} before" if once is not None else "")
        return _finding(what, verdict, said + _gap(after), before=once, after=rate)
    if once is None:
        why = "its past could not be read" if not before.complete else "too little of its past is known"
        said = f"{_per_minute(rate)} {what}, and {why}"
        return _finding(what, Outcome.UNKNOWN, said, after=rate)
    p = tail(
        _total(what, before.minutes), before.length, now, after.length, spread=_spread(what, before, after)
    )
    said = f"{_per_minute(rate)} {what}, {_per_minute(once)} before (p = {p:.2g})"
    if p < limits.false_alarm and rate > limits.factor * once:
        return _finding(what, Outcome.FAILED, said, before=once, after=rate, p=p)
    verdict = Outcome.SUCCEEDED if after.complete else Outcome.UNKNOWN
    return _finding(what, verdict, said + _gap(after), before=once, after=rate, p=p)


def tail(
    before: int, before_minutes: float, after: int, after_minutes: float, *, spread: float = 1.0
) -> float:
    """How likely `after` or more errors are in the later time if the rate is the same in both. Between 0 and 1."""
    early, late = math.ceil(before / spread), math.floor(after / spread)
    count, share = early + late, after_minutes / (before_minutes + after_minutes)
    if late <= 0:
        return 1.0
    if count > _EXACT:
        deviation = math.sqrt(count * share * (1 - share))
        return 0.5 * math.erfc((late - 0.5 - count * share) / deviation / math.sqrt(2))
    log_share, log_rest = math.log(share), math.log1p(-share)
    whole = math.lgamma(count + 1)
    terms = (
        math.exp(
            whole - math.lgamma(k + 1) - math.lgamma(count - k + 1) + k * log_share + (count - k) * log_rest
        )
        for k in range(late, count + 1)
    )
    return min(1.0, math.fsum(terms))


def _known_rate(what: str, before: LogCounts, limits: LogLimits) -> float | None:
    if not before.complete or not before.total or before.length < limits.least_minutes:
        return None
    return _total(what, before.minutes) / before.length


def _spread(what: str, *logs: LogCounts) -> float:
    """The index of dispersion of whole minutes around the mean of each log's own, at least 1."""
    squares, minutes, lines = 0.0, 0, 0
    for log in logs:
        found = [_of(what, minute) for minute in log.whole]
        if len(found) < 2:
            continue
        mean = sum(found) / len(found)
        squares += sum((count - mean) ** 2 for count in found)
        minutes += len(found)
        lines += sum(found)
    parts = sum(len(log.whole) >= 2 for log in logs)
    if not lines or minutes <= parts:
        return 1.0
    return max(1.0, squares / (minutes - parts) / (lines / minutes))


def _total(what: str, minutes: Sequence[Minute]) -> int:
    return sum(_of(what, minute) for minute in minutes)


def _of(what: str, minute: Minute) -> int:
    return minute.errors if what == "errors" else minute.warnings


def _per_minute(rate: float) -> str:
    return f"{rate:.1f}/min"


def _gap(after: LogCounts) -> str:
    return "" if after.complete else "; part of the log could not be read"


def _finding(
    what: str,
    verdict: Outcome,
    sentence: str,
    *,
    before: float | None = None,
    after: float | None = None,
    p: float | None = None,
) -> LogFinding:
    return LogFinding(what=what, before=before, after=after, p=p, verdict=verdict, sentence=sentence)
