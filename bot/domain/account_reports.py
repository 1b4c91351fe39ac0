"""What users reported in the course of an incident, taken back or not, for its postmortem."""

from collections.abc import Sequence
from datetime import datetime

from bot.domain import events as e
from bot.domain.base import Value
from bot.domain.prose import Names, escaped, name, plain


class ReportLine(Value):
    """One report. `at` is when it was said; `withdrawn_by` is empty while it counts."""

    at: datetime
    who: str
    standing: str
    users: int
    text: str
    withdrawn_by: str = ""


def user_reports(events: Sequence[e.Event], names: Names) -> tuple[ReportLine, ...]:
    """All of them, by when they were said. A message that was marked anew is one report still."""
    lines: dict[str, ReportLine] = {}
    for event in events:
        match event:
            case e.UserReported():
                lines[event.report_id] = ReportLine(
                    at=event.said_at or event.at,
                    who=name(event.author or event.by, names),
                    standing=event.standing,
                    users=event.users,
                    text=plain(escaped(event.text), names).strip(),
                )
            case e.UserReportWithdrawn(report_id=report_id) if report_id in lines:
                by = name(event.by, names)
                lines[report_id] = lines[report_id].model_copy(update={"withdrawn_by": by})
            case _:
                pass
    return tuple(sorted(lines.values(), key=lambda line: line.at))
