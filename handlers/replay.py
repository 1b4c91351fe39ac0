"""After a restart: requests that were written down and never carried out are carried out now, or answered."""

from datetime import datetime, timedelta

from bot.domain.base import Refusal
from bot.store.inbox import InboxItem
from handlers.attend import attend
from handlers.inbox import HOME, INTERACTIVE
from handlers.register import Handlers
from handlers.surface import Body, LaterSurface, Surface

TOO_OLD = timedelta(minutes=15)
"""Older than this, what a person wanted may be the last thing they want now."""

BATCH = 200


async def replay(handlers: Handlers, *, now: datetime) -> int:
    """Attend to everything interactive that is pending. Returns how many requests there were."""
    store = handlers.rooms.store
    seen: set[int] = set()
    while True:
        # A look at the Home tab is void by now: it is published anew whenever somebody looks.
        items = await store.read(lambda uow: uow.inbox.pending(BATCH, kinds=(*INTERACTIVE, HOME)))
        fresh = [item for item in items if item.id not in seen]
        if not fresh:
            return len(seen)
        void = [item.id for item in fresh if item.kind == HOME]
        await store.write(lambda uow, void=void: uow.inbox.done_many(void))  # type: ignore[misc]  # binds the loop's value
        for item in fresh:
            if item.kind != HOME:
                await _attend(handlers, item, now)
        seen.update(item.id for item in fresh)


async def _attend(handlers: Handlers, item: InboxItem, now: datetime) -> None:
    async def handler(body: Body, surface: Surface, inbox_id: int | None) -> None:
        if now - item.received_at > TOO_OLD:
            raise Refusal(_too_late(body))
        await handlers.of(item.kind, body)(body, surface, inbox_id)

    await attend(
        handlers.rooms, handler, item.body, LaterSurface(handlers.rooms, item.body, item.id), item.id
    )


def _too_late(body: Body) -> str:
    what = body.get("command") or "what you pressed"
    return f"kaeru was down when you used {what}, and nothing was done. If it still matters, do it again."
