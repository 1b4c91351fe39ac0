"""Which incidents have something suspended in the world: found at once, however long they have been closed."""

from bot.domain.incident import Incident
from bot.store.unit import UnitOfWork

_OWING = "owing"


def owing(uow: UnitOfWork) -> tuple[Incident, ...]:
    """The incidents with open debts, by their ids."""
    found = (uow.incidents.find(incident_id) for incident_id in uow.facts.get(_OWING) or ())
    return tuple(incident for incident in found if incident is not None and incident.debts)


def keep_owing(uow: UnitOfWork, before: Incident | None, after: Incident) -> None:
    """Keep the list up to date, in the transaction that changes the incident."""
    if bool(before and before.debts) == bool(after.debts):
        return
    listed = set(uow.facts.get(_OWING) or ())
    uow.facts.set(_OWING, sorted(listed | {after.id} if after.debts else listed - {after.id}))
