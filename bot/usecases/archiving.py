"""The channels of incidents that are over are archived, once nobody has written there for long enough."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from bot.catalog import Catalog
from bot.domain.filing import pending
from bot.domain.incident import Incident
from bot.ports import PortError, Refused
from bot.ports.chat import INCIDENT_CHANNEL, ArchiveChannel, Chat
from bot.store import Store
from bot.store.unit import UnitOfWork
from bot.usecases.desk import Desk
from bot.usecases.recorder import Recorder
from bot.usecases.unfinished import Chore, keep_chore, unfinished

_log = logging.getLogger(__name__)

SLOT = "archive"
LOOK_BACK = 200
"""How many of the newest are looked at once, at start: they may have been closed before this was switched on."""


class Archiving:
    """Level-triggered: what is due is put into the outbox, each channel once. What Slack declines is not repeated."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        desk: Desk,
        *,
        recorder: Recorder,
        chat: Chat,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._after = catalog.workspace.archives_after
        self._desk = desk
        self._recorder = recorder
        self._chat = chat
        self._clock = clock
        self._looked_back = False

    async def sweep(self) -> None:
        """Put every channel that is due by now into the outbox."""
        after = self._after
        if after is None:
            return
        if not self._looked_back:
            await self._store.write(self._look_back)
            self._looked_back = True
        for incident in await self._store.read(lambda uow: unfinished(uow, Chore.ARCHIVE)):
            if self._is_over(incident, after) and await self._is_all_known(incident):
                await self._archive(incident, after)

    def _look_back(self, uow: UnitOfWork) -> None:
        for incident in uow.incidents.list(open_only=False, limit=LOOK_BACK):
            if not incident.is_open and incident.channel_id is not None and incident.archived_at is None:
                keep_chore(uow, Chore.ARCHIVE, incident.id, wanted=True)

    def _is_over(self, incident: Incident, after: timedelta) -> bool:
        """Whether nothing about it is left to be said there, and its time has come."""
        if incident.closed_at is None or self._clock() - incident.closed_at < after:
            return False
        if incident.debts or incident.restoring is not None or incident.archived_at is not None:
            return False
        ends = self._desk.ends(incident)
        under_way = pending(incident, tracker=ends.tracker, papers=ends.papers)
        return all(item.filing.stopped for item in under_way)

    async def _is_all_known(self, incident: Incident) -> bool:
        """Whether what was written there while nobody listened is in the timeline by now."""
        try:
            await self._recorder.backfill(self._chat, incident)
        except Refused as error:
            _log.warning("the channel of %s cannot be read: %s", incident.id, error.advice)
        except PortError as error:
            _log.warning("the channel of %s is not archived before it could be read: %s", incident.id, error)
            return False
        return True

    async def _archive(self, incident: Incident, after: timedelta) -> None:
        since = self._clock() - after

        def put(uow: UnitOfWork) -> bool:
            lane = f"incident:{incident.id}"
            if any(message.at > since for message in uow.timeline.messages(incident.id, own=False)):
                return False
            keep_chore(uow, Chore.ARCHIVE, incident.id, wanted=False)
            if uow.outbox.get(lane, SLOT) is not None:
                return False
            uow.outbox.put(lane, SLOT, ArchiveChannel(channel=INCIDENT_CHANNEL), incident_id=incident.id)
            return True

        if await self._store.write(put):
            self._desk.wake()
