"""Channels: open, find, describe, fill, archive."""

import html
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from bot.domain.base import UserId
from bot.domain.prose import is_slack_user
from bot.ports.chat import AddBookmark, DescribeChannel, Done, Invite, OpenChannel
from bot.ports.errors import OutcomeUnknown, Refused, Unavailable
from integrations.slack.api import Answer, Api
from integrations.slack.errors import SlackRefused
from integrations.slack.marks import cut, reference, reference_in, with_reference

_log = logging.getLogger(__name__)

MAX_NAME = 80
MAX_TOPIC = 250
# How many channels of one name there may be, and how many pages of how many channels are looked through.
NAMES = 30
PAGES = 20
PAGE = 500
# A channel of ours without a purpose is one whose creator crashed before setting it. Older ones were emptied
# by people.
ORPHAN_S = 24 * 3600.0
INVITE_AT_ONCE = 100

_CHANNEL = re.compile(r"[CDG][A-Z0-9]+")

# What Slack says of one person while the others could be invited.
_THERE = frozenset({"already_in_channel", "cant_invite_self"})
_NOT_INVITABLE = {
    "user_not_found": "unknown in this workspace",
    "cant_invite": "cannot be invited",
    "user_is_restricted": "a guest who cannot be invited",
    "user_is_ultra_restricted": "a guest who cannot be invited",
    "ura_max_channels": "a guest in as many channels as allowed",
    "user_disabled": "deactivated",
    "users_not_found": "unknown in this workspace",
    "invitee_cant_see_channel": "in another workspace",
}


def names_for(name: str) -> Iterator[str]:
    """`name`, then `name-2`, `name-3`, …, each within Slack's length."""
    yield name[:MAX_NAME]
    for number in range(2, NAMES + 1):
        suffix = f"-{number}"
        yield name[: MAX_NAME - len(suffix)] + suffix


