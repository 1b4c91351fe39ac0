"""What happens by the clock. Jobs only wake the use cases; what is due is read from the database each time.

One scheduler per process, nothing of it stored: a job that was missed while kaeru was down needs no
catching up, because every sweep looks at the state as it is.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

Job = Callable[[], Awaitable[object]]


class Clockwork:
    """Periodic jobs on the running event loop. A job never overlaps itself."""

    def __init__(self) -> None:
        self._scheduler = AsyncIOScheduler(timezone=UTC)

    def every(self, interval: timedelta, name: str, job: Job) -> None:
        """Run `job` every `interval`, the first time at once. An error is logged and does not end it."""

        async def run() -> None:
            try:
                await job()
            except asyncio.CancelledError:
                # Stopping cancels what is under way; only a cancellation from elsewhere is an error.
                if self._scheduler.running:
                    raise

        self._scheduler.add_job(
            run,
            IntervalTrigger(seconds=interval.total_seconds(), timezone=UTC),
            id=name,
            name=name,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
