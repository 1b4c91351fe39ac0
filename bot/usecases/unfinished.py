"""Which closed incidents have something left to do by the clock: found at once, however long they have been closed."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from bot.domain.filing import pending
from bot.domain.incident import Incident, Status
from bot.store.unit import UnitOfWork


class Chore(StrEnum):
    """What there is to do. The values are names of facts in the database."""

    FILE = "unfinished:file"
    ARCHIVE = "unfinished:archive"


@dataclass(frozen=True)
class Ends:
    """Where the actions and papers of a service go, as far as kaeru.yml says, and whether channels are archived."""

    tracker: bool = False
    papers: tuple[str, ...] = ()
    archives: bool = False


def unfinished(uow: UnitOfWork, chore: Chore) -> tuple[Incident, ...]:
    """The incidents with this chore, by their ids."""
    found = (uow.incidents.find(incident_id) for incident_id in uow.facts.get(chore.value) or ())
    return tuple(incident for incident in found if incident is not None)


def keep_unfinished(uow: UnitOfWork, incident: Incident, ends: Ends) -> None:
    """Keep the lists up to date, in the transaction that changes the incident."""
    files = bool(pending(incident, tracker=ends.tracker, papers=ends.papers))
    archives = (
        ends.archives
        and incident.status is Status.CLOSED
        and incident.channel_id is not None
        and incident.archived_at is None
    )
    for chore, wanted in ((Chore.FILE, files), (Chore.ARCHIVE, archives)):
        keep_chore(uow, chore, incident.id, wanted=wanted)


def keep_chore(uow: UnitOfWork, chore: Chore, incident_id: str, *, wanted: bool) -> None:
    """Put it on the list, or take it off."""
    listed: Collection[str] = uow.facts.get(chore.value) or ()
    if (incident_id in listed) != wanted:
        others = set(listed) - {incident_id}
        uow.facts.set(chore.value, sorted(others | {incident_id} if wanted else others))
