"""The recorder: what is said in an incident's channel goes from the inbox into its timeline."""

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.domain.base import UserId
from bot.domain.incident import Incident
from bot.domain.timeline import Entry, Kind, messages
from bot.ports.chat import Chat, HistoryMessage
from bot.store import Draft, InboxItem, Store, StoreError, UnitOfWork
from bot.usecases.gaps import gaps
from bot.usecases.transcript import Heard, edit_of, entry_of, ids_of_bot, message_of, time_of
from bot.usecases.wakeful import Wakeful

__all__ = ["EVENT", "Recorder", "entry_of"]

_log = logging.getLogger(__name__)

EVENT = "event"
"""The kind under which the inbox keeps the payloads of Slack's Events API."""

BATCH = 500
MAX_REASON = 500
# How far behind the last backfill the next one looks: edits and late replies concern recent messages.
OVERLAP = timedelta(hours=2)


class Recorder:
    """`bot_user` is the bot's own user id; without it the bot knows itself only from the events' envelopes."""

    def __init__(
        self, store: Store, clock: Callable[[], datetime], *, bot_user: UserId | None = None
    ) -> None:
        self._store = store
        self._clock = clock
        self._own: set[str] = {bot_user} if bot_user else set()
        # Whatever fails: the recorder must outlive a bad moment of the database.
        self._wakeful = Wakeful(self.record_pending, "What was said cannot be recorded")

    def wake(self) -> None:
        """Something was put into the inbox."""
        self._wakeful.wake()

    async def run(self) -> None:
        """Record whenever woken, and look every few seconds in case nobody did. Ends by cancellation.

        What fails is logged and tried again: a recorder that ends is a timeline that says nothing.
        Raises StoreClosed.
        """
        await self._wakeful.run()

    async def record_pending(self) -> int:
        """Record everything that waits in the inbox. Returns how many items were done with.

        What is not of an incident's channel is forgotten. An item that cannot be read is tried a few times
        and then left in the inbox as dead. Raises StoreUnavailable.
        """
        total = 0
        while True:
            try:
                done, seen = await self._store.write(self._record_some)
            except StoreError:
                raise
            except Exception:  # noqa: BLE001 - logged; found out below, and its reason kept in the inbox
                _log.exception("Something that was said cannot be kept; recording one by one.")
                done, seen = await self._record_each()
            total += done
            if seen < BATCH:
                return total

    async def _record_each(self) -> tuple[int, int]:
        """What cannot be kept must not keep the others out."""
        items = await self._store.read(lambda uow: uow.inbox.pending(BATCH, kinds=(EVENT,)))
        done = 0
        for item in items:
            try:
                done += await self._store.write(lambda uow, item=item: self._record(uow, (item,)))  # type: ignore[misc]  # binds the loop's value
            except StoreError:
                raise
            except Exception as error:  # noqa: BLE001 - kept in the inbox as the reason
                reason = f"This cannot be kept: {type(error).__name__}: {error}"[:MAX_REASON]
                await self._store.write(lambda uow, i=item.id, reason=reason: uow.inbox.fail(i, reason))  # type: ignore[misc]  # binds the loop's value
        return done, len(items)

    def _record_some(self, uow: UnitOfWork) -> tuple[int, int]:
        items = uow.inbox.pending(BATCH, kinds=(EVENT,))
        return self._record(uow, items), len(items)

    def _record(self, uow: UnitOfWork, items: Sequence[InboxItem]) -> int:
        heard: dict[str, list[Draft]] = defaultdict(list)
        done: list[int] = []
        for item in items:
            try:
                one = self._heard(item)
            except Exception as error:  # noqa: BLE001 - kept in the inbox as the reason
                uow.inbox.fail(item.id, f"This is not an event as Slack sends them: {error!r}"[:MAX_REASON])
                continue
            done.append(item.id)
            if one is not None:
                heard[one.channel].append(one.draft)
        for channel, drafts in heard.items():
            incident = uow.incidents.by_channel(channel)
            if incident is not None:
                uow.timeline.append_many(incident.id, drafts)
        uow.inbox.done_many(done)
        return len(done)

    def _heard(self, item: InboxItem) -> Heard | None:
        self._own |= ids_of_bot(item.body)
        return entry_of(item.body, own=self._own)

    async def backfill(self, chat: Chat, incident: Incident) -> int:
        """Fill what was missed of an incident's channel from Slack's history: messages, edits, and the other `gaps`.

        Returns how many entries were added. Raises what `Chat.history` raises, and StoreUnavailable; it can
        be repeated at any time.
        """
        channel = incident.channel_id
        if channel is None:
            return 0
        cursor = f"backfill:{incident.id}"
        reached = await self._store.read(lambda uow: uow.facts.get(cursor))
        since = None if reached is None else _ts_of(time_of(reached) - OVERLAP)
        history = await chat.history(channel, since_ts=since)
        added = 0
        for start in range(0, len(history), BATCH):
            page = history[start : start + BATCH]
            added += await self._store.write(lambda uow, page=page: self._fill(uow, incident.id, page))  # type: ignore[misc]  # binds the loop's value
        if history:
            newest = max(message.ts for message in history)

            def finish(uow: UnitOfWork) -> int:
                uow.facts.set(cursor, newest)
                entries = uow.timeline.entries(incident.id)
                lacking = gaps(history, entries, own=self._own, now=self._clock())
                return sum(e is not None for e in uow.timeline.append_many(incident.id, lacking))

            added += await self._store.write(finish)
        return added

    def _fill(self, uow: UnitOfWork, incident_id: str, page: Sequence[HistoryMessage]) -> int:
        known = _by_ts(uow.timeline.about(incident_id, [message.ts for message in page]))
        drafts = [
            draft for message in page if (draft := _missing(message, known.get(message.ts, ()), self._own))
        ]
        return sum(entry is not None for entry in uow.timeline.append_many(incident_id, drafts))


def _missing(message: HistoryMessage, known: Sequence[Entry], own: Collection[str]) -> Draft | None:
    """What the timeline lacks of a message as the history has it."""
    raw: dict[str, Any] = {**message.raw, "ts": message.ts}
    draft = message_of(raw, own=own)
    if draft is None or draft.kind is not Kind.MESSAGE or not any(e.kind is Kind.MESSAGE for e in known):
        return draft
    if not raw.get("edited") or _text_now(known) == draft.body["text"]:
        return None
    return edit_of(raw, own=own)


def _text_now(known: Sequence[Entry]) -> str:
    return messages(known)[0].text


def _by_ts(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    grouped: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.slack_ts is not None:
            grouped[entry.slack_ts].append(entry)
    return grouped


def _ts_of(at: datetime) -> str:
    """A time as Slack writes it."""
    return f"{int(at.timestamp())}.{at.microsecond:06d}"
