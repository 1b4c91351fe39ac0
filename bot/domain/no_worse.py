"""Whether a metric is no worse than before, or within limits: a stated test, or stated thresholds.

**No worse than before** asks where the change lies against what is still acceptable (the *margin*): pass where it is
below the margin with the stated confidence, fail where it is above it with the same confidence, otherwise unverified.
So that nothing was found out is never taken for "nothing is wrong": few values, noise and gaps lead to unverified.
Values are compared by Mann and Whitney's test, shares (of failed requests) by their rates, both for the effective number
of values (`bot.domain.samples`). A test of the typical value would overlook every fifth one being dreadful, so values
further out than nineteen in twenty were before, margin included, may not be more than `TAIL` of all.
How often it errs is measured: docs/performance.md.

**Thresholds** (`at_most`, `at_least`) hold for what is measured now, whatever was before.
"""

import math
from collections.abc import Sequence
from enum import StrEnum
from statistics import median
from typing import Annotated, NamedTuple

from pydantic import Field, FiniteFloat

from bot.domain.base import Value
from bot.domain.evidence import TREND, percentile
from bot.domain.samples import Interval, above, difference, rate, shift, tau
from bot.domain.series import SHARE, Series, shown, typical
from bot.domain.verdict import Cell, Row, Verdict

TAIL = 0.2
"""The share of values that may lie further out than nearly all did before."""
USUAL_TAIL = 0.05
SPARE = 0.05
"""The share of values that may break a threshold before it counts as broken."""
SHARE_SLACK = 0.01
LOOKS = 200
"""While a metric is watched it is looked at again and again: each look has to be so many times as sure before it fails."""


class Better(StrEnum):
    LOWER = "lower"
    HIGHER = "higher"


