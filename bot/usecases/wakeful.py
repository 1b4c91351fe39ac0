"""Work that is done whenever somebody says that there is some, and every few seconds in case nobody did."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from bot.store.errors import StoreClosed

_log = logging.getLogger(__name__)

POLL_S = 5.0
BACKOFF_S, LONGEST_BACKOFF_S = 1.0, 30.0


class Wakeful:
    """`trouble` is what is logged as `what` and tried again after a pause that grows; anything else ends it."""

    def __init__(
        self, work: Callable[[], Awaitable[object]], what: str, *, trouble: type[Exception] = Exception
    ) -> None:
        self._work = work
        self._what = what
        self._trouble = trouble
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There is something to do."""
        self._woken.set()

    async def run(self) -> None:
        """Ends by cancellation. Raises StoreClosed."""
        pause = BACKOFF_S
        while True:
            self._woken.clear()
            try:
                await self._work()
            except StoreClosed:
                raise
            except self._trouble:
                _log.exception("%s; trying again in %.0f s.", self._what, pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_BACKOFF_S)
                continue
            pause = BACKOFF_S
            try:
                async with asyncio.timeout(POLL_S):
                    await self._woken.wait()
            except TimeoutError:
                continue
