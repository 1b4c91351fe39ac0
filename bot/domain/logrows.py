"""A log in the verdict's table: its errors and its warnings, minute by minute."""

from datetime import timedelta

from bot.domain.evidence import Outcome
from bot.domain.logjudge import LogFinding, LogLimits, compare
from bot.domain.loglines import Level
from bot.domain.logwatch import MINUTE, LineKind, LogCounts, newest_kinds
from bot.domain.series import Series
from bot.domain.verdict import Cell, Row, Verdict

UNIT = "/min"


_LEVELS = {"errors": Level.ERROR, "warnings": Level.WARN}


def rows_of_log(
    name: str,
    before: LogCounts,
    during: LogCounts | None,
    after: LogCounts,
    limits: LogLimits | None = None,
    *,
    required: bool = True,
) -> tuple[Row, ...]:
    """Two rows. More warnings alone reopen nothing and keep nothing from passing: they are something to look at.

    Each has the newest kinds of line that were not there before, and `last_seen` in seconds since 1970.
    """
    return tuple(
        Row(
            source="logs",
            what=f"{finding.what} in {name}",
            before=_cell(finding.what, before),
            during=None if during is None else _cell(finding.what, during),
            after=_cell(finding.what, after),
            verdict=_verdict(finding),
            sentence=finding.sentence + _advice(finding),
            numbers=_numbers(finding) | _last_seen(finding.what, after),
            required=required and finding.what == "errors",
            lines=_new_kinds(finding.what, before, after),
        )
        for finding in compare(before, after, limits)
    )


def _verdict(finding: LogFinding) -> Verdict:
    return Verdict.UNVERIFIED if _only_warns(finding) else Verdict.of(finding.verdict)


def _advice(finding: LogFinding) -> str:
    return "; more than before, look at them" if _only_warns(finding) else ""


def _only_warns(finding: LogFinding) -> bool:
    return finding.what == "warnings" and finding.verdict is Outcome.FAILED


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


def _last_seen(what: str, counts: LogCounts) -> dict[str, float]:
    seen = [kind.last_seen for kind in counts.kinds if kind.level is _LEVELS[what]]
    return {"last_seen": max(seen).timestamp()} if seen else {}


def _new_kinds(what: str, before: LogCounts, after: LogCounts) -> tuple[str, ...]:
    """Of the newest kinds those of this level that are new; all are, where nothing is known from before."""
    known = {(kind.shape, kind.level) for kind in before.kinds}
    level = _LEVELS[what]
    ours = after.model_copy(update={"kinds": tuple(kind for kind in after.kinds if kind.level is level)})
    newest = newest_kinds(ours, before)
    return tuple(_told(kind) for kind in newest if (kind.shape, kind.level) not in known)


def _told(kind: LineKind) -> str:
    times = "once" if kind.count == 1 else f"{kind.count} times"
    return f"{times} since {kind.first_seen:%H:%M:%S} UTC: {kind.example}"
