"""What an incident's pages are after an event that concerns one of them. Part of the fold in `lifecycle`."""

from typing import Any

from bot.domain import events as e
from bot.domain.incident import Impossible, Incident
from bot.domain.paging import PageRecord, PageState

PagingEvent = e.PageBegun | e.Paged | e.PageFailed | e.PageSpared | e.PageAcknowledged | e.PagerTold


def paged(incident: Incident, event: PagingEvent) -> dict[str, Any]:
    """What changes in the incident. Raises Impossible for a page that is unknown."""
    match event:
        case e.PageBegun():
            begun = PageRecord(number=event.number, why=event.why, severity=event.severity, begun_at=event.at)
            return {"pages": (*incident.pages, begun)}
        case e.Paged():
            changes: dict[str, Any] = {
                "state": PageState.CALLED,
                "through": event.through,
                "people": event.people,
                "called_at": event.at,
                "note": event.note,
            }
        case e.PageFailed(action="page"):
            changes = {
                "state": PageState.FAILED,
                "through": event.through,
                "reason": event.reason,
                "unknown": event.unknown,
            }
        case e.PageFailed():
            done = "told" if event.action == "acknowledge" else "resolved"
            changes = {done: True, "trouble": event.reason}
        case e.PageSpared():
            changes = {"state": PageState.SPARED, "reason": event.reason, "unknown": event.unknown}
        case e.PageAcknowledged():
            changes = {"acknowledged_by": event.by, "acknowledged_at": event.at}
        case e.PagerTold():
            changes = {"told": True} if event.action == "acknowledge" else {"resolved": True}
    if not any(one.number == event.number for one in incident.pages):
        raise Impossible(f"{incident.id} has no page {event.number}")
    changed = (
        one.model_copy(update=changes) if one.number == event.number else one for one in incident.pages
    )
    return {"pages": tuple(changed)}
