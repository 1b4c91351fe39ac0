"""What an incident's notices are after an event that concerns them. Part of the fold in `lifecycle`."""

from typing import Any

from bot.domain import events as e
from bot.domain.audiences import Addressee, NoticeRecord, Telling
from bot.domain.incident import Impossible, Incident

NoticeEvent = e.NoticesDue | e.NoticeSent | e.NoticeFailed


def told(incident: Incident, event: NoticeEvent) -> dict[str, Any]:
    """What changes in the incident. Raises Impossible for a notice that is not there."""
    if isinstance(event, e.NoticesDue):
        record = NoticeRecord(
            number=event.number, moment=event.moment, at=event.at, by=event.by, to=event.addressees
        )
        return {"notices": (*incident.notices, record)}
    if not any(record.number == event.number for record in incident.notices):
        raise Impossible(f"{incident.id} has no notice {event.number}")
    changed = (_answered(r, event) if r.number == event.number else r for r in incident.notices)
    return {"notices": tuple(changed)}


def _answered(record: NoticeRecord, event: e.NoticeSent | e.NoticeFailed) -> NoticeRecord:
    to = tuple(_become(one, event) if one.name == event.name else one for one in record.to)
    return record.model_copy(update={"to": to})


def _become(one: Addressee, event: e.NoticeSent | e.NoticeFailed) -> Addressee:
    changes: dict[str, Any] = {"at": event.at, "whom": event.whom, "subject": event.subject}
    if isinstance(event, e.NoticeSent):
        left_out = "; ".join((*event.declined, *((event.note,) if event.note else ())))
        changes |= {"state": Telling.TOLD, "detail": left_out, "url": event.url}
    else:
        changes |= {"state": event.state, "detail": event.reason}
    return one.model_copy(update=changes)
