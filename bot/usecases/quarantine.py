"""What was found bad is kept from being chosen again."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from bot.domain.heading import in_vain
from bot.domain.incident import Incident
from bot.domain.quarantine import Bad
from bot.store import UnitOfWork
from bot.usecases.offer import Offer


def with_causes(uow: UnitOfWork, offered: Sequence[Offer]) -> tuple[Offer, ...]:
    """The offers, those in quarantine with what they are there for."""
    by = {o.release.quarantined_by for o in offered if o.release.quarantined_by}
    blamed = {name: in_vain(incident) for name in by if (incident := uow.incidents.find(name)) is not None}

    def told(offer: Offer) -> Offer:
        goals = blamed.get(offer.release.quarantined_by or "", ())
        if not any(goal.means(offer.release) for goal in goals):
            return offer
        return replace(offer, release=offer.release.model_copy(update={"did_not_help": True}))

    return tuple(told(offer) for offer in offered)


def keep_out(uow: UnitOfWork, incident: Incident, bad: Bad, at: datetime) -> None:
    """Quarantine `bad` on behalf of `incident`. What is quarantined already stays as it is."""
    for version in bad.versions:
        uow.releases.quarantine(incident.service, version, incident.id, at)
    for shape in bad.shapes:
        uow.bad_shapes.quarantine(incident.service, shape, incident.id, at)
