"""What happens by the clock. Jobs only wake the use cases; what is due is read from the database each time.

One scheduler per process, nothing of it stored: a job that was missed while kaeru was down needs no
catching up, because every sweep looks at the state as it is.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

Job = Callable[[], Awaitable[object]]


PATIENCE_S = 2.0
"""How long `stop` lets what is under way go on."""


class Clockwork:
    """Periodic jobs on the running event loop. A job never overlaps itself."""

    def __init__(self) -> None:
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._stopping = False

    def every(self, interval: timedelta, name: str, job: Job) -> None:
        """Run `job` every `interval`, the first time at once. An error is logged and does not end it."""

        async def run() -> None:
            task = asyncio.current_task()
            if name in self._under_way or self._stopping or task is None:
                # A job that takes longer than its interval is nothing to warn of at every tick.
                return
            self._under_way[name] = task
            try:
                await job()
            except asyncio.CancelledError:
                # Stopping cancels what is under way; only a cancellation from elsewhere is an error.
                if not self._stopping:
                    raise
            finally:
                del self._under_way[name]

        self._scheduler.add_job(
            run,
            IntervalTrigger(seconds=interval.total_seconds(), timezone=UTC),
            id=name,
            name=name,
            next_run_time=datetime.now(UTC),
            coalesce=True,
            max_instances=2,  # the second one sees that the first is under way, and leaves
            misfire_grace_time=None,
        )

    def start(self) -> None:
        self._scheduler.start()

    async def stop(self) -> None:
        """Begin nothing more, and let what is under way end, or end it."""
        self._stopping = True
        running = set(self._under_way.values())
        if running:
            _, running = await asyncio.wait(running, timeout=PATIENCE_S)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if self._scheduler.running:
            self._scheduler.pause()
            # What was begun in this very moment sees that it is over; cancelled before that, it would be an error.
            await asyncio.sleep(0)
            self._scheduler.shutdown(wait=False)
