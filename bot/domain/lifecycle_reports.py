"""What users have reported after an event that concerns it. Part of the fold in `lifecycle`."""

from typing import Any

from bot.domain import events as e
from bot.domain.incident import Incident
from bot.domain.reports import Report

ReportEvent = e.UserReported | e.UserReportWithdrawn


def reported(incident: Incident, event: ReportEvent) -> dict[str, Any]:
    """What changes in the incident. The same report counts once, whatever was said of it before."""
    others = tuple(one for one in incident.reports if one.id != event.report_id)
    if isinstance(event, e.UserReportWithdrawn):
        return {"reports": others}
    one = Report(
        id=event.report_id,
        by=event.by,
        text=event.text,
        users=event.users,
        standing=event.standing,
        at=event.said_at or event.at,
        since=event.seen_since,
        slack_ts=event.slack_ts,
        author=event.author,
    )
    return {"reports": (*others, one)}
