"""What is not wanted any longer is forgotten, however much of it there is."""

from collections.abc import Callable
from datetime import datetime, timedelta

from bot.store import Store, UnitOfWork
from bot.usecases.old_facts import forget_old_facts

KEEP_INBOX = timedelta(days=1)
KEEP_PROBES = timedelta(days=30)
KEEP_SHAPES = 50
"""Of each component; and those in which it was seen serving well since `KEEP_GOOD`."""
KEEP_GOOD = timedelta(days=90)
BATCH = 10_000


class Pruning:
    def __init__(self, store: Store, *, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    async def prune(self, *, batch: int = BATCH) -> int:
        """Forget what is old, `batch` rows per transaction so that nobody waits long. Returns how many rows."""
        now = self._clock()
        inbox, probes, good = now - KEEP_INBOX, now - KEEP_PROBES, now - KEEP_GOOD
        some: tuple[Callable[[UnitOfWork], int], ...] = (
            lambda uow: uow.inbox.prune(inbox, limit=batch),
            lambda uow: uow.probes.prune(probes, limit=batch),
            lambda uow: uow.shapes.prune(good, keep=KEEP_SHAPES, limit=batch),
            lambda uow: forget_old_facts(uow, now, limit=batch),
        )
        return sum([await self._all(one, batch) for one in some])

    async def _all(self, some: Callable[[UnitOfWork], int], batch: int) -> int:
        total = 0
        while True:
            forgotten = await self._store.write(some)
            total += forgotten
            if forgotten < batch:
                return total
