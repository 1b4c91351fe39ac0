"""Where the chat's contract is tested: the fake, and SlackChat against the local workspace."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from bot.ports.chat import Chat
from bot.ports.errors import PortError, Unavailable
from integrations.slack import SlackChat, close_client, make_client
from sandbox.workspace import messages
from sandbox.workspace.local import LocalWorkspace
from tests.fakes.chat import BOT_USER, FakeChat

MANIFEST = Path(__file__).parents[2] / "manifest.yml"
INCIDENTS, DEPLOYS = "C0INCIDENTS", "C0DEPLOYS"
ALICE, BOB = "U0ALICE", "U0BOB"

# The Web API method whose answer gets lost when an operation's does.
METHODS = {
    "open_channel": "conversations.create",
    "add_bookmark": "bookmarks.add",
    "post": "chat.postMessage",
    "upload": "files.completeUploadExternal",
    "invite": "conversations.invite",
    "archive_channel": "conversations.archive",
}


class World(Protocol):
    """A chat and what can be seen of it from outside."""

    chat: Chat

    def lose(self, type_: str) -> None:
        """The next operation of this type happens, and its answer gets lost."""

    def limit(self, type_: str, seconds: float) -> None:
        """The next operation of this type is told to come back after so many whole seconds."""

    async def say(self, channel: str, user: str, text: str, thread_ts: str | None = None) -> str: ...

    def delete(self, channel: str, ts: str) -> None: ...

    def messages(self, channel: str) -> list[dict[str, Any]]:
        """The bot's messages, oldest first, thread replies among them, without notices."""

    def files(self, channel: str) -> list[tuple[str, str, bytes]]:
        """Name, title, content."""

    def channels(self, prefix: str) -> list[str]: ...

    def about(self, channel: str) -> tuple[str, str]:
        """Topic and purpose."""

    def members(self, channel: str) -> set[str]: ...

    def bookmarks(self, channel: str) -> list[tuple[str, str]]: ...

    def whispered(self, user: str) -> list[str]: ...

    def home(self, user: str) -> dict[str, Any] | None: ...

    def is_archived(self, channel: str) -> bool: ...


class FakeWorld:
    def __init__(self) -> None:
        self.fake = FakeChat()
        self.chat: Chat = self.fake

    def lose(self, type_: str) -> None:
        self.fake.lose(type_)

    def limit(self, type_: str, seconds: float) -> None:
        self.fake.fail(type_, Unavailable("Slack limits the rate.", retry_after_s=seconds))

    async def say(self, channel: str, user: str, text: str, thread_ts: str | None = None) -> str:
        return self.fake.say(channel, user, text, thread_ts=thread_ts)

    def delete(self, channel: str, ts: str) -> None:
        self.fake.delete(channel, ts)

    def messages(self, channel: str) -> list[dict[str, Any]]:
        return [m for m in self.fake.rooms[channel].messages if m["user"] == BOT_USER and "files" not in m]

    def files(self, channel: str) -> list[tuple[str, str, bytes]]:
        return [(f.name, f.title, f.content) for f in self.fake.files if f.channel == channel]

    def channels(self, prefix: str) -> list[str]:
        return sorted(room.name for room in self.fake.rooms.values() if room.name.startswith(prefix))

    def about(self, channel: str) -> tuple[str, str]:
        return self.fake.rooms[channel].topic, self.fake.rooms[channel].purpose

    def members(self, channel: str) -> set[str]:
        return self.fake.rooms[channel].members

    def bookmarks(self, channel: str) -> list[tuple[str, str]]:
        return self.fake.rooms[channel].bookmarks

    def whispered(self, user: str) -> list[str]:
        return [whisper.text for whisper in self.fake.whispers if whisper.user == user]

    def home(self, user: str) -> dict[str, Any] | None:
        return self.fake.homes.get(user)

    def is_archived(self, channel: str) -> bool:
        return self.fake.rooms[channel].archived


class SlackWorld:
    def __init__(self, workspace: LocalWorkspace, chat: SlackChat) -> None:
        self.workspace = workspace
        self.chat: Chat = chat

    def lose(self, type_: str) -> None:
        self.workspace.fault(METHODS[type_], "drop_response")

    def limit(self, type_: str, seconds: float) -> None:
        self.workspace.fault(METHODS[type_], "rate_limited", seconds=seconds)

    async def say(self, channel: str, user: str, text: str, thread_ts: str | None = None) -> str:
        body = {"user": user, "text": text}
        room = self.workspace.channel(channel)
        return str(messages.post(self.workspace.state, room, body, thread_ts=thread_ts)["ts"])

    def delete(self, channel: str, ts: str) -> None:
        messages.delete(self.workspace.state, self.workspace.channel(channel), ts)

    def messages(self, channel: str) -> list[dict[str, Any]]:
        found = self.workspace.channel(channel).messages.values()
        return [m for m in found if m.get("user") == self.workspace.state.bot_user and "subtype" not in m]

    def files(self, channel: str) -> list[tuple[str, str, bytes]]:
        stored = self.workspace.state.files.values()
        shown = [file for file in stored if channel in file.shape["channels"]]
        return [(file.shape["name"], file.shape["title"], file.content or b"") for file in shown]

    def channels(self, prefix: str) -> list[str]:
        return sorted(name for name in self.workspace.state.names if name.startswith(prefix))

    def about(self, channel: str) -> tuple[str, str]:
        room = self.workspace.channel(channel)
        return room.topic["value"], room.purpose["value"]

    def members(self, channel: str) -> set[str]:
        return set(self.workspace.channel(channel).members)

    def bookmarks(self, channel: str) -> list[tuple[str, str]]:
        return [(one["title"], one["link"]) for one in self.workspace.channel(channel).bookmarks]

    def whispered(self, user: str) -> list[str]:
        rooms = self.workspace.state.channels.values()
        return [m["text"] for room in rooms for m in room.ephemerals.get(user, {}).values()]

    def home(self, user: str) -> dict[str, Any] | None:
        return self.workspace.context.views.homes.get(user)

    def is_archived(self, channel: str) -> bool:
        return self.workspace.channel(channel).is_archived


@asynccontextmanager
async def slack_world(*, rate_limits: bool = False, **options: Any) -> AsyncIterator[SlackWorld]:
    """A workspace of its own and a chat on it."""
    async with LocalWorkspace(manifest=MANIFEST, port=0, rate_limits=rate_limits, **options) as workspace:
        client = make_client(workspace.bot_token, base_url=workspace.api_url)
        try:
            yield SlackWorld(workspace, SlackChat(client))
        finally:
            await close_client(client)


def seconds_of(error: PortError) -> float:
    assert isinstance(error, Unavailable)
    return error.retry_after_s
