"""A small real bot, so that the page is tested against Bolt and not against an idea of it."""

import asyncio
from types import TracebackType
from typing import Any, Self

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.workspace.local import LocalWorkspace

Json = dict[str, Any]


def words(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> Json:
    return {"type": "mrkdwn", "text": text}


def button(action: str, text: str, **more: Any) -> Json:
    return {"type": "button", "action_id": action, "value": "plan-1", "text": words(text), **more}


def option(text: str) -> Json:
    return {"text": words(text), "value": text}


REJECT = {
    "title": words("Reject the plan?"),
    "text": mrkdwn("The incident stays *open*."),
    "confirm": words("Reject it"),
    "deny": words("Keep it"),
    "style": "danger",
}

CARD: list[Json] = [
    {"type": "header", "text": words("Roll back myapp? :rotating_light:")},
    {"type": "section", "text": mrkdwn("*myapp* fails"), "fields": [mrkdwn("*Now*\n`v1.3.0`"), mrkdwn("*Target*\n`v1.2.9`")]},
    {
        "type": "actions",
        "block_id": "decide",
        "elements": [
            button("approve", "Approve", style="primary"),
            button("reject", "Reject", style="danger", confirm=REJECT),
            button("silent", "Hold"),
            {
                "type": "static_select",
                "action_id": "version",
                "placeholder": words("Another version"),
                "options": [option("v1.2.8"), option("v1.2.7")],
            },
        ],
    },
    {"type": "context", "elements": [mrkdwn("Approvals: 0 of 1")]},
]  # fmt: skip

MODAL: Json = {
    "type": "modal",
    "callback_id": "rollback",
    "private_metadata": "kept by the workspace",
    "title": words("Roll back"),
    "submit": words("Make a plan"),
    "notify_on_close": True,
    "blocks": [
        {
            "type": "input",
            "block_id": "service",
            "label": words("Service"),
            "element": {
                "type": "static_select",
                "action_id": "service",
                "placeholder": words("Choose a service"),
                "options": [option("myapp"), option("web")],
            },
        },
        {
            "type": "input",
            "block_id": "reason",
            "label": words("What do you see?"),
            "hint": words("It goes into the timeline."),
            "element": {
                "type": "plain_text_input",
                "action_id": "reason",
                "multiline": True,
                "max_length": 200,
            },
        },
        {
            "type": "input",
            "block_id": "severity",
            "label": words("Severity"),
            "element": {
                "type": "radio_buttons",
                "action_id": "severity",
                "options": [option("Critical"), option("High")],
                "initial_option": option("High"),
            },
        },
        {
            "type": "input",
            "block_id": "people",
            "optional": True,
            "label": words("Responders"),
            "element": {"type": "multi_users_select", "action_id": "people", "placeholder": words("People")},
        },
    ],
}


class Peer:
    """`got` holds what the bot was sent, newest last: ("action", payload), ("view", payload), ..."""

    def __init__(self, workspace: LocalWorkspace) -> None:
        self.got: list[tuple[str, Json]] = []
        self.client = AsyncWebClient(token=workspace.bot_token, base_url=workspace.api_url)
        self.app = AsyncApp(client=self.client)
        self.handler = AsyncSocketModeHandler(self.app, workspace.app_token)
        self.answer = asyncio.Event()  # what the slow button waits for
        self.listen()

    async def __aenter__(self) -> Self:
        await self.handler.connect_async()  # type: ignore[no-untyped-call]  # bolt leaves it untyped
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.answer.set()
        await self.handler.close_async()  # type: ignore[no-untyped-call]  # bolt leaves it untyped

    def of(self, kind: str) -> list[Json]:
        return [payload for name, payload in self.got if name == kind]

    async def post(self, channel: str, text: str, **more: Any) -> Json:
        posted = await self.client.chat_postMessage(channel=channel, text=text, **more)
        data = posted.data
        assert isinstance(data, dict)
        return data

    def listen(self) -> None:
        app = self.app
        app.command("/rollback")(self.rollback)
        app.command("/incident")(self.incident)
        app.view("rollback")(self.submitted)
        app.view_closed("rollback")(self.closed)
        app.action("approve")(self.approve)
        app.action("silent")(self.stay_silent)
        app.action("reject")(self.note)
        app.action("version")(self.note)
        app.action("home")(self.note)
        app.shortcut("timeline_add")(self.timeline_add)
        app.event("app_home_opened")(self.home)
        for name in (
            "message",
            "reaction_added",
            "reaction_removed",
            "member_joined_channel",
            "member_left_channel",
        ):
            app.event(name)(self.heard)

    async def heard(self, body: Json) -> None:
        self.got.append(("event", body))

    async def rollback(self, ack: Any, body: Json, client: AsyncWebClient) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=MODAL)

    async def incident(self, ack: Any, body: Json) -> None:
        self.got.append(("command", body))
        if body["text"] == "silence":
            return
        await ack(text=f"Only for you: *{body['text']}*")

    async def submitted(self, ack: Any, body: Json) -> None:
        self.got.append(("view", body))
        reason = body["view"]["state"]["values"]["reason"]["reason"]["value"]
        if reason == "silence":
            return
        if reason == "bad":
            await ack(response_action="errors", errors={"reason": "Say what is broken, in words."})
            return
        await ack()

    async def closed(self, ack: Any, body: Json) -> None:
        await ack()
        self.got.append(("closed", body))

    async def approve(self, ack: Any, body: Json, client: AsyncWebClient) -> None:
        self.got.append(("action", body))
        await self.answer.wait()
        await ack()
        blocks = [
            *CARD[:2],
            CARD[2],
            {"type": "context", "elements": [mrkdwn(f"Approved by <@{body['user']['id']}>")]},
        ]
        await client.chat_update(
            channel=body["channel"]["id"], ts=body["message"]["ts"], text="Approved", blocks=blocks
        )

    async def stay_silent(self, body: Json) -> None:
        self.got.append(("action", body))

    async def note(self, ack: Any, body: Json) -> None:
        await ack()
        self.got.append(("action", body))

    async def timeline_add(self, ack: Any, body: Json) -> None:
        await ack()
        self.got.append(("shortcut", body))

    async def home(self, event: Json, client: AsyncWebClient) -> None:
        blocks = [
            {"type": "header", "text": words("Nothing is on fire")},
            {"type": "actions", "elements": [button("home", "Start a rollback")]},
        ]
        await client.views_publish(user_id=event["user"], view={"type": "home", "blocks": blocks})
