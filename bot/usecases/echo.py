"""What follows from what Slack made of the outbox: a channel is there, somebody was told, something never arrived."""

import logging
from collections.abc import Callable
from datetime import datetime

from bot.domain import decide
from bot.domain import events as e
from bot.domain.base import BOT
from bot.domain.incident import Incident
from bot.ports.chat import ArchiveChannel, Done, OpenChannel, Post
from bot.store import OutboxItem, Store
from bot.usecases.desk import Desk

_log = logging.getLogger(__name__)


class Echo:
    """The outbox's `on_done` and `on_dead`. Both may be called again for the same thing."""

    def __init__(self, store: Store, desk: Desk, *, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._desk = desk
        self._clock = clock

    async def delivered(self, item: OutboxItem, done: Done) -> None:
        if isinstance(item.operation, OpenChannel) and item.incident_id and done.channel:
            channel, name = done.channel, done.name or item.operation.name

            def decision(incident: Incident) -> tuple[e.Event, ...]:
                if incident.channel_id is not None:
                    return ()
                return (e.ChannelOpened(at=self._clock(), channel_id=channel, name=name),)

            await self._desk.change(item.incident_id, decision)
        elif isinstance(item.operation, ArchiveChannel) and item.incident_id:
            archived = done.channel or item.operation.channel
            await self._desk.change(
                item.incident_id,
                lambda incident: decide.channel_archived(incident, archived, now=self._clock()),
            )
        elif isinstance(item.operation, Post) and item.incident_id and item.lane.startswith("stakeholders:"):
            told = e.StakeholdersTold(
                at=self._clock(), channel_id=done.channel or item.operation.channel, text=item.operation.text
            )
            await self._desk.change(
                item.incident_id, lambda _incident: (told,), once=f"told:{item.key}:{item.revision}"
            )

    async def undelivered(self, item: OutboxItem, sentence: str) -> None:
        """It is said in the timeline; about a one-off message it is only logged, lest it tell of itself for ever."""
        _log.warning("not delivered: %s: %s", item.key, sentence)
        if item.incident_id is None or item.slot.startswith("event-"):
            return
        what = f"{item.operation.type.replace('_', ' ')} ({item.slot})"
        event = e.DeliveryFailed(at=self._clock(), what=what, reason=sentence)
        changed = await self._desk.change(
            item.incident_id, lambda _incident: (event,), once=f"dead:{item.key}:{item.revision}"
        )
        if isinstance(item.operation, OpenChannel):
            await self._tell_declarer(changed.incident, item, sentence)

    async def _tell_declarer(self, incident: Incident, item: OutboxItem, sentence: str) -> None:
        """Everything else about the incident waits for its channel: whoever asked for it would wait in vain."""
        if ":" in incident.declared_by or incident.declared_by == BOT:
            return  # typed on the command line, which shows it; or by an alert, and the log has it
        text = (
            f"The channel of {incident.id} for {incident.service} could not be opened, so nothing about it can be "
            f"shown in Slack: {sentence} Once that is mended, `kaeru status --retry-dead` tries again. Until then "
            f"act with the command line: `kaeru incident show {incident.id}`."
        )
        post = Post(channel=incident.declared_by, text=text)
        slot = f"unopened-{incident.id}-{item.revision}"
        await self._store.write(lambda uow: uow.outbox.put(f"whisper:{incident.declared_by}", slot, post))
        self._desk.wake()
