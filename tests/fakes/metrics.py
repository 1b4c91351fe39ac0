"""A metric in memory."""

from datetime import datetime, timedelta

from bot.domain.series import Series, grid
from bot.ports import Unavailable


class MemoryMetrics:
    """`values` by the beginning of their step; `down` is a source that cannot be reached."""

    def __init__(self, name: str, *, unit: str = "ms", step: timedelta = timedelta(seconds=60)) -> None:
        self.identity = f"memory {name}"
        self.values: dict[datetime, float] = {}
        self.down = False
        self.sample_every: timedelta | None = None
        self.delay = timedelta(0)
        self._unit, self._step = unit, step

    async def sample(self) -> None:
        if self.down:
            raise Unavailable("The memory cannot be reached.")

    async def series(self, since: datetime, until: datetime) -> Series:
        await self.sample()
        begin, count = grid(since, until, self._step)
        values = tuple(self.values.get(begin + self._step * n) for n in range(count))
        return Series(unit=self._unit, since=begin, step=self._step, values=values)

    async def aclose(self) -> None:
        pass
