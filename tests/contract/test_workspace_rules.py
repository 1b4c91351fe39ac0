"""What Slack refuses: tokens, scopes, names, Block Kit, rates."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.workspace import LocalWorkspace
from sandbox.workspace.blocks import find_faults
from sandbox.workspace.errors import ManifestError, RateLimitedError
from sandbox.workspace.limits import POST_MESSAGE, TIER_2, Limits
from sandbox.workspace.manifest import load
from tests.contract.workspace_bot import EVENTS, Json, bot_in_workspace, error_of, manifest

PLAIN = {"type": "plain_text", "text": "x"}


def client(ws: LocalWorkspace, token: str | None = None) -> AsyncWebClient:
    return AsyncWebClient(ws.bot_token if token is None else token, base_url=ws.api_url)


async def test_tokens() -> None:
    async with LocalWorkspace(manifest=manifest()) as ws:
        assert (await error_of(client(ws, "").auth_test()))["error"] == "not_authed"
        assert (await error_of(client(ws, "xoxb-wrong").auth_test()))["error"] == "invalid_auth"
        assert (await error_of(client(ws, ws.app_token).auth_test()))["error"] == "not_allowed_token_type"
        opened = client(ws).apps_connections_open(app_token=ws.bot_token)
        assert (await error_of(opened))["error"] == "not_allowed_token_type"
        identity: Any = await client(ws).auth_test()
        assert (identity["user_id"], identity["bot_id"], identity["team_id"]) == (
            "U0KAERU",
            "B0KAERU",
            "T0KAERU",
        )
        assert (await error_of(client(ws).api_call("no.such")))["error"] == "unknown_method"
        assert (await error_of(client(ws).chat_scheduledMessages_list()))["error"] == "unknown_method"


async def test_a_method_without_its_scope_says_which_one_is_missing() -> None:
    granted = manifest(without_scopes=("reactions:write", "im:read", "files:read"))
    async with LocalWorkspace(manifest=granted) as ws:
        refused = await error_of(client(ws).reactions_add(channel="C0GENERAL", timestamp="1.0", name="eyes"))
        assert (refused["error"], refused["needed"]) == ("missing_scope", "reactions:write")
        assert "chat:write" in refused["provided"].split(",")
        refused = await error_of(client(ws).conversations_list(types="public_channel,im"))
        assert (refused["error"], refused["needed"]) == ("missing_scope", "im:read")
        created = client(ws).conversations_create(name="secret", is_private=True)
        assert (await error_of(created))["needed"] == "groups:write"


async def test_who_is_in_a_user_group() -> None:
    async with LocalWorkspace(manifest=manifest()) as ws:
        refused = await error_of(client(ws).usergroups_users_list(usergroup="S0ONCALL"))
        assert (refused["error"], refused["needed"]) == ("missing_scope", "usergroups:read")
    async with LocalWorkspace(manifest=Path("manifest.yml")) as ws:
        slack = client(ws)
        assert (await slack.usergroups_users_list(usergroup="S0ONCALL"))["users"] == ["U0ALICE", "U0BOB"]
        (group,) = (await slack.usergroups_list(include_users=True))["usergroups"]
        assert (group["handle"], group["user_count"], group["users"]) == ("oncall", 2, ["U0ALICE", "U0BOB"])
        assert (await error_of(slack.usergroups_users_list(usergroup="S0NONE")))["error"] == "no_such_subteam"


def test_the_manifest_of_kaeru_is_one_that_slack_accepts(tmp_path: Path) -> None:
    granted = load(Path("manifest.yml"))
    assert set(granted.commands) >= {"/rollback", "/incident"}
    assert granted.events <= set(EVENTS)
    text = Path("manifest.yml").read_text(encoding="utf-8")
    broken = tmp_path / "manifest.yml"
    broken.write_text(text.replace("- reactions:read\n", "", 1), encoding="utf-8")
    with pytest.raises(ManifestError, match="reactions:read"):
        load(broken)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("", "invalid_name_required"),
        ("x" * 81, "invalid_name_maxlength"),
        ("Upper", "invalid_name_specials"),
        ("with space", "invalid_name_specials"),
        ("--", "invalid_name_punctuation"),
        ("general", "name_taken"),
    ],
)
async def test_names_of_channels(name: str, error: str) -> None:
    async with LocalWorkspace(manifest=manifest()) as ws:
        assert (await error_of(client(ws).conversations_create(name=name)))["error"] == error


async def test_invitations() -> None:
    async with LocalWorkspace(manifest=manifest(), rate_limits=False) as ws:
        web = client(ws)
        created: Any = await web.conversations_create(name="inc-1")
        channel = created["channel"]["id"]

        async def refusal(users: str, **options: Any) -> str:
            return str(
                (await error_of(web.conversations_invite(channel=channel, users=users, **options)))["error"]
            )

        assert await refusal("U0KAERU") == "cant_invite_self"
        assert await refusal("U0NOBODY,U0ALICE") == "user_not_found"
        assert ws.person("alice").id not in ws.channel("inc-1").members
        partly: Any = await web.conversations_invite(channel=channel, users="U0NOBODY,U0ALICE", force=True)
        assert partly["errors"] == [{"user": "U0NOBODY", "ok": False, "error": "user_not_found"}]
        assert await refusal("U0ALICE") == "already_in_channel"
        page: Any = await web.conversations_members(channel=channel, limit=1)
        assert page["members"] == ["U0KAERU"]
        cursor = page["response_metadata"]["next_cursor"]
        page = await web.conversations_members(channel=channel, limit=1, cursor=cursor)
        assert (page["members"], page["response_metadata"]["next_cursor"]) == (["U0ALICE"], "")
        assert (await error_of(web.conversations_members(channel=channel, cursor="!")))[
            "error"
        ] == "invalid_cursor"
        assert (await error_of(web.conversations_info(channel="C0NOWHERE")))["error"] == "channel_not_found"
        general: Any = web.conversations_rename(channel="C0GENERAL", name="x")
        assert (await error_of(general))["error"] == "not_authorized"


def button(action_id: str = "a", **fields: Any) -> Json:
    return {"type": "button", "action_id": action_id, "text": PLAIN, **fields}


def section(length: int) -> Json:
    return {"type": "section", "text": {"type": "mrkdwn", "text": "x" * length}}


def option(length: int) -> Json:
    return {"text": {"type": "plain_text", "text": "x" * length}, "value": "v"}


def select(count: int, length: int = 5) -> Json:
    element = {"type": "static_select", "action_id": "s", "options": [option(length)] * count}
    return {"type": "actions", "elements": [element]}


@pytest.mark.parametrize(
    "block",
    [
        section(3000),
        {"type": "section", "fields": [PLAIN] * 10},
        {"type": "header", "text": {"type": "plain_text", "text": "x" * 150}},
        {"type": "context", "elements": [PLAIN] * 10},
        {"type": "actions", "elements": [button(str(n)) for n in range(25)]},
        {"type": "actions", "elements": [button("a" * 255, value="v" * 2000)]},
        select(100, 75),
        {"type": "divider"},
        {"type": "plan", "title": "t", "tasks": [{"type": "task_card", "task_id": "1", "title": "t", "status": "complete"}]},
        {"type": "markdown", "text": "**x**"},
    ],
)  # fmt: skip
def test_block_kit_at_its_limits_is_accepted(block: Json) -> None:
    assert find_faults([block], "message") == []


@pytest.mark.parametrize(
    ("block", "place"),
    [
        (section(3001), "/blocks/0/text/text"),
        (section(0), "/blocks/0/text/text"),
        ({"type": "section"}, "/blocks/0"),
        ({"type": "section", "fields": [PLAIN] * 11}, "/blocks/0/fields"),
        ({"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}, "/blocks/0/text/text"),
        ({"type": "header", "text": {"type": "mrkdwn", "text": "x"}}, "/blocks/0/text/type"),
        ({"type": "context", "elements": [PLAIN] * 11}, "/blocks/0/elements"),
        ({"type": "actions", "elements": [button(str(n)) for n in range(26)]}, "/blocks/0/elements"),
        ({"type": "actions", "elements": [button(), button()]}, "/blocks/0/elements/1/action_id"),
        ({"type": "actions", "elements": [button("a" * 256)]}, "/blocks/0/elements/0/action_id"),
        ({"type": "actions", "elements": [button(value="v" * 2001)]}, "/blocks/0/elements/0/value"),
        ({"type": "actions", "elements": [button(style="loud")]}, "/blocks/0/elements/0/style"),
        ({"type": "actions", "elements": [button(text={**PLAIN, "text": "x" * 76})]}, "/blocks/0/elements/0/text/text"),
        ({"type": "actions", "elements": [{"type": "plain_text_input"}]}, "/blocks/0/elements/0/type"),
        (select(101), "/blocks/0/elements/0/options"),
        (select(1, 76), "/blocks/0/elements/0/options/0/text/text"),
        ({"type": "sections"}, "/blocks/0/type"),
        ({"text": PLAIN}, "/blocks/0"),
        ({"type": "plan", "tasks": []}, "/blocks/0"),
    ],
)  # fmt: skip
def test_block_kit_beyond_its_limits_is_refused_with_the_place(block: Json, place: str) -> None:
    assert [
        fault.rpartition("json-pointer:")[2].rstrip("]") for fault in find_faults([block], "message")
    ] == [place]


async def test_messages_that_slack_refuses() -> None:
    async with LocalWorkspace(manifest=manifest(), rate_limits=False) as ws:

        async def refusal(**arguments: Any) -> Json:
            return await error_of(client(ws).chat_postMessage(channel="C0GENERAL", **arguments))

        refused = await refusal(text="x", blocks=[{"type": "divider"}] * 51)
        assert refused["error"] == "invalid_blocks"
        assert refused["response_metadata"]["messages"] == [
            "[ERROR] no more than 50 items allowed [json-pointer:/blocks]"
        ]
        assert (await refusal(text="x", blocks=[section(2900)] * 5))["error"] == "msg_blocks_too_long"
        assert (await refusal(text="x" * 40_001))["error"] == "msg_too_long"
        nothing = client(ws).api_call("chat.postMessage", json={"channel": "C0GENERAL"})
        assert (await error_of(nothing))["error"] == "no_text"
        assert (await refusal(text="x", metadata={"event_type": 1}))["error"] == "invalid_metadata_format"
        assert (await refusal(text="x", thread_ts="1.000001"))["error"] == "thread_not_found"
        twins = [{**section(1), "block_id": "same"}] * 2
        assert (await refusal(text="x", blocks=twins))["error"] == "invalid_blocks"
        assert ws.channel("general").order == []


async def test_views_that_slack_refuses_say_where_and_spend_no_trigger() -> None:
    async with bot_in_workspace() as bot:
        trigger = bot.ws.context.triggers.issue("U0ALICE")
        label = {**PLAIN, "text": "x" * 25}
        wrong: Json = {
            "type": "modal", "title": label, "submit": label, "private_metadata": "x" * 3001, "blocks": [section(3001)],
        }  # fmt: skip
        refused = await error_of(bot.client.views_open(trigger_id=trigger, view=wrong))
        assert refused["error"] == "invalid_arguments"
        places = [
            one.rpartition("pointer:")[2].rstrip("]") for one in refused["response_metadata"]["messages"]
        ]
        assert places == [
            "/view/title/text", "/view/submit/text", "/view/private_metadata", "/view/blocks/0/text/text",
        ]  # fmt: skip
        right = {"type": "modal", "title": PLAIN, "blocks": [section(1)] * 100}
        await bot.client.views_open(trigger_id=trigger, view=right)


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    now = 0.0
    limits = Limits(clock=lambda: now)
    for _ in range(20):
        limits.spend(TIER_2, "conversations.create")
    with pytest.raises(RateLimitedError) as refused:
        limits.spend(TIER_2, "conversations.create")
    assert refused.value.retry_after == 3
    now = 3.0
    limits.spend(TIER_2, "conversations.create")
    for _ in range(5):
        limits.spend(POST_MESSAGE, "chat.postMessage", "C1")
    limits.spend(POST_MESSAGE, "chat.postMessage", "C2")
    with pytest.raises(RateLimitedError):
        limits.spend(POST_MESSAGE, "chat.postMessage", "C1")


async def test_too_many_messages_are_answered_with_429_and_when_to_come_back() -> None:
    async with LocalWorkspace(manifest=manifest()) as ws, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {ws.bot_token}"}
        statuses = []
        for _ in range(7):
            data = {"channel": "C0GENERAL", "text": "x"}
            async with session.post(f"{ws.api_url}chat.postMessage", headers=headers, data=data) as response:
                statuses.append(response.status)
                answer, retry_after = await response.json(), response.headers.get("Retry-After")
        assert statuses == [200] * 5 + [429] * 2
        assert (answer, retry_after) == ({"ok": False, "error": "ratelimited"}, "1")
        assert len(ws.channel("general").order) == 5


async def test_a_foreign_page_cannot_act_for_anybody() -> None:
    async with LocalWorkspace(manifest=manifest()) as ws, aiohttp.ClientSession() as session:
        body = {"user": "U0ALICE", "channel": "C0GENERAL", "text": "x"}
        headers = {"Origin": "https://elsewhere.example"}
        async with session.post(f"{ws.url}client/send", json=body, headers=headers) as response:
            assert response.status == 403
        async with session.post(
            f"{ws.url}client/send", json=body, headers={"Origin": ws.url.rstrip("/")}
        ) as response:
            assert (await response.json())["ok"] is True
        assert len(ws.channel("general").order) == 1
