"""The WebSockets of the people: what each can see, as it changes."""

import asyncio
import json
from collections.abc import Callable

from aiohttp import WSMsgType, web

from sandbox.workspace.messages import unread
from sandbox.workspace.model import Change, Channel, Json
from sandbox.workspace.state import Workspace

# How long changes of one channel's unread counts are gathered before the page hears of them.
GATHER = 0.05


class People:
    """Pushes to the pages that are open. Nobody looking costs nothing."""

    def __init__(self, state: Workspace) -> None:
        self.state = state
        self.pages: dict[str, list[asyncio.Queue[str]]] = {}
        self.sockets: set[web.WebSocketResponse] = set()
        self.dirty: set[tuple[str, str]] = set()
        self.timer: asyncio.TimerHandle | None = None
        state.listeners.append(self.hear)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        user = request.query.get("user", "")
        if user not in self.state.users:
            return web.json_response({"ok": False, "error": "user_not_found"}, status=404)
        socket = web.WebSocketResponse(heartbeat=20.0)
        await socket.prepare(request)
        outbox: asyncio.Queue[str] = asyncio.Queue()
        self.pages.setdefault(user, []).append(outbox)
        self.sockets.add(socket)
        writer = asyncio.create_task(self.write(socket, outbox))
        try:
            async for message in socket:
                if message.type is WSMsgType.ERROR:
                    break
        finally:
            self.sockets.discard(socket)
            self.pages[user].remove(outbox)
            writer.cancel()
        return socket

    async def write(self, socket: web.WebSocketResponse, outbox: asyncio.Queue[str]) -> None:
        while True:
            text = await outbox.get()
            try:
                await socket.send_str(text)
            except ConnectionError:
                return  # the page is gone; its reader cleans up

    async def close(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        for socket in list(self.sockets):
            await socket.close()

    def push(self, user: str, thing: Json) -> None:
        if self.pages.get(user):
            self.push_text(user, json.dumps(thing))

    def push_text(self, user: str, text: str) -> None:
        for outbox in self.pages.get(user, ()):
            outbox.put_nowait(text)

    def push_all(self, thing: Json) -> None:
        for user in self.pages:
            self.push(user, thing)

    def watch_connection(self, connected: bool) -> None:  # noqa: FBT001  a one-value callback
        self.push_all({"type": "connected", "connected": connected})

    def viewers(self, channel: Channel) -> list[str]:
        """Open pages that may look into a channel: its members, and anybody for a public one."""
        if channel.is_im or channel.is_private:
            return [user for user, open_pages in self.pages.items() if open_pages and user in channel.members]
        return [user for user, open_pages in self.pages.items() if open_pages]

    def hear(self, change: Change) -> None:
        if not any(self.pages.values()):
            return
        channel = change.channel
        if change.kind.startswith("ephemeral"):
            self.push(change.user, self.translate(change))
            return
        if change.kind == "read":
            self.push(change.user, {"type": "channel", "channel": self.channel_shape(channel, change.user)})
            return
        thing = self.translate(change)
        text = json.dumps(thing)
        for user in self.viewers(channel):
            if thing["type"] == "channel":
                self.push(user, {"type": "channel", "channel": self.channel_shape(channel, user)})
                continue
            self.push_text(user, text)
            if change.kind in {"message", "message_deleted"} and user in channel.members:
                self.gather(user, channel)
        if change.kind in {"member_joined", "member_left"}:
            for user in self.viewers(channel):
                self.gather(user, channel)
            if change.kind == "member_left":
                self.gather(change.user, channel)

    def translate(self, change: Change) -> Json:
        channel = change.channel
        match change.kind:
            case "message" | "ephemeral":
                return {"type": "message", "channel": channel.id, "message": change.message}
            case (
                "message_changed"
                | "thread_changed"
                | "ephemeral_changed"
                | "reaction_added"
                | "reaction_removed"
            ):
                return {"type": "message_changed", "channel": channel.id, "message": change.message}
            case "message_deleted" | "ephemeral_deleted":
                return {"type": "message_deleted", "channel": channel.id, "ts": change.ts}
            case "bookmarks":
                return {"type": "bookmarks", "channel": channel.id, "bookmarks": channel.bookmarks}
            case "member_joined" | "member_left":
                return {"type": "members", "channel": channel.id, "members": list(channel.members)}
            case _:
                return {"type": "channel"}

    def gather(self, user: str, channel: Channel) -> None:
        self.dirty.add((user, channel.id))
        if self.timer is None:
            self.timer = asyncio.get_running_loop().call_later(GATHER, self.flush)

    def flush(self) -> None:
        self.timer = None
        dirty, self.dirty = self.dirty, set()
        for user, channel_id in dirty:
            channel = self.state.channels.get(channel_id)
            if channel is not None:
                self.push(user, {"type": "channel", "channel": self.channel_shape(channel, user)})

    def channel_shape(self, channel: Channel, user: str) -> Json:
        """A channel as `boot` gives it."""
        unread_count, mention_count = unread(channel, user) if user in channel.members else (0, 0)
        return {
            **channel.shape(user, self.state.team_id),
            "is_member": user in channel.members,
            "topic": channel.topic,
            "purpose": channel.purpose,
            "unread_count": unread_count,
            "mention_count": mention_count,
            "last_read": channel.last_read.get(user, "0000000000.000000"),
            "latest": channel.order[-1] if channel.order else None,
            "num_members": len(channel.members),
        }


Push = Callable[[str, Json], None]
