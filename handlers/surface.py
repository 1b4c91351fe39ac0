"""Where a person's request came from, and how they are answered: live, or after a restart."""

import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.catalog import Catalog
from bot.domain.base import Refusal
from bot.ports import Unavailable
from bot.ports.chat import Blocks, Operation, Post, Whisper
from bot.store import Store, StoreError
from bot.usecases.arming import Arming
from bot.usecases.closing import Closing
from bot.usecases.desk import Desk
from bot.usecases.home import Home
from bot.usecases.recorder import Recorder
from bot.usecases.stats import AllIncidents

_log = logging.getLogger(__name__)

Body = dict[str, Any]
_CHANNEL = re.compile(r"[CGD][A-Z0-9]+$")


class Surface(Protocol):
    """What a handler may do to Slack: an answer that only the person sees, and a modal."""

    async def reply(self, text: str, blocks: Blocks = ()) -> None: ...

    async def open_modal(self, view: dict[str, Any]) -> None: ...


Handler = Callable[[Body, Surface, int | None], Awaitable[None]]
"""Takes the request as Slack sent it, where to answer, and its inbox row."""


@dataclass(frozen=True)
class Rooms:
    """The use cases that handlers call."""

    store: Store
    catalog: Catalog
    desk: Desk
    arming: Arming
    closing: Closing
    recorder: Recorder
    home: Home
    all_incidents: AllIncidents


class LiveSurface:
    """Answers through the request's own `respond` and trigger. Raises where Slack did not take the answer."""

    def __init__(self, respond: Any, client: AsyncWebClient, body: Body) -> None:
        self._respond = respond
        self._client = client
        self._trigger = str(body.get("trigger_id", ""))

    async def reply(self, text: str, blocks: Blocks = ()) -> None:
        answer = await self._respond(
            text=text, blocks=list(blocks) or None, response_type="ephemeral", replace_original=False
        )
        if answer.status_code != HTTPStatus.OK:
            raise Unavailable(f"Slack did not take an answer (HTTP {answer.status_code}).")

    async def open_modal(self, view: dict[str, Any]) -> None:
        try:
            await self._client.views_open(trigger_id=self._trigger, view=view)
        except SlackApiError as error:
            if error.response.get("error") not in (
                "expired_trigger_id",
                "trigger_expired",
                "trigger_exchanged",
            ):
                raise
            raise Refusal(
                "That took too long and Slack did not open the form. Please do it once more."
            ) from error


class FormSurface:
    """A form is answered in the form. What is more than that goes to its person, through the outbox."""

    def __init__(self, rooms: Rooms, client: AsyncWebClient, body: Body) -> None:
        self._rooms = rooms
        self._client = client
        self._body = body

    async def reply(self, text: str, blocks: Blocks = ()) -> None:
        """Where the form was asked for; the picker alone knows that. Else in the person's own conversation."""
        user, view = user_of(self._body), self._body["view"]
        channel = (
            str(view.get("private_metadata", ""))
            if _CHANNEL.match(view.get("private_metadata", ""))
            else None
        )
        await whisper(self._rooms, f"form-{view['id']}", user, channel, text=text, blocks=blocks)

    async def open_modal(self, view: dict[str, Any]) -> None:
        await self._client.views_open(trigger_id=self._body["trigger_id"], view=view)


class SilentSurface:
    """For what nobody waits for an answer to, such as a look at the Home tab: what there is to say is logged."""

    async def reply(self, text: str, blocks: Blocks = ()) -> None:  # noqa: ARG002 - the protocol's
        _log.warning("a request that is not answered: %s", text)

    async def open_modal(self, view: dict[str, Any]) -> None:
        raise NotImplementedError


class SureSurface:
    """Answers as `surface` does, and where that fails through the outbox: an answer never fails the request."""

    def __init__(self, rooms: Rooms, surface: Surface, body: Body, key: str) -> None:
        self._rooms = rooms
        self._surface = surface
        self._body = body
        self._key = key

    async def reply(self, text: str, blocks: Blocks = ()) -> None:
        try:
            await self._surface.reply(text, blocks)
        except Exception as error:  # noqa: BLE001 - logged, and said in another way
            _log.warning("The answer %s did not arrive; it goes through the outbox: %r", self._key, error)
            await self._later(text, blocks)

    async def open_modal(self, view: dict[str, Any]) -> None:
        await self._surface.open_modal(view)

    async def _later(self, text: str, blocks: Blocks) -> None:
        user = user_of(self._body)
        if not user:
            return
        try:
            await whisper(self._rooms, self._key, user, channel_of(self._body), text=text, blocks=blocks)
        except StoreError:
            _log.exception("The answer %s is lost: the outbox cannot be used either.", self._key)


class LaterSurface:
    """Answers a request that was written down before a restart."""

    def __init__(self, rooms: Rooms, body: Body, inbox_id: int) -> None:
        self._rooms = rooms
        self._key = f"replay-{inbox_id}"
        self._user = user_of(body)
        self._channel = channel_of(body)

    async def reply(self, text: str, blocks: Blocks = ()) -> None:
        await whisper(self._rooms, self._key, self._user, self._channel, text=text, blocks=blocks)

    async def open_modal(self, view: dict[str, Any]) -> None:
        title = view.get("title", {}).get("text", "the form")
        await self.reply(f"kaeru was restarting when you asked for “{title}”. Please do it once more.")


async def whisper(
    rooms: Rooms, key: str, user: str, channel: str | None, *, text: str, blocks: Blocks = ()
) -> None:
    """Say something to one person, through the outbox: in `channel` for their eyes only, or in their own."""
    operation: Operation = (
        Post(channel=user, text=text, blocks=blocks)
        if channel is None
        else Whisper(channel=channel, user=user, text=text, blocks=blocks)
    )
    await rooms.store.write(lambda uow: uow.outbox.put(f"whisper:{user}", key, operation))
    rooms.desk.wake()


def user_of(body: Body) -> str:
    return str(body.get("user_id") or (body.get("user") or {}).get("id", ""))


def channel_of(body: Body) -> str | None:
    """Where it was typed or clicked; None in a modal or on the Home tab."""
    found = body.get("channel_id") or (body.get("channel") or {}).get("id")
    return str(found) if found else None
