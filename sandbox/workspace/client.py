"""`POST /client/VERB`: what people do, for the page and for tests that play a person."""

import base64
import binascii
from collections.abc import Awaitable, Callable

from sandbox.workspace import interaction, messages, rooms
from sandbox.workspace.api_files import share, store
from sandbox.workspace.context import Context
from sandbox.workspace.errors import SlackError
from sandbox.workspace.events import Events
from sandbox.workspace.model import Channel, Json, User
from sandbox.workspace.wording import encode

MAX_FLOOD = 100_000
Verb = Callable[[Json], Awaitable[Json]]


class Client:
    def __init__(self, context: Context, events: Events) -> None:
        self.context = context
        self.state = context.state
        self.events = events
        self.verbs: dict[str, Verb] = {
            name: getattr(self, name)
            for name in (
                "boot", "flood", "history", "replies", "mark_read", "send", "edit", "delete", "react", "unreact",
                "create_channel", "join", "leave", "open_im", "invite", "upload", "action", "submit_view",
                "close_view", "shortcut", "open_home", "views",
            )
        }  # fmt: skip

    async def run(self, verb: str, given: Json) -> Json:
        """Raises SlackError, NotDeliveredError."""
        found = self.verbs.get(verb)
        if found is None:
            raise SlackError("unknown_verb")
        return await found({**given, "user": self.state.named(str(given.get("user", ""))).id})

    def actor(self, given: Json) -> User:
        return self.state.user(str(given.get("user", "")))

    def room(self, given: Json, *, member: bool = False, writable: bool = False) -> Channel:
        user = self.actor(given).id
        channel = self.state.channel(str(given.get("channel", "")), user)
        if member and user not in channel.members:
            raise SlackError("not_in_channel")
        if writable and channel.is_archived:
            raise SlackError("is_archived")
        return channel

    def own(self, given: Json) -> tuple[Channel, str]:
        channel, ts = self.room(given, writable=True), str(given.get("ts", ""))
        if messages.get(channel, ts).get("user") != given["user"]:
            raise SlackError("cant_update_message")
        return channel, ts

    async def boot(self, given: Json) -> Json:
        user = self.actor(given).id
        state, manifest = self.state, self.context.manifest
        visible = [
            channel
            for channel in state.channels.values()
            if user in channel.members or not (channel.is_im or channel.is_private)
        ]
        return {
            "self": state.user(user).shape(state.team_id),
            "team": {"id": state.team_id, "name": state.team_name, "domain": "kaeru-demo"},
            "users": [one.shape(state.team_id) for one in state.users.values()],
            "channels": [self.context.people.channel_shape(channel, user) for channel in visible],
            "commands": [
                {"command": one.command, "description": one.description, "usage_hint": one.usage_hint}
                for one in manifest.commands.values()
            ],
            "shortcuts": [
                {"callback_id": one.callback_id, "name": one.name, "type": one.type}
                for one in manifest.shortcuts.values()
            ],
            "app": {"id": state.app_id, "name": manifest.name, "bot_user_id": state.bot_user},
            "connected": bool(self.context.hub.connections),
        }

    async def history(self, given: Json) -> Json:
        channel = self.room(given)
        limit = min(int(given.get("limit") or 50), 1000)
        shown = messages.window(
            channel.order, "", str(given["before"]) if given.get("before") else None, inclusive=False
        )
        first = max(shown.start, shown.stop - limit)
        page = [channel.messages[channel.order[at]] for at in range(first, shown.stop)]
        since = page[0]["ts"] if first > shown.start and page else ""
        until = str(given.get("before") or "9")
        mine = channel.ephemerals.get(str(given["user"]), {}).values()
        page += [message for message in mine if since <= message["ts"] < until and "thread_ts" not in message]
        return {
            "messages": sorted(page, key=lambda message: str(message["ts"])),
            "has_more": first > shown.start,
            "bookmarks": channel.bookmarks,
            "members": list(channel.members),
        }

    async def replies(self, given: Json) -> Json:
        channel, thread_ts = self.room(given), str(given.get("thread_ts", ""))
        parent = messages.get(channel, thread_ts)
        found = [parent, *(channel.messages[ts] for ts in channel.threads.get(thread_ts, []))]
        mine = channel.ephemerals.get(str(given["user"]), {}).values()
        found += [message for message in mine if message.get("thread_ts") == thread_ts]
        return {"messages": sorted(found, key=lambda message: str(message["ts"]))}

    async def mark_read(self, given: Json) -> Json:
        self.state.mark_read(self.room(given, member=True), str(given["user"]), str(given.get("ts", "")))
        return {}

    async def send(self, given: Json) -> Json:
        user, text = self.actor(given), str(given.get("text", ""))
        channel = self.room(given, member=True, writable=True)
        thread_ts = given.get("thread_ts")
        if text.startswith("/"):
            if thread_ts:
                raise SlackError("not_in_thread")
            return await interaction.command(self.context, user, channel, text)
        if not text.strip():
            raise SlackError("no_text")
        message = messages.post(
            self.state,
            channel,
            {"user": user.id, "text": encode(self.state, text)},
            thread_ts=str(thread_ts) if thread_ts else None,
            broadcast=bool(given.get("broadcast")),
        )
        return {"ts": message["ts"]}

    async def flood(self, given: Json) -> Json:
        channel = self.room(given, member=True, writable=True)
        count = min(int(given.get("count") or 1), MAX_FLOOD)
        stamps = messages.flood(
            self.state, channel, str(given["user"]), count, str(given.get("text") or "flood {n}")
        )
        return {"first": stamps[0], "last": stamps[-1], "count": count}

    async def edit(self, given: Json) -> Json:
        channel, ts = self.own(given)
        text = encode(self.state, str(given.get("text", "")))
        messages.edit(self.state, channel, ts, {"text": text}, editor=str(given["user"]))
        return {}

    async def delete(self, given: Json) -> Json:
        channel, ts = self.own(given)
        messages.delete(self.state, channel, ts)
        return {}

    async def react(self, given: Json) -> Json:
        channel = self.room(given, member=True, writable=True)
        messages.react(
            self.state, channel, str(given.get("ts", "")), str(given.get("name", "")), str(given["user"])
        )
        return {}

    async def unreact(self, given: Json) -> Json:
        channel = self.room(given, member=True, writable=True)
        messages.unreact(
            self.state, channel, str(given.get("ts", "")), str(given.get("name", "")), str(given["user"])
        )
        return {}

    def shown(self, channel: Channel, user: str) -> Json:
        return {"channel": self.context.people.channel_shape(channel, user)}

    async def create_channel(self, given: Json) -> Json:
        user = self.actor(given).id
        channel = rooms.create(
            self.state, str(given.get("name", "")), user, is_private=bool(given.get("is_private"))
        )
        return self.shown(channel, user)

    async def join(self, given: Json) -> Json:
        channel, user = self.room(given), str(given["user"])
        rooms.join(self.state, channel, user)
        return self.shown(channel, user)

    async def leave(self, given: Json) -> Json:
        channel, user = self.room(given, member=True), str(given["user"])
        rooms.leave(self.state, channel, user)
        return self.shown(channel, user)

    async def invite(self, given: Json) -> Json:
        channel, user = self.room(given, member=True), str(given["user"])
        invited = self.state.named(str(given.get("with", ""))).id
        if not rooms.join(self.state, channel, invited, inviter=user):
            raise SlackError("already_in_channel")
        return self.shown(channel, user)

    async def open_im(self, given: Json) -> Json:
        user = self.actor(given).id
        other = self.state.named(str(given.get("with", ""))).id
        return self.shown(self.state.open_im(user, other)[0], user)

    async def upload(self, given: Json) -> Json:
        channel, user = self.room(given, member=True, writable=True), str(given["user"])
        try:
            content = base64.b64decode(str(given.get("content_base64", "")), validate=True)
        except binascii.Error:
            raise SlackError("invalid_content") from None
        file = store(self.context, user, str(given.get("name") or "file"), len(content))
        file.content = content
        thread_ts = given.get("thread_ts")
        share(
            self.context,
            channel,
            [(file, str(given.get("title") or file.shape["name"]))],
            {"user": user, "text": ""},
            thread_ts=str(thread_ts) if thread_ts else None,
        )
        return {"file": file.shape}

    async def action(self, given: Json) -> Json:
        container = interaction.as_object(given.get("container"))
        action = interaction.as_object(given.get("action"))
        if not action.get("action_id") or not action.get("block_id"):
            raise SlackError("invalid_action")
        given_state = given.get("state")
        await interaction.act(
            self.context,
            self.actor(given),
            container,
            action,
            given_state if isinstance(given_state, dict) else None,
        )
        return {}

    async def submit_view(self, given: Json) -> Json:
        given_state = interaction.as_object(given.get("state")) or {"values": {}}
        view_id = str(given.get("view_id", ""))
        return {
            "response": await interaction.submit_view(self.context, self.actor(given), view_id, given_state)
        }

    async def close_view(self, given: Json) -> Json:
        await interaction.close_view(self.context, self.actor(given), str(given.get("view_id", "")))
        return {}

    async def shortcut(self, given: Json) -> Json:
        channel = self.room(given) if given.get("channel") else None
        await interaction.shortcut(
            self.context,
            self.actor(given),
            str(given.get("callback_id", "")),
            channel,
            str(given.get("ts", "")),
        )
        return {}

    async def open_home(self, given: Json) -> Json:
        user = self.actor(given).id
        if not self.context.manifest.home_tab:
            raise SlackError("home_tab_disabled")
        view = self.context.views.homes.get(user)
        channel, _ = self.state.open_im(self.state.bot_user, user)
        self.events.home_opened(user, channel.id, view)
        return {"view": view}

    async def views(self, given: Json) -> Json:
        return {"views": self.context.views.stack(self.actor(given).id)}
