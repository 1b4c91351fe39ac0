"""A real Bolt app on a local workspace, over real Socket Mode: what the workspace's own tests drive."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.workspace import LocalWorkspace, Person
from sandbox.workspace.manifest import Manifest, parse

Json = dict[str, Any]

SCOPES = [
    "app_mentions:read", "bookmarks:read", "bookmarks:write", "channels:history", "channels:join", "channels:manage",
    "channels:read", "chat:write", "commands", "files:read", "files:write", "im:history", "im:read", "im:write",
    "reactions:read", "reactions:write", "users:read",
]  # fmt: skip
EVENTS = [
    "app_home_opened", "app_mention", "channel_archive", "channel_rename", "channel_unarchive", "member_joined_channel",
    "member_left_channel", "message.channels", "message.im", "reaction_added", "reaction_removed",
]  # fmt: skip


def manifest(*, without_scopes: tuple[str, ...] = (), without_events: tuple[str, ...] = ()) -> Manifest:
    return parse(
        {
            "display_information": {"name": "kaeru"},
            "features": {
                "app_home": {"home_tab_enabled": True},
                "bot_user": {"display_name": "kaeru"},
                "slash_commands": [
                    {
                        "command": "/rollback",
                        "description": "Back",
                        "usage_hint": "myapp",
                        "should_escape": True,
                    },
                    {"command": "/plain", "description": "Unescaped"},
                ],
                "shortcuts": [
                    {"type": "message", "name": "Note it", "callback_id": "note", "description": "d"},
                    {"type": "global", "name": "Start", "callback_id": "start", "description": "d"},
                ],
            },
            "oauth_config": {"scopes": {"bot": [scope for scope in SCOPES if scope not in without_scopes]}},
            "settings": {
                "event_subscriptions": {"bot_events": [one for one in EVENTS if one not in without_events]},
                "interactivity": {"is_enabled": True},
            },
        }
    )


@dataclass
class Bot:
    """`envelopes` are the bodies Bolt got, `events` the events in them, in the order of arrival."""

    ws: LocalWorkspace
    app: AsyncApp
    handler: AsyncSocketModeHandler
    envelopes: list[Json] = field(default_factory=list)

    @property
    def client(self) -> AsyncWebClient:
        return self.app.client

    @property
    def events(self) -> list[Json]:
        return [body["event"] for body in self.envelopes if "event" in body]

    def person(self, name: str) -> Person:
        return self.ws.person(name)

    def of(self, type_: str, subtype: str | None = None) -> list[Json]:
        return [event for event in self.events if event["type"] == type_ and event.get("subtype") == subtype]

    async def event(self, type_: str, subtype: str | None = None, *, count: int = 1) -> Json:
        """Waits for the `count`th event of a kind; gives the last one."""
        look = lambda: len(self.of(type_, subtype)) >= count  # noqa: E731  short enough to read in place
        await self.person("alice").wait_for(look, what=f"{count} {type_}/{subtype} of {self.events}")
        return self.of(type_, subtype)[-1]


async def error_of(call: Any) -> Json:
    """The answer of a call that Slack refuses."""
    try:
        answer = await call
    except SlackApiError as error:
        refused: Json = error.response.data
        return refused
    raise AssertionError(f"Slack accepted it: {answer}")


@asynccontextmanager
async def bot_in_workspace(
    register: Callable[[AsyncApp], None] = lambda _app: None,
    *,
    granted: Manifest | None = None,
    **options: Any,
) -> AsyncIterator[Bot]:
    """A connected bot; `options` are LocalWorkspace's."""
    options.setdefault("rate_limits", False)
    async with LocalWorkspace(manifest=granted or manifest(), **options) as ws:
        quiet = logging.getLogger("workspace_bot")
        quiet.setLevel(logging.CRITICAL)
        app = AsyncApp(
            client=AsyncWebClient(ws.bot_token, base_url=ws.api_url),
            ignoring_self_events_enabled=False,
            logger=quiet,
        )
        handler = AsyncSocketModeHandler(app, ws.app_token, ping_interval=1)
        bot = Bot(ws, app, handler)

        async def keep(body: Json, next: Callable[[], Any]) -> None:  # noqa: A002  Bolt injects arguments by these names
            bot.envelopes.append(body)
            await next()

        app.use(keep)
        register(app)

        async def accept() -> None:
            """Bolt acknowledges only what some listener took."""

        for type_ in ("message", *(name for name in EVENTS if not name.startswith("message."))):
            app.event(type_)(accept)
        await handler.connect_async()  # type: ignore[no-untyped-call]  # Bolt left it untyped
        try:
            await ws.person("alice").wait_for(lambda: ws.stats()["connections"] == 1, what="the connection")
            yield bot
        finally:
            await handler.close_async()  # type: ignore[no-untyped-call]  # Bolt left it untyped
