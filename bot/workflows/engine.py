"""The durable engine: DBOS behind our own port, so that a workflow's body never sees it.

What was measured and why it is configured so: docs/adr, "Durable workflows on DBOS". One process may use
one SQLite engine file; `hold_alone` makes a second process say so instead of running steps twice.
"""

import asyncio
import fcntl
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import Context
from pathlib import Path
from typing import IO, Any

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from bot.ports import Unavailable
from bot.ports.engine import Parked, Steps, T, Workflow
from bot.store.errors import CommitFailed, StoreClosed, StoreUnavailable

_log = logging.getLogger(__name__)

Boundary = Callable[[str], None]
"""Called with `before:STEP` and `after:STEP`. Production passes nothing; crash tests kill the process here."""

MAX_RECOVERIES = 1_000_000
"""The default of 100 parks a run for good; a run that keeps crashing the bot must still be finished."""


OnBroken = Callable[[str, str, str], Awaitable[None]]
"""Called with a workflow's name, its argument and a sentence, once it has broken down for good."""

ATTEMPTS = 3
PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
BEGINNING_S = 5.0
"""So long the end waits for workflows that are just being begun; a database that does not answer must not hold it."""
LOOKS, LOOK_S = 5, 0.05
"""A command that only looks whether a bot runs has the lock for an instant."""


async def persistently(name: str, work: Callable[[], Awaitable[T]]) -> T:
    """`work`, tried again where that may help. Steps look before they act, so that doing one again is safe.

    A database that does not answer is waited for without end: nothing could be recorded without it. Anything
    else that was not foreseen is tried a few times and then raised.
    """
    pause, failures = PAUSE_S, 0
    while True:
        try:
            return await work()
        except (StoreUnavailable, CommitFailed):
            _log.warning("step %s waits for the database", name, exc_info=True)
        except StoreClosed:
            raise  # the process is ending
        except Exception:
            failures += 1
            if failures == ATTEMPTS:
                raise
            _log.exception("step %s failed; it is tried again", name)
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_S)


