"""Commands, clicks, modals, shortcuts: what a person does reaches a real Bolt app, and its answers come back."""

import asyncio
from typing import Any

import pytest
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncRespond
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.workspace import ClientError, LocalWorkspace, Timings
from tests.contract.workspace_bot import Json, bot_in_workspace, error_of, manifest

MODAL: Json = {
    "type": "modal",
    "callback_id": "pick",
    "title": {"type": "plain_text", "text": "Choose a version"},
    "submit": {"type": "plain_text", "text": "Go"},
    "private_metadata": "inc-1",
    "notify_on_close": True,
    "blocks": [
        {
            "type": "input",
            "block_id": "version",
            "label": {"type": "plain_text", "text": "Version"},
            "element": {
                "type": "static_select",
                "action_id": "version",
                "options": [
                    {"text": {"type": "plain_text", "text": name}, "value": name}
                    for name in ("v1.2.9", "v1.2.8")
                ],
            },
        },
        {
            "type": "input",
            "optional": True,
            "label": {"type": "plain_text", "text": "Why"},
            "element": {"type": "plain_text_input", "action_id": "why", "initial_value": "because"},
        },
    ],
}
CARD: list[Json] = [
    {"type": "section", "text": {"type": "mrkdwn", "text": "Roll *myapp* back?"}},
    {
        "type": "actions",
        "block_id": "decide",
        "elements": [
            {
                "type": "button",
                "action_id": "approve",
                "value": "7",
                "text": {"type": "plain_text", "text": "Approve"},
            },
            {
                "type": "static_select",
                "action_id": "other",
                "options": [{"text": {"type": "plain_text", "text": "v1.2.8"}, "value": "128"}],
            },
        ],
    },
]


async def test_a_command_arrives_escaped_and_its_ack_is_for_the_person_alone() -> None:
    bodies: list[Json] = []

    def register(app: AsyncApp) -> None:
        @app.command("/rollback")
        @app.command("/plain")
        async def rollback(ack: AsyncAck, body: Json) -> None:
            bodies.append(body)
            await ack(f"heard {body['text']}")

    async with bot_in_workspace(register) as bot:
        answer = await bot.person("alice").command("#deploys", "/rollback myapp @bob #general  a<b")
        assert answer is not None
        assert answer["is_ephemeral"] is True
        assert bodies[0]["text"] == "myapp <@U0BOB|bob> <#C0GENERAL|general>  a&lt;b"
        assert (
            bodies[0]
            | {
                "command": "/rollback",
                "channel_id": "C0DEPLOYS",
                "channel_name": "deploys",
                "user_id": "U0ALICE",
                "user_name": "alice",
                "team_id": "T0KAERU",
                "api_app_id": "A0KAERU",
            }
            == bodies[0]
        )
        assert [one for one in await bot.person("bob").messages("deploys") if one["ts"] == answer["ts"]] == []
        await bot.person("alice").command("#deploys", "/plain @bob")
        assert bodies[1]["text"] == "@bob"


async def test_a_command_that_is_not_acknowledged_says_dispatch_failed() -> None:
    def register(app: AsyncApp) -> None:
        @app.command("/rollback")
        async def rollback() -> None:
            """Never acknowledges."""

    async with bot_in_workspace(register, timings=Timings(ack=0.3)) as bot:
        with pytest.raises(ClientError, match="dispatch_failed"):
            await bot.person("alice").command("#general", "/rollback")
        assert bot.ws.stats()["unacked"] == 0


async def test_what_cannot_be_sent_says_why() -> None:
    async with LocalWorkspace(manifest=manifest()) as ws:
        alice = ws.person("alice")
        with pytest.raises(ClientError, match="no_bot"):
            await alice.command("#general", "/rollback")
        with pytest.raises(ClientError, match="invalid_command"):
            await alice.command("#general", "/nonsense")
        ts = await alice.send("#general", "parent")
        with pytest.raises(ClientError, match="not_in_thread"):
            await alice.send("#general", "/rollback", thread=ts)


