"""The message shortcut "Add to timeline"."""

from bot.domain.base import Refusal
from bot.usecases.transcript import time_of
from bot.views import modals
from handlers.surface import Body, Rooms, Surface, channel_of


class TimelineShortcut:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def __call__(self, body: Body, surface: Surface, _inbox_id: int | None) -> None:
        channel = channel_of(body) or ""
        incident = await self._rooms.store.read(lambda uow: uow.incidents.by_channel(channel))
        if incident is None:
            raise Refusal("This channel belongs to no incident, so there is no timeline to add to.")
        message = body["message"]
        ts = str(message["ts"])
        form = modals.add_to_timeline(
            incident,
            message_ts=ts,
            author=str(message.get("user", "")),
            text=str(message.get("text", "")),
            at=time_of(ts),
        )
        await surface.open_modal(form)
