"""One thread writes. It takes whatever work has gathered, commits once, and only then answers."""

import asyncio
import logging
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from bot.store.errors import AlreadyOpen, CommitFailed, StoreClosed, StoreUnavailable
from bot.store.unit import UnitOfWork

_log = logging.getLogger(__name__)

GROUP = 512
BEGIN_PATIENCE_S = 15.0
ATTEMPTS = 5
# PostgreSQL: serialization failure, deadlock, and two replicas inserting the same thing at once.
_TRANSIENT = frozenset({"40001", "40P01", "23505"})

Work = Callable[[UnitOfWork], Any]


@dataclass(slots=True)
class _Job:
    work: Work
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    attempts: int = 0


_Outcome = tuple[_Job, Any, BaseException | None]


class Writer:
    """Started by its constructor, stopped by `close`."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock
        # SQLite has one writer at a time, who sees everything; only PostgreSQL lets others write meanwhile.
        self._replicas = engine.dialect.name == "postgresql"
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._gate = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="kaeru-store-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Work) -> asyncio.Future[Any]:
        """Queue work of the running event loop. Raises StoreClosed."""
        loop = asyncio.get_running_loop()
        job = _Job(work, loop.create_future(), loop)
        with self._gate:
            if self._closed:
                raise StoreClosed("The store is closed: kaeru is shutting down. Nothing was written.")
            self._jobs.put(job)
        return job.future

    def close(self) -> None:
        """Finish what is queued, then stop. Blocks."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        again: list[_Job] = []
        ended = False
        while not ended or again:
            jobs, ended = (again, ended) if ended else self._gather(again)
            again = self._settle(jobs) if jobs else []

    def _gather(self, jobs: list[_Job]) -> tuple[list[_Job], bool]:
        """Wait for work unless there is some; then take what else is there. True where it was the last."""
        while len(jobs) < GROUP:
            try:
                job = self._jobs.get(block=not jobs)
            except queue.Empty:
                break
            if job is None:
                return jobs, True
            if not job.future.cancelled():
                jobs.append(job)
        return jobs, False

    def _settle(self, jobs: list[_Job]) -> list[_Job]:
        """Do one group and answer it. Returns the work that is to be tried again in the next one."""
        committing = False
        try:
            connection = self._begin()
        except Exception as error:  # noqa: BLE001 - every waiting caller hears of it, and the thread lives on
            _log.exception("the database cannot be written to")
            _answer([(job, None, _chained(_unavailable(), error)) for job in jobs])
            return []
        try:
            with connection:
                outcomes = [self._do(connection, job) for job in jobs]
                again = [
                    job
                    for job, _, error in outcomes
                    if error is not None and _may_try_again(job, error, replicas=self._replicas)
                ]
                committing = True
                connection.commit()
        except Exception as error:  # noqa: BLE001 - every waiting caller hears of it, and the thread lives on
            if not committing and _all_may_try_again(jobs, error):
                return jobs
            _log.exception("a group of %d writes was not committed", len(jobs))
            failure = _unconfirmed if committing else _unavailable
            _answer([(job, None, _chained(failure(), error)) for job in jobs])
            return []
        later = {id(job) for job in again}
        _answer([outcome for outcome in outcomes if id(outcome[0]) not in later])
        return again

    def _begin(self) -> Connection:
        """A connection within a transaction. Waits while another process writes, or the server restarts."""
        deadline = time.monotonic() + BEGIN_PATIENCE_S
        while True:
            connection: Connection | None = None
            try:
                connection = self._engine.connect()
                connection.begin()
            except OperationalError:
                if connection is not None:
                    connection.close()
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.05)
            else:
                return connection

    def _do(self, connection: Connection, job: _Job) -> _Outcome:
        """Do one piece of work within its savepoint. Raises only where the whole transaction is lost."""
        job.attempts += 1
        connection.exec_driver_sql("SAVEPOINT work")
        try:
            result = job.work(UnitOfWork(connection, self._clock, writes=True))
            connection.exec_driver_sql("RELEASE SAVEPOINT work")
        except BaseException as error:
            # Whatever it is, it is the caller's, and this thread lives on.
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                raise
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT work")
            connection.exec_driver_sql("RELEASE SAVEPOINT work")
            return job, None, error
        return job, result, None


def _may_try_again(job: _Job, error: BaseException, *, replicas: bool) -> bool:
    """Whether a concurrent replica may have caused this, so that another try sees what it did."""
    if job.attempts >= ATTEMPTS or not replicas:
        return False
    if isinstance(error, AlreadyOpen):
        # It was opened between this work's look and its insertion.
        return True
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _TRANSIENT


def _all_may_try_again(jobs: list[_Job], error: Exception) -> bool:
    """The connection broke before the commit: nothing was kept, so all of it can be done again."""
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    return lost and all(job.attempts < ATTEMPTS for job in jobs)


def _unavailable() -> Exception:
    return StoreUnavailable(
        "The database cannot be written to now; nothing was kept. Check it, then try again."
    )


def _unconfirmed() -> Exception:
    return CommitFailed("The database did not confirm the commit. Read what is there before trying again.")


def _chained(failure: Exception, cause: Exception) -> Exception:
    failure.__cause__ = cause
    return failure


def _answer(outcomes: list[_Outcome]) -> None:
    """Resolve the futures, each group in its own event loop's thread at once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_loop[outcome[0].loop].append(outcome)
    for loop, mine in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, mine)
        except RuntimeError:
            _log.warning("%d writes were answered after their event loop had closed", len(mine))


def _resolve(outcomes: list[_Outcome]) -> None:
    for job, result, error in outcomes:
        if job.future.done():
            continue
        if error is None:
            job.future.set_result(result)
        else:
            job.future.set_exception(error)