async def test_a_modal_opens_validates_pushes_updates_and_closes() -> None:
    opened: list[Any] = []
    closed: list[Json] = []

    def register(app: AsyncApp) -> None:
        @app.command("/rollback")
        async def rollback(ack: AsyncAck, body: Json, client: AsyncWebClient) -> None:
            await ack()
            opened.append(await client.views_open(trigger_id=body["trigger_id"], view=MODAL))

        @app.view("pick")
        async def pick(ack: AsyncAck, view: Json) -> None:
            values = view["state"]["values"]
            why = next(held["why"]["value"] for held in values.values() if "why" in held)
            assert view["private_metadata"] == "inc-1"
            if values["version"]["version"]["selected_option"]["value"] == "v1.2.8":
                await ack(response_action="errors", errors={"version": "Too old"})
            elif why == "sure":
                await ack(response_action="clear")
            else:
                await ack(
                    response_action="push", view={**MODAL, "title": {"type": "plain_text", "text": "Sure?"}}
                )

        @app.view_closed("pick")
        async def gone(ack: AsyncAck, body: Json) -> None:
            closed.append(body)
            await ack()

    async with bot_in_workspace(register) as bot:
        alice = bot.person("alice")
        await alice.command("#general", "/rollback")
        view = await alice.modal("Choose a version")
        with pytest.raises(LookupError, match="Version"):
            await alice.submit_view(view)
        refused = await alice.submit_view(view, {"Version": "v1.2.8"})
        assert refused == {"response_action": "errors", "errors": {"version": "Too old"}}
        assert len(await alice.open_modals()) == 1
        pushed = await alice.submit_view(view, {"version": "v1.2.9"})
        assert pushed["response_action"] == "push"
        sure = await alice.modal("Sure?")
        assert sure["previous_view_id"] == view["id"]
        await alice.close_view(sure)
        assert closed[0]["view"]["id"] == sure["id"]
        view_id, old_hash = opened[0]["view"]["id"], opened[0]["view"]["hash"]
        renamed = {**MODAL, "title": {"type": "plain_text", "text": "Renamed"}}
        await bot.client.views_update(view_id=view_id, hash=old_hash, view=renamed)
        late = await error_of(bot.client.views_update(view_id=view_id, hash=old_hash, view=renamed))
        assert late["error"] == "hash_conflict"
        view = await alice.modal("Renamed")
        await alice.submit_view(view, {"Version": "v1.2.9", "Why": "sure"})
        assert await alice.open_modals() == []
        assert (await error_of(bot.client.views_update(view_id=view_id, view=renamed)))[
            "error"
        ] == "not_found"


async def test_a_trigger_opens_one_modal_and_not_for_long() -> None:
    triggers: list[str] = []

    def register(app: AsyncApp) -> None:
        @app.command("/rollback")
        async def rollback(ack: AsyncAck, body: Json) -> None:
            await ack()
            triggers.append(body["trigger_id"])

    async with bot_in_workspace(register, timings=Timings(trigger=0.2)) as bot:
        await bot.person("alice").command("#general", "/rollback")
        await bot.client.views_open(trigger_id=triggers[0], view=MODAL)
        again = await error_of(bot.client.views_open(trigger_id=triggers[0], view=MODAL))
        assert again["error"] == "exchanged_trigger_id"
        await bot.person("alice").command("#general", "/rollback")
        issued = bot.ws.context.triggers.issued[triggers[1]]
        issued.issued_at -= 0.3
        late = await error_of(bot.client.views_open(trigger_id=triggers[1], view=MODAL))
        assert late["error"] == "expired_trigger_id"
        unknown = await error_of(bot.client.views_open(trigger_id="1.2.3", view=MODAL))
        assert unknown["error"] == "invalid_trigger_id"


