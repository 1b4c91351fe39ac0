"""A target that tells how often what it changes could not be reached."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from bot.ports import Unavailable
from bot.ports.target import Change, Observation


class Outages:
    """To be put before a target's class; `outages` counts for whoever followed a change."""

    outages = 0

    async def follow(self, change: Change, key: str) -> AsyncGenerator[Observation, None]:
        try:
            async with aclosing(super().follow(change, key)) as looks:
                async for seen in looks:
                    yield seen
        except Unavailable:
            self.outages += 1
            raise
