"""The bot's own outbox, for notices that are read in the chat."""

import asyncio
import hashlib
from collections.abc import Callable

from bot.ports.chat import Post
from bot.ports.errors import OutcomeUnknown, Refused
from bot.store import Store, UnitOfWork
from bot.store.outbox import OutboxItem
from bot.views.notices_said import posted

PATIENCE_S = 20.0
LOOK_AGAIN_S = 0.1


class OutboxPostbox:
    """Puts notices into the outbox and waits until they are delivered. `wake` tells the delivery that there is one."""

    def __init__(self, store: Store, *, wake: Callable[[], None]) -> None:
        self._store = store
        self._wake = wake

    async def put(self, channel: str, subject: str, text: str, *, thread: str, key: str) -> None:
        lane, slot = f"notices:{thread}:{channel}", f"notice-{_short(key)}"
        post = posted(channel, subject, text)
        await self._store.write(lambda uow: uow.outbox.put(lane, slot, post))
        self._wake()
        await self._delivered(lane, slot, channel, post)

    async def _delivered(self, lane: str, slot: str, channel: str, post: Post) -> None:
        deadline = asyncio.get_running_loop().time() + PATIENCE_S

        def look(uow: UnitOfWork) -> OutboxItem | None:
            return uow.outbox.get(lane, slot)

        while True:
            item = await self._store.read(look)
            if item is not None and item.is_dead:
                raise Refused(
                    f"Slack does not let kaeru post to {channel}: {item.error}",
                    remedy="Invite kaeru there, or correct the name in kaeru.yml.",
                )
            if item is not None and item.sent_revision:
                return
            if asyncio.get_running_loop().time() >= deadline:
                raise OutcomeUnknown(
                    f"Slack has not taken the message to {post.channel} yet; it waits in kaeru's outbox.",
                    remedy="`kaeru status` shows the outbox.",
                )
            await asyncio.sleep(LOOK_AGAIN_S)


def _short(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:16]
