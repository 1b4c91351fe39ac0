"""What bytes are written to and read from, and work in threads of its own: the shared ones have other things to do."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, Protocol, TypeVar

from bot.ports.backups import BackupProgress, Phase

T = TypeVar("T")
CHUNK = 2**20
TELL_EVERY_S, LOOK_EVERY_S = 1.0, 0.1


class Sink(Protocol):
    """Where a backup is written to. Used from one thread at a time; `write` keeps nothing of the chunk.

    `abort` is called at the end in any case: what was closed stays, and others may have their turn again.
    """

    def write(self, chunk: memoryview) -> None: ...

    def close(self) -> None:
        """Return when everything is safely there. It does not exist for others before its manifest does."""
        ...

    def abort(self) -> None:
        """Remove what was not closed. Never raises; may be called at any time, and again."""
        ...


class Source(Protocol):
    """Where a backup is read from."""

    def read(self, count: int, /) -> bytes:
        """At most `count` bytes, none at the end."""
        ...

    def close(self) -> None: ...


class Meter:
    """Counts, for whoever looks from another thread. `waited_for` is the last `detail` of a lock."""

    def __init__(self) -> None:
        self.phase = Phase.PREPARING
        self.bytes = 0
        self.expected_bytes: int | None = None
        self.detail = ""
        self.waited_for = ""
        self._began = time.monotonic()

    def look(self) -> BackupProgress:
        return BackupProgress(
            phase=self.phase,
            bytes=self.bytes,
            expected_bytes=self.expected_bytes,
            seconds=round(time.monotonic() - self._began, 1),
            detail=self.detail,
        )


async def in_thread(work: Callable[[], T], *, on_cancel: Callable[[], None] = lambda: None) -> T:
    """Run `work` in a thread of its own. Cancelled, call `on_cancel`, wait for its end, and only then go."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if error is not None:
            ended.set_exception(error)
        else:
            ended.set_result(result)  # type: ignore[arg-type]  # None is a T where there is no error

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as caught:  # noqa: BLE001 - handed to the one who waits
            error = caught
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know any more
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name=f"backup-{getattr(work, '__name__', 'work')}", daemon=True).start()
    try:
        return await asyncio.shield(ended)
    finally:
        if not ended.done():
            on_cancel()
            await asyncio.wait([ended])
            ended.exception()  # looked at: the cancellation says more


async def watched(
    work: Coroutine[Any, Any, T], look: Callable[[], BackupProgress]
) -> AsyncGenerator[BackupProgress | T, None]:
    """`look()` every `TELL_EVERY_S`, and sooner where something has begun, until `work` has ended; then its result.

    Closed early, `work` is cancelled and waited for.
    """
    task = asyncio.ensure_future(work)
    told, told_at = None, -TELL_EVERY_S
    try:
        while not task.done():
            seen, now = look(), time.monotonic()
            news = (seen.phase, bool(seen.bytes), bool(seen.detail))
            if news != told or now - told_at >= TELL_EVERY_S:
                told, told_at = news, now
                yield seen
            await asyncio.wait([task], timeout=LOOK_EVERY_S)
        yield task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
