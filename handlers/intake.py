"""What comes in at the same time is written down together: a crowd costs little more than one person."""

import asyncio
from collections.abc import Sequence
from typing import Any

from bot.store import Arrival, Store

BATCH = 500

_Waiting = tuple[Arrival, "asyncio.Future[int | None]"]


class Intake:
    """Writes to the inbox. While one write is under way, the next ones gather."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[_Waiting] = []
        self._writing: asyncio.Task[None] | None = None

    async def receive(self, key: str, kind: str, body: dict[str, Any]) -> int | None:
        """Its inbox row once that is on disk; None where `key` was seen before. Raises what Store.write raises."""
        future: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((Arrival(key=key, kind=kind, body=body), future))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="intake")
        return await future

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            await self._write_together(batch)

    async def _write_together(self, batch: Sequence[_Waiting]) -> None:
        arrivals = [arrival for arrival, _ in batch]
        try:
            rows = await self._store.write(lambda uow: uow.inbox.receive_many(arrivals))
        except Exception as error:  # noqa: BLE001 - whoever waits for it hears of it
            if len(batch) > 1:
                # What is wrong with one of them must not keep the others out.
                for one in batch:
                    await self._write_together([one])
                return
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), row in zip(batch, rows, strict=True):
            if not future.done():
                future.set_result(row)
