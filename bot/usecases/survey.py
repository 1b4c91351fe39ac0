"""Every target is looked at from time to time, also while nothing is wrong.

So its shapes are remembered as they come and go (a restart between deploys must not pass for a deploy), those
in which the service served well are marked, and what is suspended in the world is known to its incident.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime

from bot.catalog import Catalog
from bot.domain import decide
from bot.domain.debts import Debt
from bot.domain.incident import Incident, Status
from bot.domain.releases import spoken
from bot.ports import Inspection, PortError
from bot.store import Store, UnitOfWork
from bot.usecases.bounds import reading
from bot.usecases.desk import Desk
from bot.usecases.fleet import Fleet, Hands
from bot.usecases.kept_users import notice_users_back
from bot.usecases.owing import owing
from bot.usecases.probing import ROUNDS

_log = logging.getLogger(__name__)


class Survey:
    """Looks, remembers, and tells the incident what is owed. A target that cannot be looked at is no news to people."""

    def __init__(
        self, store: Store, catalog: Catalog, fleet: Fleet, desk: Desk, *, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._fleet = fleet
        self._desk = desk
        self._clock = clock
        self._trouble: dict[tuple[str, str], str] = {}

    async def sweep(self) -> None:
        """Look at every service, each on its own: what goes wrong with one keeps no other from being looked at."""
        await asyncio.gather(*(self._alone(name, hands) for name, hands in self._fleet.services.items()))

    async def _alone(self, service: str, hands: Hands) -> None:
        try:
            await self.look(service, hands)
        except Exception:  # noqa: BLE001 - the other services are to be looked at all the same; the next sweep tries again
            _log.exception("%s could not be surveyed", service)

    async def look(self, service: str, hands: Hands) -> None:
        """One look at one service. Where its rollback runs, that looks by itself and is left alone."""
        before = await self._newest(service)
        if _is_going_back(before):
            return
        looks = await asyncio.gather(*(self._inspect(service, name, hands) for name in hands.targets))
        seen = {name: look for name, look in zip(hands.targets, looks, strict=True) if look is not None}
        await self._mark_good(service, seen)
        older = [
            i
            for i in await self._store.read(owing)
            if i.service == service and (before is None or i.id != before.id)
        ]
        for incident in (*((before,) if before else ()), *older):
            await self._tell_debts(incident, seen)
        await notice_users_back(self._store, self._desk, service, hands, clock=self._clock)

    async def _tell_debts(self, before: Incident, seen: Mapping[str, Inspection]) -> None:
        if _news(before, seen, now=self._clock()):
            await self._desk.change(
                before.id,
                # Whatever has happened to the incident meanwhile may be about the same debts: the next look tells.
                lambda now_it_is: (
                    _news(now_it_is, seen, now=self._clock()) if now_it_is.length == before.length else ()
                ),
            )

    async def _newest(self, service: str) -> Incident | None:
        def newest(uow: UnitOfWork) -> Incident | None:
            found = uow.incidents.list(open_only=False, limit=1, service=service)
            return uow.incidents.open_for(service) or (found[0] if found else None)

        return await self._store.read(newest)

    async def _inspect(self, service: str, component: str, hands: Hands) -> Inspection | None:
        try:
            seen = await reading(hands.targets[component].inspect(), component)
        except PortError as error:
            if self._is_news(service, component, str(error)):
                _log.debug("%s of %s: %s", component, service, error)
            return None
        except Exception as error:  # noqa: BLE001 - an adapter's defect keeps nobody from looking at the rest
            if self._is_news(service, component, type(error).__name__):
                _log.exception("looking at %s of %s broke down", component, service)
            return None
        if self._is_news(service, component, ""):
            _log.debug("%s of %s can be looked at again", component, service)
        return seen

    def _is_news(self, service: str, component: str, trouble: str) -> bool:
        """Each change is noted once; people are told by the plan, where there is one to make."""
        before = self._trouble.get((service, component), "")
        self._trouble[service, component] = trouble
        return trouble != before

    async def _mark_good(self, service: str, seen: Mapping[str, Inspection]) -> None:
        """A shape was good where its version was, for a whole window of rounds after the shape became current."""
        health = self._catalog.service(service).health
        settled = {name: look for name, look in seen.items() if look.running == look.current}
        if health is None or not settled:
            return
        window = health.probe_every * ROUNDS

        def due(uow: UnitOfWork) -> list[tuple[str, str, datetime]]:
            ledger = uow.releases.all(service)
            found = []
            for name, look in settled.items():
                known = ledger.get(spoken(look.current))
                since = uow.shapes.since(service, name, look.current_ref)
                good_at = known.last_good_at if known else None
                if since is not None and good_at is not None and good_at >= since + window:
                    shape = uow.shapes.find(service, name, look.current_ref)
                    if shape is not None and (shape.good_at is None or shape.good_at < good_at):
                        found.append((name, look.current_ref, good_at))
            return found

        marks = await self._store.read(due)
        if not marks:
            return

        def mark(uow: UnitOfWork) -> None:
            for name, ref, at in marks:
                uow.shapes.good(service, name, ref, at)

        await self._store.write(mark)


def _news(incident: Incident, seen: Mapping[str, Inspection], *, now: datetime) -> decide.Events:
    """What the world says of debts that the incident does not know. Of components not seen nothing is concluded."""
    if _is_going_back(incident):
        return ()
    # An adapter need not know what kaeru.yml calls the component that it looks after.
    there: dict[str, Debt] = {
        debt.id: debt.model_copy(update={"component": name})
        for name, look in seen.items()
        for debt in look.debts
    }
    known = {
        owed.debt.id
        for owed in incident.debts
        if (look := seen.get(owed.debt.component)) is not None and owed.debt.id not in look.unseen_debts
    }
    repaid = [o.debt.id for o in incident.debts if o.debt.id in known and o.debt.id not in there]
    gone = tuple(event for debt_id in repaid for event in decide.debt_repaid(incident, debt_id, now=now))
    # A closed incident is told of what was given back, and of nothing new.
    taken = decide.debts_seen(incident, tuple(there.values()), now=now) if incident.is_open else ()
    return (*gone, *taken)


def _is_going_back(incident: Incident | None) -> bool:
    return incident is not None and incident.status is Status.ROLLING_BACK
