"""What is done because time has passed: the state is looked at, and what is due is carried out.

Every sweep looks at each incident by itself: trouble with one of them is logged and keeps nothing from the others.
"""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

from bot.catalog import Catalog
from bot.domain import decide
from bot.domain.incident import Incident
from bot.store import Store
from bot.usecases.desk import Desk
from bot.usecases.owing import owing

_log = logging.getLogger(__name__)

OPEN = 1000
CLOSED = 20
"""How many of the newest are looked at each time: another process, such as the command line, may have closed them."""
CLOSED_AT_START = 50


class Sweep:
    """Expires cards, reminds of forward fixes, and starts what a crash kept from starting."""

    def __init__(self, store: Store, catalog: Catalog, desk: Desk, *, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._catalog = catalog
        self._desk = desk
        self._clock = clock

    async def tick(self) -> None:
        """Level-triggered: look at every open incident and do what is due now."""
        for incident in await self._open():
            await self._by_itself(incident, self._attend)
        for incident in (*await self._newest(CLOSED), *await self._owing()):
            await self._by_itself(incident, self._desk.start_due)

    async def recover(self) -> None:
        """At start: whatever an earlier process committed and did not get to start is started now."""
        for incident in (*await self._open(), *await self._newest(CLOSED_AT_START), *await self._owing()):
            await self._by_itself(incident, self._desk.start_due)

    async def _open(self) -> tuple[Incident, ...]:
        return await self._store.read(lambda uow: uow.incidents.list(open_only=True, limit=OPEN))

    async def _newest(self, count: int) -> tuple[Incident, ...]:
        newest = await self._store.read(lambda uow: uow.incidents.list(open_only=False, limit=count))
        return tuple(incident for incident in newest if not incident.is_open)

    async def _owing(self) -> tuple[Incident, ...]:
        """Those with something suspended, however long they have been closed."""
        return await self._store.read(owing)

    async def _by_itself(self, incident: Incident, work: Callable[[Incident], Awaitable[None]]) -> None:
        try:
            await work(incident)
        except Exception:  # noqa: BLE001 - one incident must not keep the sweep from the others
            _log.exception("the sweep of %s failed", incident.id)

    async def _attend(self, incident: Incident) -> None:
        if self._due(incident):
            await self._desk.change(incident.id, self._due)
        else:
            await self._desk.start_due(incident)

    def _due(self, incident: Incident) -> decide.Events:
        now = self._clock()
        if incident.service not in self._catalog.services:
            return ()
        expired = decide.expire(incident, policy=self._desk.policy(incident), now=now)
        if expired:
            return expired
        return decide.remind_of_forward_fix(
            incident, again_after=self._catalog.forward_fix.remind_every, now=now
        )
