"""App Home: what is open, and what waits for the person who looks."""

from datetime import timedelta

from bot.catalog import Catalog
from bot.domain.base import UserId
from bot.domain.incident import Incident
from bot.ports.chat import PublishHome
from bot.store import Store
from bot.store.releases import ReleaseRecord
from bot.store.unit import UnitOfWork
from bot.usecases.desk import Desk
from bot.views.home import Known, ServiceNow, home

RECENT = 20
RECENTLY = timedelta(minutes=2)


class Home:
    """Publishes the Home tab through the outbox."""

    def __init__(self, store: Store, catalog: Catalog, desk: Desk) -> None:
        self._store = store
        self._catalog = catalog
        self._desk = desk

    async def show(self, user: UserId, *, inbox_id: int | None = None) -> None:
        """Publish the Home tab of `user` as things stand now."""

        def look(uow: UnitOfWork) -> tuple[tuple[Incident, ...], tuple[ServiceNow, ...]]:
            incidents = uow.incidents.list(open_only=True, limit=100)
            closed = (i for i in uow.incidents.list(open_only=False, limit=RECENT) if not i.is_open)
            unlearned = tuple(i for i in closed if not i.root_cause)
            lines = tuple(
                _now(name, service.description, uow.releases.all(name))
                for name, service in sorted(self._catalog.services.items())
            )
            return (*incidents, *unlearned), lines

        incidents, lines = await self._store.read(look)
        known = tuple(Known(incident=i, policy=self._desk.policy(i)) for i in incidents)
        view = home(user, known, lines)

        def publish(uow: UnitOfWork) -> None:
            uow.outbox.put(f"home:{user}", "home", PublishHome(user=user, view=view))
            if inbox_id is not None:
                uow.inbox.done(inbox_id)

        await self._store.write(publish)
        self._desk.wake()


def _now(name: str, description: str, ledger: dict[str, ReleaseRecord]) -> ServiceNow:
    seen = [(r.last_seen, r.version) for r in ledger.values() if r.last_seen is not None]
    if not seen:
        return ServiceNow(name=name, description=description)
    at, version = max(seen)
    good_at = ledger[version].last_good_at
    good = None if good_at is None else at - good_at < RECENTLY
    return ServiceNow(name=name, description=description, version=version, seen_at=at, good=good)
