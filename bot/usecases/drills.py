"""Drills: which are due, and what was found, kept until the next one and told to those who look after the service."""

import hashlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from bot.catalog import Catalog
from bot.catalog.model import Database, Service
from bot.domain.backups import Drill
from bot.domain.base import UserId
from bot.ports import Engine
from bot.ports.chat import Post
from bot.store import Store
from bot.store.unit import UnitOfWork
from bot.usecases.due import DRILL
from bot.views.drill import drill_card

_log = logging.getLogger(__name__)


class Drills:
    """Level-triggered: looks at what is due now. `wake` is called when something was put into the outbox."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        engine: Engine,
        *,
        clock: Callable[[], datetime],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._engine = engine
        self._clock = clock
        self._wake = wake

    async def start_due(self) -> None:
        """Start each drill that is due, once, however often this is called. Not while the service has an incident."""
        for service in self._catalog.services.values():
            for database in service.databases:
                if database.drill_every is None or database.backup is None:
                    continue
                if await self.is_free(service.name):
                    name = drill_name(service, database, database.drill_every, self._clock())
                    await self._engine.start(DRILL, f"drill:{name}", name)

    async def is_free(self, service: str) -> bool:
        """Whether no incident of the service is open."""
        return await self._store.read(lambda uow: uow.incidents.open_for(service)) is None

    async def note(self, found: Drill, name: str) -> None:
        """Keep what was found, and tell people of what is news: that it failed, or that it passes again."""
        service = self._catalog.services.get(found.service)
        people = _told(service) if service is not None else ()
        level = logging.INFO if found.passed else logging.ERROR
        _log.log(level, "the drill of %s of %s: %s", found.database, found.service, found.text)

        def work(uow: UnitOfWork) -> None:
            before = last_drill(uow, found.service, found.database)
            uow.facts.set(_key(found.service, found.database), found.model_dump(mode="json"))
            if found.passed and (before is None or before.passed):
                return
            text, blocks = drill_card(found)
            for person in people:
                post = Post(channel=person, text=text, blocks=blocks)
                uow.outbox.put(f"drill:{found.service}/{found.database}:{person}", name, post)

        await self._store.write(work)
        self._wake()


def last_drill(uow: UnitOfWork, service: str, database: str) -> Drill | None:
    """What the last drill of a database found."""
    kept = uow.facts.get(_key(service, database))
    return None if kept is None else Drill.model_validate(kept)


def drill_name(service: Service, database: Database, every: timedelta, now: datetime) -> str:
    """`SERVICE/DATABASE/N`: the N-th span of time since 1970. Each database has its own beginning of the span."""
    mark = hashlib.sha256(f"{service.name}/{database.name}".encode()).digest()
    offset = int.from_bytes(mark[:4], "big") / 2**32
    return f"{service.name}/{database.name}/{int(now.timestamp() / every.total_seconds() + offset)}"


def _told(service: Service) -> tuple[UserId, ...]:
    """Whoever the service belongs to; where it belongs to nobody, who would be called."""
    return service.owners or service.responders


def _key(service: str, database: str) -> str:
    return f"drill:{service}/{database}"
