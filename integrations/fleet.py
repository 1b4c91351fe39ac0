"""The adapters of a service, made as kaeru.yml says."""

from collections.abc import Callable
from typing import Protocol

from bot.catalog import Catalog, Service
from bot.catalog.model import Database, Outside
from bot.ports import ChangeSource, Memory, PortError
from bot.ports.memory import Forgetful
from bot.ports.notices import NoPostbox, Postbox
from bot.usecases.fleet import DatabaseHands, Fleet, Hands, OutsideHands
from integrations import registry

Memories = Callable[[str, str], Memory]
"""The memory of a component, by the names of its service and of itself."""


def _none(_service: str, _component: str) -> Memory:
    return Forgetful()


def hands_of(service: Service, memories: Memories = _none, postbox: Postbox | None = None) -> Hands:
    """Raises PortError where an adapter cannot be made."""
    changes = registry.make_changes(service.changes) if service.changes else None
    return Hands(
        targets={
            c.name: registry.make_target(c.target, memories(service.name, c.name)) for c in service.components
        },
        health=registry.make_health(service.health) if service.health else None,
        changes=changes,
        databases={d.name: _database(d, changes) for d in service.databases},
        outside=_outside(service.outside, postbox or NoPostbox()),
    )


def _outside(outside: Outside, postbox: Postbox) -> OutsideHands:
    return OutsideHands(
        traffic=registry.make_traffic(outside.traffic.through) if outside.traffic else None,
        caches={name: registry.make_cache(adapter) for name, adapter in outside.caches.items()},
        metrics={metric.name: registry.make_metrics(metric.source) for metric in outside.metrics},
        logs={log.name: registry.make_logs(log.source) for log in outside.logs},
        notices={n: registry.make_notifier(adapter, postbox) for n, adapter in outside.notices.items()},
        on_call=registry.make_on_call(outside.on_call) if outside.on_call else None,
        tracker=registry.make_tracker(outside.tracker) if outside.tracker else None,
        papers={name: registry.make_papers(adapter) for name, adapter in outside.papers.items()},
    )


def _database(database: Database, changes: ChangeSource | None) -> DatabaseHands:
    return DatabaseHands(
        backups=registry.make_backups(database.backup) if database.backup else None,
        migrations=registry.make_migrations(database.migrations, changes)
        if database.migrations and changes
        else None,
    )


def fleet_of(catalog: Catalog, memories: Memories = _none, postbox: Postbox | None = None) -> Fleet:
    """The adapters of every service. One whose adapters cannot be made keeps the others from nothing."""
    hands, unmade = dict[str, Hands](), dict[str, str]()
    for service in catalog.services.values():
        try:
            hands[service.name] = hands_of(service, memories, postbox)
        except PortError as error:
            unmade[service.name] = error.advice
    return Fleet(hands, unmade)


async def let_go(hands: Hands) -> None:
    """Close the connections that the adapters of a service keep."""
    for target in hands.targets.values():
        await target.aclose()
    for database in hands.databases.values():
        if database.backups is not None:
            await database.backups.aclose()
    for closing in _of_outside(hands.outside):
        await closing.aclose()
    for adapter in (hands.health, hands.changes):
        release = getattr(adapter, "aclose", None)
        if release is not None:
            await release()


class _Closes(Protocol):
    async def aclose(self) -> None: ...


def _of_outside(outside: OutsideHands) -> tuple[_Closes, ...]:
    single = (outside.traffic, outside.on_call, outside.tracker)
    several = (outside.caches, outside.metrics, outside.logs, outside.notices, outside.papers)
    return (
        *(one for one in single if one is not None),
        *(one for named in several for one in named.values()),
    )
