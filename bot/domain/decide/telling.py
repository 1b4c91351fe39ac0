"""What people outside of an incident are told, and what becomes of it."""

from datetime import datetime

from bot.domain import events as e
from bot.domain.audiences import Addressee, Audience, NoticeRecord, Telling
from bot.domain.base import Refusal, UserId
from bot.domain.decide.state import Events
from bot.domain.incident import Incident

UPDATE_TEXT = 2000


def write_update(audience: Audience, text: str, *, by: UserId, now: datetime) -> Events:
    """Somebody wants `audience` to know this. Raises Refusal."""
    said = text.strip()
    if not said:
        raise Refusal(
            "There is no text. Write it after the audience, such as "
            "`/incident tell support Orders may be late by an hour`."
        )
    if len(said) > UPDATE_TEXT:
        raise Refusal(f"That is too long: an update has at most {UPDATE_TEXT} characters.")
    return (e.UpdateWritten(at=now, by=by, audience=audience, text=said),)


def still_pending(incident: Incident, number: int, name: str) -> tuple[NoticeRecord, Addressee] | None:
    """The notice that `name` is still to be told by; None where that is settled."""
    for record in incident.notices:
        if record.number == number:
            one = next((a for a in record.pending if a.name == name), None)
            return None if one is None else (record, one)
    return None


def notice_settled(incident: Incident, event: e.NoticeSent | e.NoticeFailed) -> Events:
    """`event`, unless what became of this notice has been written down already."""
    return () if still_pending(incident, event.number, event.name) is None else (event,)


def notice_broken(incident: Incident, number: int, place: int, reason: str, *, now: datetime) -> Events:
    """The telling itself broke down, so that nobody knows whether they were told."""
    record = next((one for one in incident.notices if one.number == number), None)
    if record is None or record.to[place].state is not Telling.PENDING:
        return ()
    one = record.to[place]
    return (
        e.NoticeFailed(
            at=now,
            number=number,
            moment=record.moment,
            name=one.name,
            audience=one.audience,
            whom="",
            reason=reason,
            state=Telling.UNKNOWN,
        ),
    )
