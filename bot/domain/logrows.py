"""A log in the verdict's table: its errors and its warnings, minute by minute."""

from datetime import timedelta

from bot.domain.logjudge import LogFinding, LogLimits, compare
from bot.domain.logwatch import MINUTE, LogCounts
from bot.domain.series import Series
from bot.domain.verdict import Cell, Row, Verdict

UNIT = "/min"


def rows_of_log(
    name: str, before: LogCounts, during: LogCounts | None, after: LogCounts, limits: LogLimits | None = None
) -> tuple[Row, ...]:
    """Two rows. More warnings alone keep nothing from passing unless there are too many: they are not required."""
    return tuple(
        Row(
            source="logs",
            what=f"{finding.what} in {name}",
            before=_cell(finding.what, before),
            during=None if during is None else _cell(finding.what, during),
            after=_cell(finding.what, after),
            verdict=Verdict.of(finding.verdict),
            sentence=finding.sentence,
            numbers=_numbers(finding),
            required=finding.what == "errors",
        )
        for finding in compare(before, after, limits)
    )


def series_of(what: str, counts: LogCounts) -> Series | None:
    """The whole minutes; None where there is none."""
    whole = counts.whole
    if not whole:
        return None
    return Series(
        unit=UNIT,
        since=whole[0].at,
        step=timedelta(minutes=1),
        values=tuple(float(minute.errors if what == "errors" else minute.warnings) for minute in whole),
        partial=not counts.complete,
        notes=counts.notes,
    )


def _cell(what: str, counts: LogCounts) -> Cell | None:
    """None where not a line was read: that is no zero."""
    if not counts.total:
        return None
    found = counts.errors if what == "errors" else counts.warnings
    minutes = (counts.until - counts.since) / MINUTE
    missing = "" if counts.complete else ", part of it missing"
    return Cell(
        shown=f"{found / minutes:.1f}/min{missing}",
        numbers={what: float(found), "lines": float(counts.total), "minutes": minutes},
        series=series_of(what, counts),
    )


def _numbers(finding: LogFinding) -> dict[str, float]:
    told = {"before": finding.before, "after": finding.after, "p": finding.p}
    return {name: value for name, value in told.items() if value is not None}