async def test_clicks_carry_the_message_and_a_response_url_that_works_five_times() -> None:
    bodies: list[Json] = []

    def register(app: AsyncApp) -> None:
        @app.action("approve")
        async def approve(ack: AsyncAck, body: Json, respond: AsyncRespond) -> None:
            await ack()
            bodies.append(body)
            statuses = [await respond(f"note {n}", replace_original=False) for n in range(4)]
            statuses.append(await respond("approved", replace_original=True))
            statuses.append(await respond("too many", replace_original=False))
            bodies.append({"codes": [status.status_code for status in statuses]})

        @app.action("other")
        async def other(ack: AsyncAck, body: Json) -> None:
            await ack()
            bodies.append(body)

    async with bot_in_workspace(register) as bot:
        bob = bot.person("bob")
        await bot.client.chat_postMessage(channel="C0GENERAL", text="plan", blocks=CARD)
        card = await bob.message("#general", "Roll *myapp* back?")
        await bob.select(card, "other", "v1.2.8")
        assert bodies[0]["actions"][0]["selected_option"]["value"] == "128"
        await bob.click(card, "Approve")
        await bob.wait_for(lambda: len(bodies) == 3, what="all the answers")
        body = bodies[1]
        assert body["container"] == {
            "type": "message", "message_ts": card["ts"], "channel_id": "C0GENERAL", "is_ephemeral": False,
        }  # fmt: skip
        assert (
            body["actions"][0] | {"action_id": "approve", "block_id": "decide", "value": "7"}
            == body["actions"][0]
        )
        assert body["message"]["ts"] == card["ts"]
        assert body["user"]["id"] == "U0BOB"
        assert bodies[2]["codes"] == [200, 200, 200, 200, 200, 404]
        seen = await bob.messages("#general")
        assert [one["text"] for one in seen if one.get("is_ephemeral")] == [f"note {n}" for n in range(4)]
        assert next(one for one in seen if one["ts"] == card["ts"])["text"] == "approved"
        assert "blocks" not in next(one for one in seen if one["ts"] == card["ts"])


async def test_shortcuts_and_the_app_home() -> None:
    bodies: list[Json] = []

    def register(app: AsyncApp) -> None:
        @app.shortcut("note")
        @app.shortcut("start")
        async def note(ack: AsyncAck, body: Json) -> None:
            await ack()
            bodies.append(body)

        @app.event("app_home_opened")
        async def home(event: Json, client: AsyncWebClient) -> None:
            blocks = [{"type": "header", "text": {"type": "plain_text", "text": "Nothing burns"}}]
            await client.views_publish(user_id=event["user"], view={"type": "home", "blocks": blocks})

    async with bot_in_workspace(register) as bot:
        carol = bot.person("carol")
        ts = await carol.send("#general", "the database is slow")
        await carol.shortcut("note", await carol.message("#general", "slow"))
        await carol.shortcut("start")
        assert [body["type"] for body in bodies] == ["message_action", "shortcut"]
        assert bodies[0]["message_ts"] == ts
        assert bodies[0]["message"]["text"] == "the database is slow"
        assert await carol.open_home() is None
        home = await carol.wait_for(carol.open_home, what="the home")
        assert home["blocks"][0]["text"]["text"] == "Nothing burns"


async def test_two_hundred_commands_at_once_are_all_acknowledged() -> None:
    def register(app: AsyncApp) -> None:
        @app.command("/rollback")
        async def rollback(ack: AsyncAck) -> None:
            await ack()

    async with bot_in_workspace(register) as bot:
        alice = bot.person("alice")
        await asyncio.gather(*(alice.command("#general", f"/rollback {n}") for n in range(200)))
        figures = bot.ws.stats()
        assert figures["acked"]["slash_commands"] == 200
        assert figures["unacked"] == 0
        assert figures["ack_ms"]["slash_commands"]["count"] == 200
