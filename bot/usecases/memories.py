"""kaeru's own memory of what components looked like, kept in its database."""

from collections.abc import Callable
from datetime import datetime, timedelta

from bot.domain.base import Version
from bot.ports import Shape
from bot.store import Store

EVERY = timedelta(seconds=30)
"""How often is written down that what is current still is: targets are looked at every few seconds."""


class StoreMemory:
    """`bot.ports.Memory` of one component. Raises StoreError where the database cannot be used.

    With `keeps` False it only tells what is remembered: for commands that promise to change nothing.
    """

    def __init__(
        self,
        store: Store,
        service: str,
        component: str,
        *,
        clock: Callable[[], datetime],
        keeps: bool = True,
    ) -> None:
        self._store = store
        self._service = service
        self._component = component
        self._clock = clock
        self._keeps = keeps
        self._kept: tuple[str, Version, str] | None = None
        self._kept_at: datetime | None = None

    async def keep(self, ref: str, version: Version, spec: str) -> None:
        now, seen = self._clock(), (ref, version, spec)
        if not self._keeps or (seen == self._kept and self._is_fresh(now)):
            return
        await self._store.write(
            lambda uow: uow.shapes.keep(self._service, self._component, ref, version, spec, at=now)
        )
        self._kept, self._kept_at = seen, now

    def _is_fresh(self, now: datetime) -> bool:
        # A clock that was put back is no reason to be silent for as long.
        return self._kept_at is not None and timedelta(0) <= now - self._kept_at < EVERY

    async def shapes(self) -> tuple[Shape, ...]:
        return await self._store.read(lambda uow: uow.shapes.all(self._service, self._component))

    async def recall(self, ref: str) -> Shape | None:
        return await self._store.read(lambda uow: uow.shapes.find(self._service, self._component, ref))
