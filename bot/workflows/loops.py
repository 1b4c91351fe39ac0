"""Loops that run for as long as the process does. One that ends by itself would be silence that nobody notices."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine

_log = logging.getLogger(__name__)


class Loops:
    """`broken` is set once a loop has ended although nobody asked for it; `sentence` says which."""

    def __init__(self) -> None:
        self.broken = asyncio.Event()
        self.sentence = ""
        self._tasks: list[asyncio.Task[None]] = []
        self._ending = False

    def start(self, name: str, loop: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(loop, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def give_up(self, sentence: str, error: BaseException | None = None) -> None:
        """Nothing works any longer without a new start."""
        if not self.broken.is_set():
            self.sentence = sentence
            self.broken.set()
        _log.critical("%s kaeru stops, to be started again.", sentence, exc_info=error)

    async def end(self, first: Callable[[], Awaitable[object]]) -> None:
        """Do `first`, which may end some of them politely, then end all."""
        self._ending = True
        await first()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._ending:
            return
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        self.give_up(f"The {task.get_name()} ended by itself.", error)
