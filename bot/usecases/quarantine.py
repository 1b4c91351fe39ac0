"""What was found bad is kept from being chosen again."""

from datetime import datetime

from bot.domain.incident import Incident
from bot.domain.quarantine import Bad
from bot.store import UnitOfWork


def keep_out(uow: UnitOfWork, incident: Incident, bad: Bad, at: datetime) -> None:
    """Quarantine `bad` on behalf of `incident`. What is quarantined already stays as it is."""
    for version in bad.versions:
        uow.releases.quarantine(incident.service, version, incident.id, at)
    for shape in bad.shapes:
        uow.bad_shapes.quarantine(incident.service, shape, incident.id, at)
