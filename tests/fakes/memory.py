"""A memory of shapes that ends with its test."""

from collections.abc import Callable
from datetime import datetime

from bot.clock import now
from bot.domain.base import Version
from bot.ports import Shape


class FakeMemory:
    """What was kept, by its ref. `good` says, as kaeru would, that the service served well in a shape."""

    def __init__(self, clock: Callable[[], datetime] = now) -> None:
        self._clock = clock
        self._shapes: dict[str, Shape] = {}

    async def keep(self, ref: str, version: Version, spec: str) -> None:
        at = self._clock()
        known = self._shapes.pop(ref, None)
        self._shapes[ref] = Shape(
            ref=ref,
            version=version,
            spec=spec,
            first_at=known.first_at if known else at,
            last_at=at,
            good_at=known.good_at if known else None,
        )

    async def shapes(self) -> tuple[Shape, ...]:
        return tuple(reversed(self._shapes.values()))

    async def recall(self, ref: str) -> Shape | None:
        return self._shapes.get(ref)

    def good(self, ref: str, at: datetime | None = None) -> None:
        """Nothing happens where the shape is not remembered."""
        if ref in self._shapes:
            self._shapes[ref] = self._shapes[ref].model_copy(update={"good_at": at or self._clock()})
