"""The verdict: every source of evidence in one table, before, during and after, and what it says of the rollback.

Nothing that was not measured is good. One row that fails is a failure of the whole.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from pydantic import Field, FiniteFloat

from bot.domain.base import Value
from bot.domain.comparison import Comparison
from bot.domain.evidence import EndpointStats, Outcome
from bot.domain.series import Series


class Verdict(StrEnum):
    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    UNVERIFIED = "unverified"

    @classmethod
    def of(cls, outcome: Outcome) -> "Verdict":
        return _OF_OUTCOME[outcome]


_OF_OUTCOME = {
    Outcome.SUCCEEDED: Verdict.PASS,
    Outcome.FAILED: Verdict.FAIL,
    Outcome.UNKNOWN: Verdict.UNVERIFIED,
}


class Moment(StrEnum):
    """When a table is made: once the bad version has no traffic, and once the service was watched for its window."""

    MITIGATED = "mitigated"
    VERIFIED = "verified"


class Cell(Value):
    """What was measured in one stretch of time: as people read it, and raw. The chart is drawn from the same numbers."""

    shown: str
    numbers: dict[str, FiniteFloat] = Field(default_factory=dict)
    series: Series | None = None


class Row(Value):
    """One thing that was measured. A cell is None where nothing was.

    `source` is the kind of evidence ("HTTP", "metrics", "logs"), `what` names the thing in its own words (an
    endpoint, a metric). `sentence` is the reason for the verdict, in plain text. `numbers` are what the verdict was
    reached with (bounds, limits, how many values). What is not `required` cannot keep the whole from passing by
    being unverified, but fails it like any other.
    """

    source: str
    what: str
    before: Cell | None
    during: Cell | None
    after: Cell | None
    verdict: Verdict
    sentence: str
    numbers: dict[str, FiniteFloat] = Field(default_factory=dict)
    required: bool = True


class VerdictTable(Value):
    """The rows for one moment."""

    moment: Moment
    at: datetime
    rows: tuple[Row, ...] = ()

    @property
    def overall(self) -> Verdict:
        return overall(self.rows)

    @property
    def ranked(self) -> tuple[Row, ...]:
        """The rows that matter most first; of the same verdict, as they came."""
        return tuple(sorted(self.rows, key=lambda row: (_WORST_FIRST.index(row.verdict), not row.required)))

    @property
    def sentence(self) -> str:
        """What the whole says, and why."""
        if not self.rows:
            return "Nothing was measured, so nothing is verified."
        counts = {verdict: sum(row.verdict is verdict for row in self.rows) for verdict in _WORST_FIRST}
        told = [f"{count} {_WORDS[verdict]}" for verdict, count in counts.items() if count]
        return f"{', '.join(told)} of {len(self.rows)}."


_WORST_FIRST = (Verdict.FAIL, Verdict.UNVERIFIED, Verdict.PASS)
_WORDS = {Verdict.FAIL: "failed", Verdict.UNVERIFIED: "unverified", Verdict.PASS: "passed"}


def overall(rows: Iterable[Row]) -> Verdict:
    """Fail if any fails; pass if all that are required pass and at least one does; otherwise unverified."""
    every = tuple(rows)
    if any(row.verdict is Verdict.FAIL for row in every):
        return Verdict.FAIL
    doubted = any(row.required and row.verdict is Verdict.UNVERIFIED for row in every)
    passed = any(row.verdict is Verdict.PASS for row in every)
    return Verdict.PASS if passed and not doubted else Verdict.UNVERIFIED


def rows_of_probes(comparisons: Iterable[Comparison]) -> tuple[Row, ...]:
    """Rows of kaeru's own probes, endpoint by endpoint, as they were judged."""
    return tuple(
        Row(
            source="HTTP",
            what=one.endpoint,
            before=_probed(one.before),
            during=_probed(one.during),
            after=_probed(one.after),
            verdict=Verdict.of(one.after_verdict),
            sentence=_limits(one),
            numbers={"limit_error_rate": one.limit_error_rate, "limit_p95_ms": one.limit_p95_ms},
        )
        for one in comparisons
    )


def _probed(stats: EndpointStats | None) -> Cell | None:
    if stats is None or not stats.count:
        return None
    p95 = "" if stats.p95_ms is None else f", p95 {stats.p95_ms:.0f} ms"
    numbers = {"count": stats.count, "errors": stats.errors, "p50_ms": stats.p50_ms, "p95_ms": stats.p95_ms}
    return Cell(
        shown=f"{stats.errors} of {stats.count} failed{p95}",
        numbers={name: float(value) for name, value in numbers.items() if value is not None},
    )


def _limits(one: Comparison) -> str:
    limits = (
        f"at most {one.limit_error_rate * 100:.3g} % errors and p95 {one.limit_p95_ms:.0f} ms are acceptable"
    )
    if one.after is None or not one.after.count:
        return f"nothing was measured since; {limits}"
    return limits
