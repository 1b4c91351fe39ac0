"""After a restart: requests that were written down and never carried out are carried out now, or answered."""

from datetime import datetime, timedelta

from bot.domain.base import Refusal
from bot.store.inbox import InboxItem
from handlers.inbox import HOME, INTERACTIVE
from handlers.register import Handlers
from handlers.surface import Body, LaterSurface, Surface, attend

TOO_OLD = timedelta(minutes=15)
"""Older than this, what a person wanted may be the last thing they want now."""

BATCH = 200


async def replay(handlers: Handlers, *, now: datetime) -> int:
    """Attend to everything interactive that is pending. Returns how many requests there were."""
    store = handlers.rooms.store
    items = await store.read(lambda uow: uow.inbox.pending(BATCH, kinds=INTERACTIVE))
    for item in items:
        await _attend(handlers, item, now)
    # A Home tab is published anew whenever somebody looks; an old request for it is void.
    stale = await store.read(lambda uow: uow.inbox.pending(BATCH, kinds=(HOME,)))
    await store.write(lambda uow: uow.inbox.done_many([item.id for item in stale]))
    return len(items)


async def _attend(handlers: Handlers, item: InboxItem, now: datetime) -> None:
    body = item.body
    surface = LaterSurface(handlers.rooms, body, item.id)
    if now - item.received_at > TOO_OLD:
        await attend(handlers.rooms, _too_late, body, surface, item.id)
        return
    await attend(handlers.rooms, handlers.of(item.kind, body), body, surface, item.id)


async def _too_late(body: Body, _surface: Surface, _inbox_id: int | None) -> None:
    what = body.get("command") or "what you pressed"
    raise Refusal(
        f"kaeru was down when you used {what}, and nothing was done. If it still matters, do it again."
    )
