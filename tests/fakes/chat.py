"""A chat in memory that keeps Slack's promises: the same contract tests run against it and against Slack."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, assert_never

from bot.domain.base import UserId
from bot.ports.chat import (
    AddBookmark,
    ArchiveChannel,
    DescribeChannel,
    Done,
    HistoryMessage,
    Invite,
    OpenChannel,
    Operation,
    Post,
    PublishHome,
    Upload,
    Whisper,
)
from bot.ports.errors import OutcomeUnknown, PortError, Refused

BOT_USER = "U0KAERU"
PEOPLE = {"U0ALICE": "alice", "U0BOB": "bob", "U0CAROL": "carol", "U0DAN": "dan"}
CHANNELS = {"C0GENERAL": "general", "C0DEPLOYS": "deploys", "C0INCIDENTS": "incidents"}


@dataclass
class Room:
    """A channel. `messages` are Slack's message objects, oldest first, thread replies among them."""

    id: str
    name: str
    topic: str = ""
    purpose: str = ""
    key: str = ""
    archived: bool = False
    members: set[UserId] = field(default_factory=set)
    bookmarks: list[tuple[str, str]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class File:
    id: str
    channel: str
    name: str
    title: str
    content: bytes
    key: str


class FakeChat:
    """Implements `bot.ports.chat.Chat`.

    `performed` lists every operation that took effect, with its key. Faults are asked for beforehand, by the
    operation's `type` or `*`: `fail` raises before anything happens, `lose` lets it happen and loses the answer.
    """

    def __init__(
        self, *, people: Mapping[UserId, str] = PEOPLE, channels: Mapping[str, str] = CHANNELS
    ) -> None:
        self.people = dict(people)
        self.rooms = {
            id_: Room(id_, name, members=set(people) | {BOT_USER}) for id_, name in channels.items()
        }
        self.files: list[File] = []
        self.homes: dict[UserId, dict[str, Any]] = {}
        self.whispers: list[Whisper] = []
        self.performed: list[tuple[Operation, str]] = []
        self._serial = count(1)
        self._failures: defaultdict[str, list[PortError]] = defaultdict(list)
        self._losses: defaultdict[str, int] = defaultdict(int)

    # What tests arrange and look at.

    def fail(self, type_: str, error: PortError, *, times: int = 1) -> None:
        self._failures[type_] += [error] * times

    def lose(self, type_: str, *, times: int = 1) -> None:
        self._losses[type_] += times

    def room(self, name_or_id: str) -> Room:
        """Raises LookupError."""
        for room in self.rooms.values():
            if name_or_id in (room.id, room.name):
                return room
        raise LookupError(f"There is no channel {name_or_id}.")

    def say(self, channel: str, user: UserId, text: str, *, thread_ts: str | None = None) -> str:
        """A person writes. Returns the ts."""
        message: dict[str, Any] = {"type": "message", "user": user, "text": text}
        return self._append(self.rooms[channel], message, thread_ts)

    def delete(self, channel: str, ts: str) -> None:
        room = self.rooms[channel]
        room.messages = [message for message in room.messages if message["ts"] != ts]

    def said(self, channel: str) -> list[str]:
        """The texts of the bot's messages."""
        return [m["text"] for m in self.rooms[channel].messages if m["user"] == BOT_USER]

    # The port.

    async def perform(self, operation: Operation, key: str, content: bytes | None = None) -> Done:
        for type_ in (operation.type, "*"):
            if self._failures[type_]:
                raise self._failures[type_].pop(0)
        done = self._perform(operation, key, content)
        self.performed.append((operation, key))
        for type_ in (operation.type, "*"):
            if self._losses[type_] > 0:
                self._losses[type_] -= 1
                raise OutcomeUnknown(f"The answer to {operation.type} got lost.")
        return done

    async def find(self, operation: Operation, key: str) -> Done | None:
        match operation:
            case OpenChannel():
                rooms = [room for room in self.rooms.values() if room.key == key]
                return Done(channel=rooms[0].id, name=rooms[0].name) if rooms else None
            case AddBookmark(channel=channel, title=title, link=link):
                there = (title, link) in self._writable(channel).bookmarks
                return Done(channel=channel) if there else None
            case Post():
                return self._find_message(operation, key)
            case Upload():
                files = [file for file in self.files if file.key == key]
                return Done(channel=files[0].channel, file=files[0].id) if files else None
            case _:
                return None

    async def history(self, channel: str, *, since_ts: str | None) -> tuple[HistoryMessage, ...]:
        messages = [m for m in self._known(channel).messages if since_ts is None or m["ts"] > since_ts]
        return tuple(
            HistoryMessage(ts=m["ts"], at=datetime.fromtimestamp(int(m["ts"][:10]), tz=UTC), raw=m)
            for m in messages
        )

    async def name_of(self, user: UserId) -> str:
        return self.people.get(user, user)

    # How it is done.

    def _perform(self, operation: Operation, key: str, content: bytes | None) -> Done:  # noqa: C901, PLR0911 - one case per operation
        match operation:
            case OpenChannel():
                return self._open(operation, key)
            case DescribeChannel():
                room = self._writable(operation.channel)
                room.topic, room.purpose = operation.topic, operation.purpose
                return Done(channel=room.id)
            case Invite():
                return self._invite(operation)
            case AddBookmark():
                self._writable(operation.channel).bookmarks.append((operation.title, operation.link))
                return Done(channel=operation.channel)
            case Post():
                return self._post(operation, key)
            case Whisper():
                self._writable(operation.channel)
                self.whispers.append(operation)
                return Done(channel=operation.channel, ts=self._ts())
            case Upload():
                if not content:
                    raise Refused(f"{operation.filename} is empty, and Slack takes no empty files.")
                room = self._writable(operation.channel)
                file = File(
                    f"F{next(self._serial)}", room.id, operation.filename, operation.title, content, key
                )
                self.files.append(file)
                message = {"user": BOT_USER, "text": operation.comment, "files": [{"id": file.id}]}
                return Done(channel=room.id, file=file.id, ts=self._append(room, message, None))
            case PublishHome():
                self.homes[operation.user] = operation.view
                return Done()
            case ArchiveChannel():
                self._known(operation.channel).archived = True
                return Done(channel=operation.channel)
            case _:
                assert_never(operation)

    def _open(self, operation: OpenChannel, key: str) -> Done:
        taken = {room.name for room in self.rooms.values()}
        name = operation.name
        number = 1
        while name in taken:
            number += 1
            name = f"{operation.name}-{number}"
        room = Room(
            f"C0NEW{next(self._serial)}", name, purpose=operation.purpose, key=key, members={BOT_USER}
        )
        self.rooms[room.id] = room
        return Done(channel=room.id, name=name)

    def _invite(self, operation: Invite) -> Done:
        room = self._writable(operation.channel)
        unknown = [user for user in operation.users if user not in self.people and user != BOT_USER]
        room.members |= set(operation.users) & set(self.people)
        note = f"Not invited: {', '.join(f'{user} (unknown)' for user in unknown)}." if unknown else ""
        return Done(channel=room.id, note=note)

    def _post(self, operation: Post, key: str) -> Done:
        room = self._writable(operation.channel)
        body = {
            "type": "message",
            "user": BOT_USER,
            "text": operation.text,
            "blocks": list(operation.blocks),
            "metadata": {"event_type": "kaeru", "event_payload": {"key": key}},
        }
        for message in room.messages:
            if message["ts"] == operation.ts:
                message.update(body)
                return Done(channel=room.id, ts=message["ts"])
        return Done(channel=room.id, ts=self._append(room, body, operation.thread_ts))

    def _find_message(self, operation: Post, key: str) -> Done | None:
        for message in self._known(operation.channel).messages:
            if message["ts"] == operation.ts:
                return None
            if message.get("metadata", {}).get("event_payload", {}).get("key") == key:
                return Done(channel=self._known(operation.channel).id, ts=message["ts"])
        return None

    def _known(self, channel: str) -> Room:
        if channel in self.people:
            self.rooms.setdefault(channel, Room(channel, f"@{self.people[channel]}"))
        try:
            return self.room(channel.removeprefix("#"))
        except LookupError as error:
            raise Refused("This channel does not exist.", remedy="Check its id.") from error

    def _writable(self, channel: str) -> Room:
        room = self._known(channel)
        if room.archived:
            raise Refused("This channel is archived.", remedy="Unarchive it, or name another channel.")
        return room

    def _append(self, room: Room, message: dict[str, Any], thread_ts: str | None) -> str:
        ts = self._ts()
        room.messages.append({**message, "ts": ts, **({"thread_ts": thread_ts} if thread_ts else {})})
        return ts

    def _ts(self) -> str:
        return f"1795521600.{next(self._serial):06d}"