class Expectation(Value):
    """What a metric has to be like, to count as well."""

    better: Better = Better.LOWER
    """Which way is good: lower for errors and latency, higher for orders."""
    no_worse: bool = True
    """Whether it is compared with what was before."""
    tolerance: Annotated[FiniteFloat, Field(ge=0)] = 0.2
    """How much worse is still acceptable, as a share of what was before …"""
    slack: Annotated[FiniteFloat, Field(ge=0)] | None = None
    """… plus this much, in the metric's own unit. Left out: one percent point for shares of which lower is better,
    else nothing."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    """How sure a pass and a fail have to be, each."""
    at_most: FiniteFloat | None = None
    """No more than this, whatever was before."""
    at_least: FiniteFloat | None = None
    """No less than this, whatever was before."""
    least: Annotated[int, Field(ge=2)] = 8
    """Fewer values than this prove nothing."""
    gaps: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """The share of values that may be missing since; more is unverified."""


class Assessment(Value):
    """The verdict on one metric, the reason in plain text, and the numbers it was reached with."""

    verdict: Verdict
    sentence: str
    numbers: dict[str, FiniteFloat] = Field(default_factory=dict)


class _Part(NamedTuple):
    verdict: Verdict
    sentence: str


class _Case(NamedTuple):
    """Two series; `sign` turns them so that more is worse. `memory` values are worth one."""

    before: Series
    after: Series
    sign: int
    margin: float
    memory: float
    confidence: float


def assess(
    expected: Expectation, before: Series | None, after: Series | None, *, looks: int = 1
) -> Assessment:
    """Judge what was measured `after` against `before` and the thresholds. Raises ValueError for different units.

    `looks` is how many such judgements there are of the same metric, of which one may be wrong by chance.
    """
    if looks > 1:
        expected = expected.model_copy(update={"confidence": 1 - (1 - expected.confidence) / looks})
    if before is not None and after is not None and before.unit != after.unit:
        raise ValueError(f"{before.unit!r} cannot be compared with {after.unit!r}")
    parts = _doubts(expected, after)
    numbers: dict[str, float] = {"points_before": len(before.known) if before else 0}
    if after is not None and after.known:
        numbers |= {"points_after": len(after.known), "gaps_after": after.gaps}
        enough = len(after.known) >= expected.least
        if enough:
            parts += _thresholds(expected, after, surely=looks > 1)
        if enough and expected.no_worse:
            parts.append(_compared(expected, before, after, numbers))
    if not expected.no_worse and expected.at_most is None and expected.at_least is None:
        parts.append(_Part(Verdict.UNVERIFIED, "nothing is expected of it"))
    return _together(parts, numbers)


def row(
    expected: Expectation,
    *,
    what: str,
    before: Series | None,
    during: Series | None,
    after: Series | None,
    source: str = "metrics",
    required: bool = True,
    lately: bool = False,
) -> Row:
    """The same as a row of the verdict's table, with everything that was measured.

    With `lately` it is one of many looks: what is surely worse in the newest values alone fails as well, as all of them
    together would dilute it, and each failure has to be that much surer. `last_seen` says up to when it looked.
    """
    found = assess(expected, before, after, looks=LOOKS if lately else 1)
    if lately and after is not None and found.verdict is not Verdict.FAIL:
        found = _lately(expected, before, after) or found
    numbers = dict(found.numbers)
    if lately and after is not None:
        numbers["last_seen"] = after.until.timestamp()
    return Row(
        source=source,
        what=what,
        before=_cell(before),
        during=_cell(during),
        after=_cell(after),
        verdict=found.verdict,
        sentence=found.sentence,
        numbers=numbers,
        required=required,
    )


def _lately(expected: Expectation, before: Series | None, after: Series) -> Assessment | None:
    """None where the newest values alone are not surely worse, or are all there are."""
    count = expected.least * 2
    if len(after.values) <= count:
        return None
    newest = after.between(after.since + after.step * (len(after.values) - count), after.until)
    found = assess(expected, before, newest, looks=LOOKS)
    if found.verdict is not Verdict.FAIL:
        return None
    return found.model_copy(update={"sentence": f"lately: {found.sentence}"})


def unread(*, what: str, reason: str, source: str = "metrics", required: bool = True) -> Row:
    """The row of a metric that could not be had at all; `reason` is a sentence without secrets."""
    return Row(
        source=source,
        what=what,
        before=None,
        during=None,
        after=None,
        verdict=Verdict.UNVERIFIED,
        sentence=reason,
        required=required,
    )


def _together(parts: Sequence[_Part], numbers: dict[str, float]) -> Assessment:
    verdicts = {part.verdict for part in parts}
    worst = next((v for v in (Verdict.FAIL, Verdict.UNVERIFIED) if v in verdicts), Verdict.PASS)
    told = [part.sentence for part in parts if part.verdict is worst and part.sentence]
    kept = {name: float(value) for name, value in numbers.items() if math.isfinite(value)}
    return Assessment(verdict=worst, sentence="; ".join(told), numbers=kept)


def _doubts(expected: Expectation, after: Series | None) -> list[_Part]:
    """What keeps it from being green, whatever the values say."""
    if after is None or not after.known:
        return [_Part(Verdict.UNVERIFIED, "nothing was measured since")]
    doubts = []
    if len(after.known) < expected.least:
        doubts.append(f"{_counted(len(after.known))} since, at least {expected.least} are needed")
    if after.gaps > expected.gaps * len(after.values):
        doubts.append(f"{after.gaps} of {len(after.values)} values since are missing")
    if after.partial:
        doubts.append("the answer was not complete")
    return [_Part(Verdict.UNVERIFIED, doubt) for doubt in doubts]


def _thresholds(expected: Expectation, after: Series, *, surely: bool) -> list[_Part]:
    limits = ((expected.at_most, 1, "at most"), (expected.at_least, -1, "at least"))
    sure = expected.confidence if surely else None
    return [_threshold(after, limit, sign, words, sure) for limit, sign, words in limits if limit is not None]


def _threshold(after: Series, limit: float, sign: int, words: str, sure: float | None) -> _Part:
    acceptable = f"{words} {shown(limit, after.unit)} is acceptable"
    if after.unit == SHARE:
        found = rate(after.values, after.counts, 1.0)
        few = found.events is not None and found.events * abs(found.share - limit) < 1
        broken = sign * (found.share - limit) > 0 and not few
        if broken and sure is not None and found.events is not None:
            share = found.share if sign > 0 else 1 - found.share
            broken = above(share, found.events, sure) > (limit if sign > 0 else 1 - limit)
        return _Part(Verdict.FAIL if broken else Verdict.PASS, f"{shown(found.share, SHARE)}, {acceptable}")
    out = [value for value in after.known if sign * (value - limit) > 0]
    if len(out) >= TREND and len(out) > SPARE * len(after.known):
        worst = max(out, key=lambda value: sign * value)
        told = f"{len(out)} of {len(after.known)} values break the limit, up to {shown(worst, after.unit)}"
        return _Part(Verdict.FAIL, f"{told}; {acceptable}")
    blip = f", {_counted(len(out))} beyond it" if out else ""
    return _Part(Verdict.PASS, f"{shown(median(after.known), after.unit)} typically{blip}; {acceptable}")


def _compared(
    expected: Expectation, before: Series | None, after: Series, numbers: dict[str, float]
) -> _Part:
    if before is None or len(before.known) < expected.least:
        count = 0 if before is None else len(before.known)
        told = f"{_counted(count)} from before, at least {expected.least} are needed to compare"
        return _Part(Verdict.UNVERIFIED, told)
    sign = 1 if expected.better is Better.LOWER else -1
    case = _Case(
        before=before,
        after=after,
        sign=sign,
        margin=_margin(expected, before),
        memory=_memory(before, after),
        confidence=expected.confidence,
    )
    grown = _grown(case)
    numbers |= {
        "before": typical(before),
        "after": typical(after),
        "worse_by": grown.estimate,
        "worse_by_at_least": grown.low,
        "worse_by_at_most": grown.high,
        "acceptable": case.margin,
        "memory": case.memory,
    }
    verdict = Verdict.FAIL if grown.low > case.margin else Verdict.UNVERIFIED
    if grown.high <= case.margin:
        verdict = Verdict.PASS
    tail = None if verdict is Verdict.FAIL or before.unit == SHARE else _tail(case)
    if tail is not None and (verdict is Verdict.PASS or tail.verdict is Verdict.FAIL):
        return tail
    return _Part(verdict, _sentence(case, grown, verdict))


def _memory(before: Series, after: Series) -> float:
    """That of both, or of what came after alone: where more fails, it may fail more together than before."""
    ranked = before.unit != SHARE
    return max(tau(before.values, after.values, ranked=ranked), tau(after.values, ranked=ranked))


def _grown(case: _Case) -> Interval:
    """By how much it got worse."""
    before, after, sign, confidence = case.before, case.after, case.sign, case.confidence
    if before.unit == SHARE:
        rates = [rate(series.values, series.counts, case.memory) for series in (before, after)]
        found = difference(rates[0], rates[1], confidence)
    else:
        found = shift(before.values, after.values, case.memory, confidence)
    return found if sign > 0 else Interval(-found.estimate, -found.high, -found.low)


def _margin(expected: Expectation, before: Series) -> float:
    slack = expected.slack
    if slack is None:
        slack = SHARE_SLACK if before.unit == SHARE and expected.better is Better.LOWER else 0.0
    return expected.tolerance * abs(typical(before)) + slack


def _tail(case: _Case) -> _Part | None:
    """None where no more values are far out than may be."""
    usual = percentile([case.sign * value for value in case.before.known], 1 - USUAL_TAIL)
    if usual is None:
        return None
    far = usual + case.margin
    out = sum(case.sign * value > far for value in case.after.known)
    size = len(case.after.known)
    if out <= TAIL * size:
        return None
    sure = above(out / size, max(1.0, size / case.memory), case.confidence) > USUAL_TAIL
    beyond = f"{'above' if case.sign > 0 else 'below'} {shown(case.sign * far, case.after.unit)}"
    told = f"{out} of {size} values since are {beyond}, further out than nearly all were before"
    return _Part(Verdict.FAIL if sure else Verdict.UNVERIFIED, told)


def _sentence(case: _Case, grown: Interval, verdict: Verdict) -> str:
    unit, up = case.before.unit, case.sign > 0
    old = typical(case.before)
    best, worst, limit = (
        shown(_possible(old + case.sign * by, unit), unit) for by in (grown.low, grown.high, case.margin)
    )
    facts = f"{shown(typical(case.after), unit)}, {shown(old, unit)} before"
    up_to = f"{'up' if up else 'down'} to {limit} is acceptable"
    sure = f"with {case.confidence * 100:g} % confidence"
    if verdict is Verdict.PASS:
        return f"{facts}: {'at most' if up else 'at least'} {worst} {sure}; {up_to}"
    if verdict is Verdict.FAIL:
        return f"{facts}: {'at least' if up else 'at most'} {best} {sure}; {up_to}"
    low, high = (best, worst) if up else (worst, best)
    return f"{facts}: anything between {low} and {high}, and {up_to}; that takes more values to tell"


def _possible(value: float, unit: str) -> float:
    return min(1.0, max(0.0, value)) if unit == SHARE else value


def _cell(series: Series | None) -> Cell | None:
    if series is None or not series.known:
        return None
    value = typical(series)
    missing = f", {series.gaps} of {len(series.values)} values missing" if series.gaps else ""
    numbers = {"value": value, "points": float(len(series.known)), "gaps": float(series.gaps)}
    return Cell(shown=f"{shown(value, series.unit)}{missing}", numbers=numbers, series=series)


def _counted(count: int) -> str:
    return f"{count} value" if count == 1 else f"{count} values"
