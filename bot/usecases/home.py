"""App Home: what is open, and what waits for the person who looks."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from bot.catalog import Catalog, Service
from bot.domain.backups import Drill
from bot.domain.base import UserId, Version
from bot.domain.evidence import TREND, Probe
from bot.domain.incident import Incident
from bot.domain.releases import spoken
from bot.ports.chat import PublishHome
from bot.store import Store
from bot.store.releases import ReleaseRecord
from bot.store.unit import UnitOfWork
from bot.usecases.desk import Desk
from bot.usecases.drills import last_drill
from bot.usecases.owing import owing
from bot.views.home import Known, ServiceNow, home

RECENT = 20
RECENTLY = timedelta(minutes=2)


class Home:
    """Publishes the Home tab through the outbox."""

    def __init__(self, store: Store, catalog: Catalog, desk: Desk, *, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._catalog = catalog
        self._desk = desk
        self._clock = clock

    async def show(self, user: UserId, *, inbox_id: int | None = None) -> None:
        """Publish the Home tab of `user` as things stand now."""

        def look(uow: UnitOfWork) -> tuple[tuple[Incident, ...], tuple[ServiceNow, ...]]:
            incidents = uow.incidents.list(open_only=True, limit=100)
            closed = (i for i in uow.incidents.list(open_only=False, limit=RECENT) if not i.is_open)
            unlearned = tuple(i for i in closed if not i.root_cause)
            shown = {i.id for i in (*incidents, *unlearned)}
            indebted = tuple(i for i in owing(uow) if i.id not in shown)
            since = self._clock() - RECENTLY
            lines = tuple(
                _now(
                    name,
                    service.description,
                    uow.releases.all(name),
                    uow.probes.window(name, since),
                    _set_to_run(uow, name, [c.name for c in service.components], since),
                ).model_copy(update={"drills": _drills(uow, service)})
                for name, service in sorted(self._catalog.services.items())
            )
            return (*incidents, *unlearned, *indebted), lines

        incidents, lines = await self._store.read(look)
        known = tuple(Known(incident=i, policy=self._desk.policy(i)) for i in incidents)
        view = home(user, known, lines)

        def publish(uow: UnitOfWork) -> None:
            uow.outbox.put(f"home:{user}", "home", PublishHome(user=user, view=view))
            if inbox_id is not None:
                uow.inbox.done(inbox_id)

        await self._store.write(publish)
        self._desk.wake()


def _set_to_run(
    uow: UnitOfWork, service: str, components: Sequence[str], since: datetime
) -> tuple[Version, ...]:
    """What the targets were last seen set to, each once; nothing of one that has not been seen since `since`."""
    newest = (uow.shapes.all(service, component)[:1] for component in components)
    return tuple(dict.fromkeys(spoken(s.version) for shapes in newest for s in shapes if s.last_at >= since))


def _drills(uow: UnitOfWork, service: Service) -> tuple[Drill, ...]:
    """What the last drills found, of the databases that still have any."""
    drilled = (d.name for d in service.databases if d.drill_every is not None)
    found = (last_drill(uow, service.name, name) for name in drilled)
    return tuple(one for one in found if one is not None)


def _now(
    name: str,
    description: str,
    ledger: dict[str, ReleaseRecord],
    recent: tuple[Probe, ...],
    set_to_run: tuple[Version, ...],
) -> ServiceNow:
    seen = [(r.last_seen, r.version) for r in ledger.values() if r.last_seen is not None]
    if not seen:
        return ServiceNow(name=name, description=description)
    at, version = max(seen)
    good_at = ledger[version].last_good_at
    good = None if good_at is None else at - good_at < RECENTLY
    if sum(not probe.ok for probe in recent if probe.version in (version, None)) >= TREND:
        good = False
    # Components may have versions of their own: what answers is only unexpected where none is set to it.
    due = () if spoken(version) in set_to_run else set_to_run
    return ServiceNow(name=name, description=description, version=version, seen_at=at, good=good, due=due)
