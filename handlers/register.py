"""Every listener, in one place. Each acknowledges at once (forms: after they were checked) and then attends.

Bolt runs listeners concurrently and acknowledges events by itself, so everything was written to the inbox
before (handlers/inbox.py). It asks each listener in turn whether a request is for it: hence one per kind.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext
from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.base import Refusal
from bot.domain.prose import plain
from bot.ports import PortError
from bot.views.ids import Action, Modal, Shortcut, pattern
from handlers.acks import Acks
from handlers.actions import ButtonClick
from handlers.attend import attend
from handlers.forms import SHOWN_UNDER, FormSubmission
from handlers.inbox import ACTION, COMMAND, INBOX_ID, SHORTCUT, VIEW, Inbox
from handlers.incident import IncidentCommand
from handlers.intake import Intake
from handlers.rollback import RollbackCommand
from handlers.shortcuts import TimelineShortcut
from handlers.surface import Body, FormSurface, Handler, LiveSurface, Rooms, SilentSurface, Surface

Tasks = set["asyncio.Task[Any]"]

_ANYTHING = re.compile("")


class Handlers:
    """The handlers of interactive requests by kind, for live requests and for those found after a restart."""

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms
        self.rollback = RollbackCommand(rooms)
        self.incident = IncidentCommand(rooms)
        self.click = ButtonClick(rooms)
        self.form = FormSubmission(rooms, self.rollback)
        self.shortcut = TimelineShortcut(rooms)

    def of(self, kind: str, body: Body) -> Handler:
        """Who carries it out; `unknown` where nobody does."""
        if kind == COMMAND:
            commands: dict[str, Handler] = {"/rollback": self.rollback, "/incident": self.incident}
            return commands.get(str(body.get("command")), self.unknown)
        if kind == ACTION:
            clicked = str(body["actions"][0]["action_id"]).partition(":")[0]
            return self.click if clicked in set(Action) else self.unknown
        if kind == VIEW:
            return self.form if body["view"]["callback_id"] in set(Modal) else self.unknown
        if kind == SHORTCUT:
            return self.shortcut if body.get("callback_id") in set(Shortcut) else self.unknown
        return self.unknown

    async def home(self, body: Body, _surface: Surface, inbox_id: int | None) -> None:
        """Somebody looks at the Home tab."""
        event = body["event"]
        if event.get("tab", "home") == "home":
            await self.rooms.home.show(str(event["user"]), inbox_id=inbox_id)

    async def unknown(self, body: Body, _surface: Surface, _inbox_id: int | None) -> None:
        """What Slack sends and this version does not know: an app made with another manifest, or an old button."""
        what = str(body.get("command") or "what you pressed")
        raise Refusal(
            f"kaeru does not know {what}, and nothing was done. It knows `/rollback help` and `/incident help`; "
            "if the app was made for another version of kaeru, give it this version's manifest.yml."
        )


def register(app: AsyncApp, handlers: Handlers, tasks: Tasks, acks: Acks) -> None:
    """Attach everything to `app`. `tasks` collects what is under way, so that shutdown can wait for it."""
    rooms = handlers.rooms
    app.use(Inbox(Intake(rooms.store), rooms.recorder.wake))

    def listener(handler: Handler) -> Callable[..., Awaitable[None]]:
        async def listen(
            ack: AsyncAck, body: Body, context: AsyncBoltContext, respond: Any, client: AsyncWebClient
        ) -> None:
            with _under_way(tasks):
                await ack()
                await acks.first()
                surface = LiveSurface(respond, client, body)
                await attend(rooms, handler, body, surface, context.get(INBOX_ID))

        return listen

    app.command("/rollback")(listener(handlers.rollback))
    app.command("/incident")(listener(handlers.incident))
    app.action(_any_of(pattern(action).pattern for action in Action))(listener(handlers.click))
    app.shortcut(Shortcut.TIMELINE_ADD.value)(listener(handlers.shortcut))
    app.view(_any_of(f"^{re.escape(modal.value)}$" for modal in Modal))(_form_listener(handlers, tasks))
    app.event("app_home_opened")(_home_listener(handlers, tasks))
    # Asked last. Without them what nobody knows would stay in the inbox, and its person without an answer.
    app.command(_ANYTHING)(listener(handlers.unknown))
    app.action(_ANYTHING)(listener(handlers.unknown))
    app.shortcut(_ANYTHING)(listener(handlers.unknown))
    app.view(_ANYTHING)(_unknown_form_listener(handlers, tasks))


def _any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


def _form_listener(handlers: Handlers, tasks: Tasks) -> Callable[..., Awaitable[None]]:
    async def listen(ack: AsyncAck, body: Body, context: AsyncBoltContext, client: AsyncWebClient) -> None:
        surface = FormSurface(handlers.rooms, client, body)

        async def checked(form: Body, _surface: Any, inbox_id: int | None) -> None:
            try:
                await handlers.form(form, surface, inbox_id)
            except (Refusal, PortError) as error:
                sentence = error.advice if isinstance(error, PortError) else str(error)
                field = SHOWN_UNDER[Modal(form["view"]["callback_id"])]
                # A form shows plain text: names instead of mentions.
                named = plain(sentence, handlers.rooms.catalog.people)
                await ack(response_action="errors", errors={field.value: named})
            else:
                await ack()

        with _under_way(tasks):
            await attend(handlers.rooms, checked, body, surface, context.get(INBOX_ID))

    return listen


@contextmanager
def _under_way(tasks: Tasks) -> Iterator[None]:
    """Bolt runs each listener in a task of its own and does not wait for it at the end: we do."""
    task = asyncio.current_task()
    if task is None:
        yield
        return
    tasks.add(task)
    try:
        yield
    finally:
        tasks.discard(task)


def _unknown_form_listener(handlers: Handlers, tasks: Tasks) -> Callable[..., Awaitable[None]]:
    async def listen(ack: AsyncAck, body: Body, context: AsyncBoltContext, client: AsyncWebClient) -> None:
        with _under_way(tasks):
            await ack()
            surface = FormSurface(handlers.rooms, client, body)
            await attend(handlers.rooms, handlers.unknown, body, surface, context.get(INBOX_ID))

    return listen


def _home_listener(handlers: Handlers, tasks: Tasks) -> Callable[..., Awaitable[None]]:
    async def listen(body: Body, context: AsyncBoltContext) -> None:
        with _under_way(tasks):
            await attend(handlers.rooms, handlers.home, body, SilentSurface(), context.get(INBOX_ID))

    return listen
