"""The live counts of a step that is under way: often enough to be watched, seldom enough to be kept."""

import asyncio
from collections.abc import Awaitable, Callable

from bot.ports import Observation

EVERY_S = 1.0
"""Each is an entry in the timeline and an edit in Slack, which shows about one a second."""


class Progress:
    """Passes a change's looks on, at most one in `EVERY_S`, and none that says the same as the last."""

    def __init__(self, write: Callable[[str], Awaitable[None]]) -> None:
        self._write = write
        self._said = ""
        self._not_before = 0.0

    async def tell(self, seen: Observation) -> None:
        now = asyncio.get_running_loop().time()
        if seen.detail == self._said or now < self._not_before:
            return
        self._said, self._not_before = seen.detail, now + EVERY_S
        await self._write(seen.detail)
