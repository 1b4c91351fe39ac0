"""What is done in Slack, as data, so that it can be kept in an outbox, sent, looked for, and sent again.

`key` of an operation is unique and travels with it (message metadata) wherever Slack lets us find it again.
`blocks` and `view` are Block Kit as JSON. Channel and user ids are Slack's.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field, TypeAdapter

from bot.domain.base import UserId, Value

Blocks = tuple[dict[str, Any], ...]

INCIDENT_CHANNEL = "@incident"
"""In an operation's `channel`: the incident's own channel, once it has one."""
_THREAD = "@thread:"


def thread_of(lane: str, slot: str) -> str:
    """As the `thread_ts` of a post that goes below the message of another slot of the outbox, wherever that lands."""
    return f"{_THREAD}{lane}/{slot}"


def slot_of_thread(thread_ts: str | None) -> tuple[str, str] | None:
    """Lane and slot, where `thread_ts` is what `thread_of` gives; None for one of Slack's own."""
    if thread_ts is None or not thread_ts.startswith(_THREAD):
        return None
    lane, _, slot = thread_ts.removeprefix(_THREAD).rpartition("/")
    return lane, slot


class OpenChannel(Value):
    """Create a public channel. A taken name gets `-2`, `-3`, … appended. The result has `channel`, `name`."""

    type: Literal["open_channel"] = "open_channel"
    name: str
    purpose: str


class DescribeChannel(Value):
    """Set topic and purpose."""

    type: Literal["describe_channel"] = "describe_channel"
    channel: str
    topic: str
    purpose: str


class Invite(Value):
    """Invite people; those already in are no error, unknown ones are skipped and named in the result."""

    type: Literal["invite"] = "invite"
    channel: str
    users: tuple[UserId, ...]


class AddBookmark(Value):
    type: Literal["add_bookmark"] = "add_bookmark"
    channel: str
    title: str
    link: str


class Post(Value):
    """Post a message, or with `ts` edit that one in place. The result has `channel`, `ts`."""

    type: Literal["post"] = "post"
    channel: str
    text: str
    blocks: Blocks = ()
    thread_ts: str | None = None
    ts: str | None = None


class Whisper(Value):
    """A message that only `user` sees (ephemeral)."""

    type: Literal["whisper"] = "whisper"
    channel: str
    user: UserId
    text: str
    blocks: Blocks = ()


class Upload(Value):
    """Upload a file into a channel. `content_ref` names the content in the store. The result has `file`."""

    type: Literal["upload"] = "upload"
    channel: str
    filename: str
    title: str
    comment: str
    content_ref: str


class PublishHome(Value):
    type: Literal["publish_home"] = "publish_home"
    user: UserId
    view: dict[str, Any]


class ArchiveChannel(Value):
    type: Literal["archive_channel"] = "archive_channel"
    channel: str


Operation = Annotated[
    OpenChannel
    | DescribeChannel
    | Invite
    | AddBookmark
    | Post
    | Whisper
    | Upload
    | PublishHome
    | ArchiveChannel,
    Field(discriminator="type"),
]
_ADAPTER: TypeAdapter[Operation] = TypeAdapter(Operation)


def parse_operation(data: dict[str, Any]) -> Operation:
    """Raises pydantic.ValidationError."""
    return _ADAPTER.validate_python(data)


class Done(Value):
    """What came of an operation; `note` is a sentence where something was left out."""

    channel: str | None = None
    ts: str | None = None
    name: str | None = None
    file: str | None = None
    note: str = ""


class HistoryMessage(Value):
    """A message as history has it, for filling gaps. `raw` is Slack's message object."""

    ts: str
    at: datetime
    raw: dict[str, Any]


class Chat(Protocol):
    """All methods may raise Unavailable (with Slack's Retry-After), Refused, AuthFailed; writes OutcomeUnknown."""

    async def perform(self, operation: Operation, key: str, content: bytes | None = None) -> Done:
        """Do it once. Does not retry by itself."""
        ...

    async def find(self, operation: Operation, key: str) -> Done | None:
        """Whether an operation whose outcome is unknown has happened. None: it has not, it is safe to perform it."""
        ...

    async def history(self, channel: str, *, since_ts: str | None) -> tuple[HistoryMessage, ...]:
        """Everything in `channel` after `since_ts`, thread replies included, oldest first."""
        ...

    async def name_of(self, user: UserId) -> str:
        """A person's display name; the id itself where it cannot be found."""
        ...