class Rooms:
    """All of it for one client. `clock` gives Unix seconds."""

    def __init__(self, api: Api, *, clock: Callable[[], float] = time.time) -> None:
        self._api = api
        self._client = api.client
        self._clock = clock
        self._ids: dict[str, str] = {}

    async def resolve(self, channel: str) -> str:
        """A channel's id, where it may be given by its name or, for direct messages, by a person's id.

        Asked once; the id stays the same when the channel is renamed. Raises Refused for an unknown name.
        """
        if _CHANNEL.fullmatch(channel):
            return channel
        if channel not in self._ids:
            find = self._direct if is_slack_user(channel) else self._named
            self._ids[channel] = await find(channel)
        return self._ids[channel]

    async def _direct(self, user: UserId) -> str:
        # Opening a conversation that is open already changes nothing, so a lost answer loses nothing.
        answer = await self._api.read(self._client.conversations_open, users=user)
        return str(answer["channel"]["id"])

    async def _named(self, channel: str) -> str:
        name = channel.removeprefix("#")
        pages = self._api.pages(
            self._client.conversations_list,
            most=PAGES,
            types="public_channel",
            exclude_archived=False,
            limit=PAGE,
        )
        async for page in pages:
            for one in page["channels"]:
                if one["name"] == name:
                    return str(one["id"])
        raise Refused(
            f"The public channel #{name} does not exist.",
            remedy="Create it, correct its name in kaeru.yml, or give its id there.",
        )

    async def inside(self, channel: str, call: Callable[[], Awaitable[Answer]]) -> Answer:
        """Do `call`; where the bot is not in the (public) channel yet, join it and do it then."""
        try:
            return await call()
        except SlackRefused as refused:
            if refused.code != "not_in_channel":
                raise
            try:
                await self._api.read(self._client.conversations_join, channel=channel)
            except SlackRefused:
                raise refused from None
            return await call()

    async def open(self, operation: OpenChannel, key: str) -> Done:
        for name in names_for(operation.name):
            try:
                answer = await self._api.write(self._client.conversations_create, name=name)
            except SlackRefused as refused:
                if refused.code != "name_taken":
                    raise
                continue
            channel = answer["channel"]
            return await self._mark(channel["id"], channel["name"], operation, key)
        raise Refused(
            f"#{operation.name} and its {NAMES - 1} followers are all taken.",
            remedy="Rename or delete old channels in Slack.",
        )

    async def _mark(self, channel: str, name: str, operation: OpenChannel, key: str) -> Done:
        """Write the reference into the purpose, so that the channel can be found again."""
        purpose = with_reference(operation.purpose, reference(key))
        note = ""
        try:
            await self._api.write(self._client.conversations_setPurpose, channel=channel, purpose=purpose)
        except Unavailable as error:
            # The channel is there, so this is not "nothing was changed".
            raise OutcomeUnknown(f"#{name} was created, its purpose is not set yet. {error}") from error
        except Refused as refused:
            _log.warning("The purpose of #%s could not be set. %s", name, refused.advice)
            note = f"The purpose could not be set. {refused.advice}"
        return Done(channel=channel, name=name, note=note)

    async def find(self, operation: OpenChannel, key: str) -> Done | None:
        """A channel that this very operation created: by its reference, or else new, ours and still bare."""
        ref, names, bot = reference(key), frozenset(names_for(operation.name)), await self._api.bot_user()
        bare: dict[str, Any] | None = None
        pages = self._api.pages(
            self._client.users_conversations,
            most=PAGES,
            types="public_channel",
            exclude_archived=False,
            limit=PAGE,
        )
        async for page in pages:
            for channel in page["channels"]:
                if channel.get("creator") != bot:
                    continue
                purpose = html.unescape((channel.get("purpose") or {}).get("value") or "")
                if reference_in(purpose) == ref:
                    return Done(channel=channel["id"], name=channel["name"])
                young = self._clock() - float(channel.get("created") or 0) < ORPHAN_S
                if not purpose and young and channel["name"] in names:
                    bare = channel
        if bare is None:
            return None
        try:
            return await self._mark(bare["id"], bare["name"], operation, key)
        except OutcomeUnknown as error:
            raise Unavailable(str(error)) from error

    async def describe(self, operation: DescribeChannel) -> Done:
        """Set what differs; every change leaves a notice in the channel. Keeps the purpose's reference."""
        channel = operation.channel
        about = (await self._api.read(self._client.conversations_info, channel=channel))["channel"]
        topic = html.unescape((about.get("topic") or {}).get("value") or "")
        purpose = html.unescape((about.get("purpose") or {}).get("value") or "")
        wanted_topic = cut(operation.topic, MAX_TOPIC)
        wanted_purpose = with_reference(operation.purpose, reference_in(purpose))
        write, client = self._api.write, self._client
        if topic != wanted_topic:
            await self.inside(
                channel, lambda: write(client.conversations_setTopic, channel=channel, topic=wanted_topic)
            )
        if purpose != wanted_purpose:
            await self.inside(
                channel,
                lambda: write(client.conversations_setPurpose, channel=channel, purpose=wanted_purpose),
            )
        return Done(channel=channel)

    async def invite(self, operation: Invite) -> Done:
        bot = await self._api.bot_user()
        users = [user for user in dict.fromkeys(operation.users) if user != bot]
        left_out: dict[UserId, str] = {}
        for start in range(0, len(users), INVITE_AT_ONCE):
            left_out |= await self._invite(operation.channel, users[start : start + INVITE_AT_ONCE])
        if not left_out:
            return Done(channel=operation.channel)
        named = ", ".join(f"{user} ({why})" for user, why in left_out.items())
        return Done(channel=operation.channel, note=f"Not invited: {named}.")

    async def _invite(self, channel: str, users: list[UserId]) -> dict[UserId, str]:
        """Invite all who can be. Returns the others with the reason."""
        left_out: dict[UserId, str] = {}
        pending = users
        while pending:
            asked = pending

            async def call(people: list[UserId] = asked) -> Answer:
                return await self._api.write(
                    self._client.conversations_invite, channel=channel, users=people, force=True
                )

            try:
                errors = (await self.inside(channel, call)).get("errors") or []
                pending = []
            except SlackRefused as refused:
                errors = refused.answer.get("errors") or []
                if not errors and len(pending) > 1 and _is_personal(refused.code):
                    # Slack does not say who: ask one by one.
                    for user in pending:
                        left_out |= await self._invite(channel, [user])
                    return left_out
                errors = errors or [{"user": pending[0], "error": refused.code}]
                if not all(_is_personal(str(one.get("error"))) for one in errors):
                    raise
                named = {one.get("user") for one in errors}
                pending = [user for user in pending if user not in named]
                if len(pending) == len(asked):
                    raise
            left_out |= {
                str(one["user"]): _NOT_INVITABLE.get(str(one["error"]), str(one["error"]))
                for one in errors
                if one.get("user") and one.get("error") not in _THERE
            }
        return left_out

    async def bookmark(self, operation: AddBookmark) -> Done:
        channel = operation.channel
        await self.inside(
            channel,
            lambda: self._api.write(
                self._client.bookmarks_add,
                channel_id=channel,
                title=operation.title,
                type="link",
                link=operation.link,
            ),
        )
        return Done(channel=channel)

    async def find_bookmark(self, operation: AddBookmark) -> Done | None:
        answer = await self._api.read(self._client.bookmarks_list, channel_id=operation.channel)
        for one in answer["bookmarks"]:
            if (html.unescape(one["title"]), html.unescape(one["link"])) == (operation.title, operation.link):
                return Done(channel=operation.channel)
        return None

    async def archive(self, channel: str) -> Done:
        try:
            await self.inside(
                channel, lambda: self._api.write(self._client.conversations_archive, channel=channel)
            )
        except SlackRefused as refused:
            if refused.code not in ("already_archived", "is_archived"):
                raise
        return Done(channel=channel)


def _is_personal(code: str) -> bool:
    """Whether an error is about one invited person rather than about the channel or the bot."""
    return code in _THERE or code in _NOT_INVITABLE
