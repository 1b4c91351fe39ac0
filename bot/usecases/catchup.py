"""What was written in the open channels while the link to Slack was down, read once it is back."""

import logging

from bot.ports import PortError, Refused
from bot.ports.chat import Chat
from bot.store import Store
from bot.usecases.recorder import Recorder

_log = logging.getLogger(__name__)

OPEN = 1000


class CatchUp:
    """Starts with a gap: whatever was written while nobody listened."""

    def __init__(self, store: Store, recorder: Recorder, chat: Chat) -> None:
        self._store = store
        self._recorder = recorder
        self._chat = chat
        self._gaps = 1
        self._mended = 0

    def is_due(self) -> bool:
        """Whether something may have been missed."""
        return self._mended < self._gaps

    def lost(self) -> None:
        """The link is down; what is written from now on may be missed."""
        self._gaps += 1

    async def mend(self) -> None:
        """Read every open channel. Where that fails it stays due, as it does where the link is lost meanwhile.

        Raises StoreError.
        """
        gap = self._gaps
        if self._mended == gap:
            return
        whole = True
        for incident in await self._store.read(lambda uow: uow.incidents.list(open_only=True, limit=OPEN)):
            try:
                await self._recorder.backfill(self._chat, incident)
            except Refused as error:
                # Another try would be refused as well, until a person changes something.
                _log.warning("the channel of %s cannot be read: %s", incident.id, error.advice)
            except PortError as error:
                whole = False
                _log.warning("the channel of %s could not be read: %s", incident.id, error)
        if whole:
            self._mended = gap
