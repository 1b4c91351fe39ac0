"""What is not wanted any longer is forgotten, however much of it there is."""

from collections.abc import Callable
from datetime import datetime, timedelta

from bot.store import Store, UnitOfWork

KEEP_INBOX = timedelta(days=1)
KEEP_PROBES = timedelta(days=30)
BATCH = 10_000


class Pruning:
    def __init__(self, store: Store, *, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    async def prune(self, *, batch: int = BATCH) -> int:
        """Forget what is old, `batch` rows per transaction so that nobody waits long. Returns how many rows."""
        inbox, probes = self._clock() - KEEP_INBOX, self._clock() - KEEP_PROBES
        return await self._all(lambda uow: uow.inbox.prune(inbox, limit=batch), batch) + await self._all(
            lambda uow: uow.probes.prune(probes, limit=batch), batch
        )

    async def _all(self, some: Callable[[UnitOfWork], int], batch: int) -> int:
        total = 0
        while True:
            forgotten = await self._store.write(some)
            total += forgotten
            if forgotten < batch:
                return total
