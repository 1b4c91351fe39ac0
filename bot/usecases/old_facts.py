"""Marks that outlive what they were for: of incidents that are long closed, of alerts that fire no more."""

from datetime import datetime, timedelta

from bot.store import UnitOfWork
from bot.usecases.alerts import KIND, OUTBREAKS
from bot.usecases.repeated import AGAIN

KEEP_CLOSED = timedelta(days=90)
"""From the close of an incident on. Until then people may still have something of it tried again."""
KEEP_OUTBREAKS = timedelta(days=90)
"""From when an alert was heard of for the last time on."""
OF_INCIDENTS = ("page-out:", "telling:", AGAIN)
_FILING = "filing:"
_ONCE = "once:alert:"


def forget_old_facts(uow: UnitOfWork, now: datetime, *, limit: int) -> int:
    """Forget at most `limit` of them. Returns how many."""
    forgotten = 0
    for find in (_of_notifications, _of_outbreaks, _of_filings, _of_incidents):
        keys = find(uow, now)[: limit - forgotten]
        forgotten += uow.facts.forget(keys)
    return forgotten


def _of_notifications(uow: UnitOfWork, _: datetime) -> list[str]:
    """Those that are carried out: what is not in the inbox any more never comes again."""
    most = 1000
    waiting = {item.id for item in uow.inbox.pending(most, kinds=(KIND,))}
    if len(waiting) == most:
        return []
    return [key for key in uow.facts.keys(_ONCE) if int(key.removeprefix(_ONCE)) not in waiting]


def _of_outbreaks(uow: UnitOfWork, now: datetime) -> list[str]:
    found = []
    for key in uow.facts.keys(OUTBREAKS):
        kept = uow.facts.get(key)
        if not isinstance(kept, dict):
            # Of an earlier version, which did not say when: from now on it does.
            uow.facts.set(key, {"known": list(kept or ()), "at": now.isoformat()})
        elif now - datetime.fromisoformat(kept["at"]) > KEEP_OUTBREAKS:
            found.append(key)
    return found


def _of_filings(uow: UnitOfWork, now: datetime) -> list[str]:
    """They say when a try began whose end is not known, which matters for minutes."""
    tries = ((key, uow.facts.get(key)) for key in uow.facts.keys(_FILING))
    return [key for key, at in tries if at is None or now - datetime.fromisoformat(at) > KEEP_CLOSED]


def _of_incidents(uow: UnitOfWork, now: datetime) -> list[str]:
    found: list[str] = []
    closed: dict[str, bool] = {}
    for prefix in OF_INCIDENTS:
        for key in uow.facts.keys(prefix):
            incident_id = key.removeprefix(prefix).split("/", 1)[0]
            if incident_id not in closed:
                incident = uow.incidents.find(incident_id)
                at = None if incident is None else incident.closed_at
                closed[incident_id] = at is not None and now - at > KEEP_CLOSED
            if closed[incident_id]:
                found.append(key)
    return found
