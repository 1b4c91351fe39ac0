"""The verdict: every source of evidence in one table, before, during and after, and what it says of the rollback.

Nothing that was not measured is good. One row that fails is a failure of the whole.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from pydantic import Field, FiniteFloat

from bot.domain.base import Value
from bot.domain.evidence import Outcome
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
    """When a table is made: the bad version has no traffic; the watch is over; or it was ill again meanwhile."""

    MITIGATED = "mitigated"
    VERIFIED = "verified"
    RELAPSED = "relapsed"


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
    being unverified, but fails it like any other. `lines` are what it said since, without secrets, the newest first.
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
    lines: tuple[str, ...] = ()


class VerdictTable(Value):
    """The rows for one moment. `waits_until` is until when at most what is unverified is waited for."""

    moment: Moment
    at: datetime
    rows: tuple[Row, ...] = ()
    waits_until: datetime | None = None

    @property
    def overall(self) -> Verdict:
        return overall(self.rows)

    @property
    def lean(self) -> "VerdictTable":
        """Without the values over time."""
        return self.model_copy(update={"rows": tuple(_lean(row) for row in self.rows)})

    @property
    def missing(self) -> tuple[Row, ...]:
        """What keeps the whole from passing, because it is not known."""
        return tuple(row for row in self.rows if row.required and row.verdict is Verdict.UNVERIFIED)

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


def _lean(row: Row) -> Row:
    cells = {"before": row.before, "during": row.during, "after": row.after}
    return row.model_copy(
        update={name: one and one.model_copy(update={"series": None}) for name, one in cells.items()}
    )
