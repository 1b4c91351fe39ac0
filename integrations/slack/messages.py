"""Messages: post, edit, whisper, find again, and read a channel's history."""

from datetime import UTC, datetime
from typing import Any

from bot.ports.chat import Done, HistoryMessage, Post, Whisper
from integrations.slack.api import Answer, Api
from integrations.slack.errors import SlackRefused
from integrations.slack.marks import key_of, metadata
from integrations.slack.rooms import Rooms

PAGE = 200
# A message in doubt is at most a few minutes old; this is how far back it is looked for.
FIND_PAGES = 15
# History for filling gaps: 40 pages are 8,000 messages of a channel, 25 pages 5,000 replies of a thread.
HISTORY_PAGES = 40
THREAD_PAGES = 25
# Reading a long channel may take more calls than a minute's allowance, so reading waits where Slack asks to.
HISTORY_PATIENCE_S = 90.0

# What Slack says when a message that is to be edited is not there any more (a deleted parent of a thread
# leaves a stone that belongs to Slackbot).
GONE = frozenset({"message_not_found", "cant_update_message"})
# What Slack says when a channel cannot be seen by the bot; then no message of the bot can be in it either.
UNSEEN = frozenset({"not_in_channel", "channel_not_found", "thread_not_found"})


class Messages:
    def __init__(self, api: Api, rooms: Rooms) -> None:
        self._api = api
        self._client = api.client
        self._rooms = rooms

    async def post(self, operation: Post, key: str) -> Done:
        """Post, or edit. An edit of a message that is gone posts it anew."""
        channel = operation.channel
        blocks = list(operation.blocks)
        if operation.ts is not None:
            try:
                answer = await self._api.write(
                    self._client.chat_update,
                    channel=channel,
                    ts=operation.ts,
                    text=operation.text,
                    blocks=blocks,
                    metadata=metadata(key),
                )
                return Done(channel=answer["channel"], ts=answer["ts"])
            except SlackRefused as refused:
                if refused.code not in GONE:
                    raise
        answer = await self._send(channel, operation.text, blocks, thread_ts=operation.thread_ts, key=key)
        return Done(channel=answer["channel"], ts=answer["ts"])

    async def _send(
        self, channel: str, text: str, blocks: list[dict[str, Any]], *, thread_ts: str | None, key: str
    ) -> Answer:
        return await self._rooms.inside(
            channel,
            lambda: self._api.write(
                self._client.chat_postMessage,
                channel=channel,
                text=text,
                blocks=blocks or None,
                thread_ts=thread_ts,
                metadata=metadata(key),
                unfurl_links=False,
                unfurl_media=False,
            ),
        )

    async def whisper(self, operation: Whisper, key: str) -> Done:
        """Tell one person; where that cannot be done in the channel, by direct message."""
        blocks = list(operation.blocks)
        channel = operation.channel
        try:
            answer = await self._api.write(
                self._client.chat_postEphemeral,
                channel=channel,
                user=operation.user,
                text=operation.text,
                blocks=blocks or None,
            )
            return Done(channel=channel, ts=answer["message_ts"])
        except SlackRefused as refused:
            if refused.code not in (
                "not_in_channel",
                "channel_not_found",
                "user_not_in_channel",
                "is_archived",
            ):
                raise
            note = f"Sent as a direct message: {refused}"
        direct = await self._rooms.resolve(operation.user)
        answer = await self._send(direct, operation.text, blocks, thread_ts=None, key=key)
        return Done(channel=answer["channel"], ts=answer["ts"], note=note)

    async def find(self, operation: Post, key: str) -> Done | None:
        """The message with this key. None for an edit whose message is still there: edit it again."""
        channel, ts = operation.channel, operation.ts
        try:
            if ts is not None and await self._is_there(channel, ts, operation.thread_ts):
                return None
            return await self._with_key(channel, operation.thread_ts, key)
        except SlackRefused as refused:
            if refused.code in UNSEEN:
                return None
            raise

    async def _is_there(self, channel: str, ts: str, thread_ts: str | None) -> bool:
        only: dict[str, Any] = {"oldest": ts, "latest": ts, "inclusive": True, "limit": 2}
        if thread_ts is None:
            answer = await self._api.read(self._client.conversations_history, channel=channel, **only)
        else:
            answer = await self._api.read(
                self._client.conversations_replies, channel=channel, ts=thread_ts, **only
            )
        return any(
            message["ts"] == ts and message.get("user") != "USLACKBOT" for message in answer["messages"]
        )

    async def _with_key(self, channel: str, thread_ts: str | None, key: str) -> Done | None:
        if thread_ts is None:
            pages = self._api.pages(
                self._client.conversations_history,
                most=FIND_PAGES,
                channel=channel,
                limit=PAGE,
                include_all_metadata=True,
            )
        else:
            pages = self._api.pages(
                self._client.conversations_replies,
                most=THREAD_PAGES,
                channel=channel,
                ts=thread_ts,
                limit=PAGE,
                include_all_metadata=True,
            )
        async for page in pages:
            for message in page["messages"]:
                if key_of(message) == key:
                    return Done(channel=channel, ts=message["ts"])
        return None

    async def history(self, channel: str, *, since_ts: str | None) -> tuple[HistoryMessage, ...]:
        since = since_ts or "0"
        found: dict[str, dict[str, Any]] = {}
        pages = self._api.pages(
            self._client.conversations_history,
            most=HISTORY_PAGES,
            patience_s=HISTORY_PATIENCE_S,
            channel=channel,
            limit=PAGE,
            include_all_metadata=True,
        )
        # A thread under an old message may have new replies, so old messages are looked at, too.
        async for page in pages:
            for message in page["messages"]:
                if _after(message["ts"], since):
                    found[message["ts"]] = message
                if message.get("reply_count") and _after(message.get("latest_reply", ""), since):
                    found |= await self._replies(channel, message["ts"], since)
        ordered = sorted(found.values(), key=lambda message: _stamp(message["ts"]))
        return tuple(HistoryMessage(ts=m["ts"], at=_when(m["ts"]), raw=m) for m in ordered)

    async def _replies(self, channel: str, thread_ts: str, since: str) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        pages = self._api.pages(
            self._client.conversations_replies,
            most=THREAD_PAGES,
            patience_s=HISTORY_PATIENCE_S,
            channel=channel,
            ts=thread_ts,
            oldest=since,
            limit=PAGE,
            include_all_metadata=True,
        )
        async for page in pages:
            for message in page["messages"]:
                if message["ts"] != thread_ts and _after(message["ts"], since):
                    found[message["ts"]] = message
        return found


def _stamp(ts: str) -> tuple[int, int]:
    """A ts as numbers: seconds and microseconds, without a float's rounding."""
    seconds, _, micros = ts.partition(".")
    return int(seconds or 0), int(micros.ljust(6, "0")[:6] or 0)


def _after(ts: str, since: str) -> bool:
    return _stamp(ts) > _stamp(since)


def _when(ts: str) -> datetime:
    seconds, micros = _stamp(ts)
    return datetime.fromtimestamp(seconds, tz=UTC).replace(microsecond=micros)
