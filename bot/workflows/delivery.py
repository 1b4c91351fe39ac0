"""Sends what lies in the outbox to the chat: in order within a lane, lanes side by side, each thing once.

Nothing that may have arrived is sent again before it was looked for. That covers a lost answer (the attempt
ended in OutcomeUnknown) as well as a process that was killed: the outbox says `sending` before anything is
sent, and whatever says so at the start is looked for first. A message that can be found is therefore never
posted twice. A whisper cannot be found; it may be seen twice after a crash.

`on_done` is called before an operation is marked as sent, so after a crash in between it is called again for
the same operation: at least once, never not at all. It must be idempotent. The same holds for `on_dead`.

One process at a time may run a Delivery on a store; any number may put something into the outbox.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from bot.ports.chat import Chat, Done, Operation, Post, Upload
from bot.ports.errors import OutcomeUnknown, Refused, Unavailable
from bot.store import Missing, OutboxItem, Store, StoreUnavailable
from bot.workflows.pace import MAX_BACKOFF_S, Pace
from bot.workflows.threads import threaded

_log = logging.getLogger(__name__)

# Another process may put something into the outbox without being able to wake this one.
POLL_S = 0.5
BACKOFF_S = 1.0
# What a killed process was sending is left alone for this many backoffs before it is looked for.
SETTLE = 2.0
# How often something that fails like a defect is tried.
MAX_DEFECTS = 5

OnDone = Callable[[OutboxItem, Done], Awaitable[None]]
OnDead = Callable[[OutboxItem, str], Awaitable[None]]


class Delivery:
    """The outbox's dispatcher. Times are seconds; `clock` gives the time in UTC.

    `backoff_s` is what a repeated failure waits at first; it doubles up to 30 s and never undercuts Retry-After.
    """

    def __init__(
        self,
        store: Store,
        chat: Chat,
        clock: Callable[[], datetime],
        *,
        on_done: OnDone,
        on_dead: OnDead,
        edit_interval_s: float = 1.0,
        lanes: int = 16,
        backoff_s: float = BACKOFF_S,
    ) -> None:
        self._store = store
        self._chat = chat
        self._clock = clock
        self._on_done = on_done
        self._on_dead = on_dead
        self._pace = Pace(time.monotonic, backoff_s=backoff_s, edit_interval_s=edit_interval_s)
        self._lanes = lanes
        self._signal = asyncio.Event()
        self._stopping = False
        self._adrift = True
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        # What is known of items that were tried before, by their id. All of it is lost in a crash, which
        # then is on the safe side: an item with attempts that is not known to have failed cleanly is in doubt.
        self._unsure: set[int] = set()
        self._clean: set[int] = set()
        self._landed: dict[tuple[int, int], Done] = {}
        self._defects: dict[int, int] = {}

    def wake(self) -> None:
        """Something was put into the outbox. To be called in the event loop that `run` runs in."""
        self._signal.set()

    async def run(self) -> None:
        """Send until `drain`, or until cancelled. First of all, what an earlier process was sending is found."""
        self._idle.clear()
        try:
            while not self._stopping:
                self._signal.clear()
                await self._persist(self._claim)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._signal.wait(), self._pace.until_due(POLL_S))
        finally:
            self._idle.set()
            if not self._stopping:
                await self._end(0.0)

    async def drain(self, timeout_s: float) -> bool:
        """Begin nothing new and let what is being sent finish.

        Returns whether it did. What did not is found by the next process before it is sent again.
        """
        self._stopping = True
        self._signal.set()
        deadline = asyncio.get_running_loop().time() + timeout_s
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), timeout_s)
        return await self._end(deadline - asyncio.get_running_loop().time())

    async def _end(self, timeout_s: float) -> bool:
        running = set(self._tasks.values())
        if running and timeout_s > 0:
            _, running = await asyncio.wait(running, timeout=timeout_s)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        return not running

    async def _persist(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do it, and where the store fails do it again: a dispatcher that ends is silence in every channel."""
        pause = BACKOFF_S
        while True:
            try:
                return await work()
            except Exception:  # noqa: BLE001 - logged; a dispatcher must outlive a bad moment of the database
                _log.exception("The outbox cannot be used; trying again in %.0f s.", pause)
            if self._stopping:
                return None
            await asyncio.sleep(pause)
            pause = min(pause * 2, MAX_BACKOFF_S)

    async def _resume(self) -> None:
        """Take up what the outbox says is being sent, and nobody here is sending."""
        for item in await self._store.read(lambda uow: uow.outbox.interrupted()):
            if item.lane in self._tasks:
                continue
            self._unsure.add(item.id)
            age = self._clock() - item.sending_since if item.sending_since else timedelta.max
            settling = SETTLE * self._pace.backoff_s - age.total_seconds()
            if settling > 0:
                # Its request may still be on its way to Slack; looking now could miss it.
                reason = "The process that was sending it ended."
                await self._retry(item, reason, wait_s=settling, backoff=False)()
            else:
                self._begin(item)
        self._adrift = False

    async def _claim(self) -> None:
        if self._adrift:
            await self._resume()
        free = self._lanes - len(self._tasks)
        if free <= 0:
            return
        now, busy = self._clock(), frozenset(self._tasks)
        # Where this fails, the claim may have been committed all the same.
        self._adrift = True
        items = await self._store.write(lambda uow: uow.outbox.claim(now, busy=busy, limit=free))
        self._adrift = False
        for item in items:
            if item.attempts > 0 and item.id not in self._clean:
                self._unsure.add(item.id)
            self._begin(item)

    def _begin(self, item: OutboxItem) -> None:
        task = asyncio.create_task(self._deliver(item), name=f"send {item.key}")
        self._tasks[item.lane] = task
        task.add_done_callback(lambda _: self._ended(item.lane, task))

    def _ended(self, lane: str, task: asyncio.Task[None]) -> None:
        del self._tasks[lane]
        self._signal.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("A lane broke off; what it was sending is looked for.", exc_info=error)
            self._adrift = True

    async def _deliver(self, item: OutboxItem) -> None:
        """One attempt and its consequence in the outbox, which is written even if the store fails at first."""
        early = self._pace.too_early(item.id)
        if early > 0 and item.sent_revision > 0:
            # The outbox spaces the edits that wait; this is one that came after it had nothing to wait for.
            if item.id not in self._unsure:
                self._clean.add(item.id)
            await self._persist(self._retry(item, item.error, wait_s=early, backoff=False))
            return
        consequence = await self._attempt(item)
        await self._persist(consequence)

    async def _attempt(self, item: OutboxItem) -> Callable[[], Awaitable[None]]:
        """Try it; the result is what is to be written down."""
        try:
            done = self._landed.get((item.id, item.revision)) or await self._carry_out(item)
            self._landed[item.id, item.revision] = done
        except Unavailable as error:
            if item.id not in self._unsure:
                self._clean.add(item.id)
            return self._retry(item, str(error), wait_s=error.retry_after_s)
        except OutcomeUnknown as error:
            return self._retry(item, str(error), wait_s=self._pace.backoff_s)
        except Refused as error:
            return await self._give_up(item, error.advice)
        except Exception as error:  # noqa: BLE001 - a defect is logged, retried, and given up
            _log.exception("Sending %s failed in a way that nobody foresaw.", item.key)
            return await self._count_defect(item, error)
        try:
            await self._on_done(item, done)
        except Exception as error:  # noqa: BLE001 - what follows is tried again
            _log.exception("%s was sent, and what follows from it failed; it is tried again.", item.key)
            return self._retry(item, f"{type(error).__name__}: {error}", wait_s=self._pace.backoff_s)
        return self._sent(item, done)

    async def _carry_out(self, item: OutboxItem) -> Done:
        """Look for it where it is in doubt, else perform it. Raises what the chat raises."""
        operation = await threaded(self._store, item.operation)
        if item.id in self._unsure:
            found = await self._find(item, operation)
            if found is not None:
                return found
        content = await self._content(operation) if isinstance(operation, Upload) else None
        # From here on it may have arrived, whatever ends this task; what is known to be clean is said below.
        self._clean.discard(item.id)
        try:
            return await self._chat.perform(operation, item.key, content)
        except OutcomeUnknown:
            self._unsure.add(item.id)
            found = await self._find(item, operation)
            if found is None:
                raise
            return found
        except (Unavailable, Refused):
            self._unsure.discard(item.id)
            raise
        except BaseException:
            self._unsure.add(item.id)
            raise

    async def _content(self, operation: Upload) -> bytes:
        try:
            return await self._store.read(lambda uow: uow.documents.get(operation.content_ref))
        except StoreUnavailable as error:
            raise Unavailable(str(error)) from error
        except Missing as error:
            raise Refused(f"The content of {operation.filename} is not in the store any more.") from error

    async def _find(self, item: OutboxItem, operation: Operation) -> Done | None:
        """What is there already, brought up to date if it may show an earlier revision."""
        found = await self._chat.find(operation, item.key)
        if found is None or not isinstance(operation, Post) or item.revision == 1:
            return found
        current = operation.model_copy(update={"channel": found.channel or operation.channel, "ts": found.ts})
        return await self._chat.perform(current, item.key)

    def _sent(self, item: OutboxItem, done: Done) -> Callable[[], Awaitable[None]]:
        async def write() -> None:
            now = self._clock()
            not_before = now + timedelta(seconds=self._pace.edit_interval_s)
            await self._store.write(
                lambda uow: uow.outbox.sent(item.id, item.revision, done, now=now, not_before=not_before)
            )
            self._forget(item)
            self._pace.note_shown(item.id)
            self._pace.note_due(self._pace.edit_interval_s)

        return write

    def _retry(
        self, item: OutboxItem, reason: str, *, wait_s: float, backoff: bool = True
    ) -> Callable[[], Awaitable[None]]:
        wait_s = max(wait_s, self._pace.backoff(item.attempts) if backoff else 0.0)

        async def write() -> None:
            at = self._clock() + timedelta(seconds=wait_s)
            await self._store.write(lambda uow: uow.outbox.retry(item.id, at=at, error=reason))
            self._pace.note_due(wait_s)

        if backoff:
            _log.info("%s is tried again in %.1f s: %s", item.key, wait_s, reason)
        return write

    async def _count_defect(self, item: OutboxItem, error: Exception) -> Callable[[], Awaitable[None]]:
        reason = f"{type(error).__name__}: {error}"
        self._defects[item.id] = self._defects.get(item.id, 0) + 1
        if self._defects[item.id] < MAX_DEFECTS:
            return self._retry(item, reason, wait_s=self._pace.backoff_s)
        return await self._give_up(item, f"It failed {MAX_DEFECTS} times, which is a defect: {reason}")

    async def _give_up(self, item: OutboxItem, sentence: str) -> Callable[[], Awaitable[None]]:
        _log.error("%s cannot be delivered: %s", item.key, sentence)
        try:
            await self._on_dead(item, sentence)
        except Exception as error:  # noqa: BLE001 - the report is tried again
            _log.exception("%s could not be reported as undelivered; it is tried again.", item.key)
            return self._retry(item, f"{type(error).__name__}: {error}", wait_s=self._pace.backoff_s)

        async def write() -> None:
            await self._store.write(lambda uow: uow.outbox.dead(item.id, sentence))
            # It stays unsure: new content for the slot is a new try, and an earlier one may have arrived.
            unsure = item.id in self._unsure
            self._forget(item)
            if unsure:
                self._unsure.add(item.id)

        return write

    def _forget(self, item: OutboxItem) -> None:
        self._unsure.discard(item.id)
        self._clean.discard(item.id)
        self._defects.pop(item.id, None)
        self._landed.pop((item.id, item.revision), None)
