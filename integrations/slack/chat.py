"""The Chat port on Slack's Web API."""

import time
from collections.abc import Callable
from typing import assert_never

from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.base import UserId
from bot.domain.prose import is_slack_user
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
from integrations.slack.api import Api
from integrations.slack.errors import SlackRefused
from integrations.slack.messages import Messages
from integrations.slack.rooms import Rooms
from integrations.slack.uploads import Uploads


class SlackChat:
    """Implements `bot.ports.chat.Chat`. The client must have no retry handlers; `make_client` gives one.

    `clock` gives Unix seconds; `share_wait_s` is how long an upload waits to appear in its channel.
    """

    def __init__(
        self, client: AsyncWebClient, *, clock: Callable[[], float] = time.time, share_wait_s: float = 10.0
    ) -> None:
        if client.retry_handlers:
            raise ValueError(
                "Give SlackChat a client without retry handlers: they send again what has arrived."
            )
        self._api = Api(client)
        self._rooms = Rooms(self._api, clock=clock)
        self._messages = Messages(self._api, self._rooms)
        self._uploads = Uploads(self._api, self._rooms, share_wait_s=share_wait_s)
        self._names: dict[UserId, str] = {}

    async def perform(self, operation: Operation, key: str, content: bytes | None = None) -> Done:  # noqa: PLR0911 - one line per operation
        """One attempt. Raises Unavailable, Refused, AuthFailed, OutcomeUnknown."""
        operation = await self._placed(operation)
        match operation:
            case OpenChannel():
                return await self._rooms.open(operation, key)
            case DescribeChannel():
                return await self._rooms.describe(operation)
            case Invite():
                return await self._rooms.invite(operation)
            case AddBookmark():
                return await self._rooms.bookmark(operation)
            case Post():
                return await self._messages.post(operation, key)
            case Whisper():
                return await self._messages.whisper(operation, key)
            case Upload():
                return await self._uploads.upload(operation, key, content or b"")
            case PublishHome():
                await self._api.write(
                    self._api.client.views_publish, user_id=operation.user, view=operation.view
                )
                return Done()
            case ArchiveChannel():
                return await self._rooms.archive(operation.channel)
            case _:
                assert_never(operation)

    async def find(self, operation: Operation, key: str) -> Done | None:
        """Whether it has happened. None also for what can be done twice without harm, and for a whisper."""
        operation = await self._placed(operation)
        match operation:
            case OpenChannel():
                return await self._rooms.find(operation, key)
            case AddBookmark():
                return await self._rooms.find_bookmark(operation)
            case Post():
                return await self._messages.find(operation, key)
            case Upload():
                return await self._uploads.find(operation, key)
            case DescribeChannel() | Invite() | PublishHome() | ArchiveChannel() | Whisper():
                return None
            case _:
                assert_never(operation)

    async def history(self, channel: str, *, since_ts: str | None) -> tuple[HistoryMessage, ...]:
        """Reads the channel's last 8,000 messages and every thread of theirs that has something new."""
        return await self._messages.history(await self._rooms.resolve(channel), since_ts=since_ts)

    async def name_of(self, user: UserId) -> str:
        """A person's display name, asked once; ids that are not Slack's are their own names."""
        if user not in self._names:
            self._names[user] = await self._ask_name(user)
        return self._names[user]

    async def _placed(self, operation: Operation) -> Operation:
        """The operation with its channel's id in place of a name or a person."""
        if isinstance(operation, (OpenChannel, PublishHome)):
            return operation
        channel = await self._rooms.resolve(operation.channel)
        return (
            operation if channel == operation.channel else operation.model_copy(update={"channel": channel})
        )

    async def _ask_name(self, user: UserId) -> str:
        if not is_slack_user(user):
            return user
        try:
            person = (await self._api.read(self._api.client.users_info, user=user))["user"]
        except SlackRefused:
            return user
        profile = person.get("profile") or {}
        names = (
            profile.get("display_name"),
            profile.get("real_name"),
            person.get("real_name"),
            person.get("name"),
        )
        return next((str(name) for name in names if name), user)