class DbosSteps:
    """Steps that DBOS remembers."""

    def __init__(self, boundary: Boundary, closing: asyncio.Event) -> None:
        self._boundary = boundary
        self._closing = closing

    async def run(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        async def step() -> T:
            try:
                result = await persistently(name, work)
            except Exception:
                await stand_still(self._closing)
                raise
            await stand_still(self._closing)
            return result

        await stand_still(self._closing)
        self._boundary(f"before:{name}")
        result = await DBOS.run_step_async({"name": name}, step)
        self._boundary(f"after:{name}")
        return result


async def stand_still(closing: asyncio.Event) -> None:
    """Once the engine closes, nothing is begun or concluded any more: it goes on at the next start.

    The end of a step that failed only because everything was ending is not the step's.
    """
    if closing.is_set():
        await asyncio.Event().wait()  # until it is cancelled


@contextmanager
def _unheard(logger: str) -> Iterator[None]:
    """What DBOS says of workflows that are let go with the process sounds like trouble, and is none."""
    speaker = logging.getLogger(logger)
    before = speaker.level
    speaker.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        speaker.setLevel(before)


class DbosEngine:
    """`bot.ports.Engine` on DBOS. Open it inside the event loop that everything else uses."""

    def __init__(
        self,
        url: str,
        *,
        executor_id: str = "kaeru",
        on_broken: OnBroken,
        boundary: Boundary = lambda _place: None,
    ) -> None:
        self._url = url
        self._workflows: dict[str, Workflow] = {}
        self._executor_id = executor_id
        self._on_broken = on_broken
        self._boundary = boundary
        self._registered: dict[str, Any] = {}
        self._started: set[str] = set()
        self._running: set[asyncio.Task[Any]] = set()
        self._beginning: set[asyncio.Task[None]] = set()
        self._alone: IO[str] | None = None
        self._closing = asyncio.Event()

    def add(self, name: str, body: Workflow) -> None:
        """Make a workflow known. Before `open`, because that goes on with unfinished ones at once."""
        self._workflows[name] = body

    async def open(self) -> None:
        """Launch, and go on with everything that an earlier process left unfinished.

        Raises Unavailable where another process holds the same SQLite file, or the database does not answer.
        """
        self._alone = hold_alone(self._url)
        config: DBOSConfig = {
            "name": "kaeru",
            "system_database_url": self._url,
            "executor_id": self._executor_id,
            # Fixed, because a hash of the source would strand running work at every upgrade.
            "application_version": "kaeru",
            "serializer": DBOSPortableJSONSerializer(),
            "use_listen_notify": False,
            "notification_listener_polling_interval_sec": 0.2,
            "log_level": "WARNING",
            "enable_otlp": False,
        }
        DBOS(config=config)
        for name, body in self._workflows.items():
            self._registered[name] = self._register(name, body)
        try:
            DBOS.launch()
        except SQLAlchemyError as error:
            raise Unavailable(
                "The engine's database does not answer.", remedy="Check its address and that it runs."
            ) from error

    def _register(self, name: str, body: Workflow) -> Any:
        steps: Steps = DbosSteps(self._boundary, self._closing)

        async def workflow(argument: str) -> None:
            with self._counted():
                try:
                    await body(steps, argument)
                except Exception as error:
                    # DBOS may have hung up in the middle of a step: that is no defect.
                    await stand_still(self._closing)
                    # It will never be started again under this id: whoever waits for it has to be told.
                    _log.exception("workflow %s of %s broke down", name, argument)
                    sentence = f"kaeru itself failed ({type(error).__name__}); the log has the details."
                    await steps.run("broken", lambda: self._on_broken(name, argument, sentence))
                    raise

        workflow.__qualname__ = name
        return DBOS.workflow(name=name, max_recovery_attempts=MAX_RECOVERIES)(workflow)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        task = asyncio.current_task()
        if task is None:
            yield
            return
        self._running.add(task)
        try:
            yield
        finally:
            self._running.discard(task)

    async def close(self) -> None:
        """Stop. Unfinished workflows go on at the next start, exactly as after a crash.

        DBOS goes first, so that it does not take the end of this process for the end of a workflow.
        """
        self._closing.set()
        if self._beginning:
            await asyncio.wait(self._beginning, timeout=BEGINNING_S)
        # DBOS has made its own pool the loop's default and is about to shut it down: what a step still does in
        # threads must not fail because of that, it would look like the step's own failure.
        loop, threads = asyncio.get_running_loop(), ThreadPoolExecutor(thread_name_prefix="kaeru")
        loop.set_default_executor(threads)
        try:
            await asyncio.to_thread(DBOS.destroy, destroy_registry=True)
        finally:
            # A step that was just about to begin has put the pool of DBOS back; the loop would have none for ever.
            loop.set_default_executor(threads)
        running = list(self._running)
        with _unheard("dbos"):
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        if self._alone is not None:
            self._alone.close()

    async def start(self, name: str, workflow_id: str, argument: str) -> None:
        if workflow_id in self._started or self._closing.is_set():
            return  # what is due while everything ends, the next start begins
        # In a context of its own: what follows from a step must not become that step's child.
        starting = self._begin(name, workflow_id, argument)
        task = asyncio.get_running_loop().create_task(starting, context=Context())
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)
        await task
        self._started.add(workflow_id)

    async def _begin(self, name: str, workflow_id: str, argument: str) -> None:
        try:
            if await DBOS.get_workflow_status_async(workflow_id) is not None:
                return  # it goes on by itself since `open`, or has ended
            with SetWorkflowID(workflow_id):
                await DBOS.start_workflow_async(self._registered[name], argument)
        except SQLAlchemyError as error:
            raise Unavailable(f"The engine could not store {workflow_id}.") from error

    async def parked(self) -> tuple[Parked, ...]:
        listed = await DBOS.list_workflows_async(
            status=["ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"], sort_desc=True, limit=100
        )
        return tuple(
            Parked(workflow_id=w.workflow_id, name=w.name, reason=f"ended with {w.error or w.status}")
            for w in listed
        )


def hold_alone(url: str) -> IO[str] | None:
    """Take the lock beside a SQLite file for as long as the returned file is open; None for other databases."""
    parsed = make_url(url)
    if not parsed.drivername.startswith("sqlite") or not parsed.database:
        return None
    database, beside = Path(parsed.database), Path(f"{parsed.database}.lock")
    for file in (database, beside):
        # Also where an earlier one made them: what people wrote about an incident is for this user only.
        file.touch(mode=0o600)
        file.chmod(0o600)
    lock = beside.open("w")
    for _ in range(LOOKS):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOOK_S)
        else:
            return lock
    lock.close()
    raise Unavailable(
        "Another kaeru uses this data folder.",
        remedy="Stop it first, or give this one its own with KAERU_DATA.",
    )
