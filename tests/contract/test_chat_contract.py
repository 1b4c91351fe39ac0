"""What every Chat promises, on the fake and on Slack's Web API; then what only Slack can do wrong."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.ports.chat import (
    AddBookmark,
    ArchiveChannel,
    DescribeChannel,
    Invite,
    OpenChannel,
    Operation,
    Post,
    PublishHome,
    Upload,
    Whisper,
)
from bot.ports.errors import AuthFailed, OutcomeUnknown, Refused, Unavailable
from integrations.slack import SlackChat, close_client, make_client
from sandbox.workspace.local import LocalWorkspace
from tests.contract.chat_worlds import (
    ALICE,
    BOB,
    DEPLOYS,
    INCIDENTS,
    MANIFEST,
    FakeWorld,
    SlackWorld,
    World,
    slack_world,
)

SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "Roll back to *v1.2.9*?"}}
HOME = {"type": "home", "blocks": [SECTION]}
OPEN = OpenChannel(name="inc-20261124-shop-1", purpose="shop is ill")
REPORT = Upload(
    channel=INCIDENTS,
    filename="postmortem.md",
    title="Postmortem",
    comment="What happened & why",
    content_ref="sha256:0",
)


@pytest.fixture(params=["fake", "slack"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "fake":
        yield FakeWorld()
    else:
        async with slack_world() as slack:
            yield slack


@pytest.fixture
async def slack() -> AsyncIterator[SlackWorld]:
    async with slack_world() as found:
        yield found


def texts(world: World, channel: str = INCIDENTS) -> list[str]:
    return [message["text"] for message in world.messages(channel)]


# Every chat.


async def test_a_message_is_posted_edited_and_found_by_its_key(world: World) -> None:
    post = Post(channel=INCIDENTS, text="One", blocks=(SECTION,))
    assert await world.chat.find(post, "key-1") is None
    done = await world.chat.perform(post, "key-1")
    assert done.channel == INCIDENTS
    found = await world.chat.find(post, "key-1")
    assert found is not None
    assert (found.channel, found.ts) == (INCIDENTS, done.ts)
    edited = await world.chat.perform(post.model_copy(update={"ts": done.ts, "text": "Two"}), "key-1")
    assert edited.ts == done.ts
    assert texts(world) == ["Two"]
    again = await world.chat.find(post, "key-1")
    assert again is not None
    assert again.ts == done.ts


async def test_an_edit_without_blocks_takes_the_blocks_away(world: World) -> None:
    done = await world.chat.perform(Post(channel=INCIDENTS, text="One", blocks=(SECTION,)), "key-1")
    await world.chat.perform(Post(channel=INCIDENTS, text="Two", ts=done.ts), "key-1")
    assert not world.messages(INCIDENTS)[0].get("blocks")


async def test_an_edit_of_a_deleted_message_posts_it_anew(world: World) -> None:
    done = await world.chat.perform(Post(channel=INCIDENTS, text="One"), "key-1")
    assert done.ts
    world.delete(INCIDENTS, done.ts)
    edit = Post(channel=INCIDENTS, text="Two", ts=done.ts)
    anew = await world.chat.perform(edit, "key-1")
    assert anew.ts != done.ts
    assert texts(world) == ["Two"]
    found = await world.chat.find(edit, "key-1")
    assert found is not None
    assert found.ts == anew.ts


async def test_an_edit_in_doubt_is_safe_to_repeat_while_its_message_is_there(world: World) -> None:
    done = await world.chat.perform(Post(channel=INCIDENTS, text="One"), "key-1")
    assert await world.chat.find(Post(channel=INCIDENTS, text="Two", ts=done.ts), "key-1") is None


async def test_a_reply_is_posted_in_its_thread_and_found_there(world: World) -> None:
    parent = await world.say(INCIDENTS, ALICE, "What is going on?")
    reply = Post(channel=INCIDENTS, text="A rollback", thread_ts=parent)
    done = await world.chat.perform(reply, "key-1")
    assert world.messages(INCIDENTS)[0]["thread_ts"] == parent
    found = await world.chat.find(reply, "key-1")
    assert found is not None
    assert found.ts == done.ts
    edited = await world.chat.perform(reply.model_copy(update={"ts": done.ts, "text": "Done"}), "key-1")
    assert edited.ts == done.ts
    assert await world.chat.find(reply.model_copy(update={"ts": done.ts}), "key-1") is None


async def test_a_person_is_written_to_directly(world: World) -> None:
    post = Post(channel=ALICE, text="You hold the fix")
    done = await world.chat.perform(post, "key-1")
    found = await world.chat.find(post, "key-1")
    assert found is not None
    assert found.ts == done.ts


async def test_a_channel_may_be_given_by_its_name(world: World) -> None:
    post = Post(channel="incidents", text="shop is ill")
    done = await world.chat.perform(post, "key-1")
    assert done.channel == INCIDENTS
    found = await world.chat.find(post, "key-1")
    assert found is not None
    assert (found.channel, found.ts) == (INCIDENTS, done.ts)
    with pytest.raises(Refused, match="does not exist") as refused:
        await world.chat.perform(Post(channel="nowhere", text="Hello?"), "key-2")
    assert refused.value.remedy


async def test_a_taken_name_gets_a_number(world: World) -> None:
    names = [(await world.chat.perform(OPEN, f"key-{n}")).name for n in range(3)]
    assert names == ["inc-20261124-shop-1", "inc-20261124-shop-1-2", "inc-20261124-shop-1-3"]
    found = await world.chat.find(OPEN, "key-1")
    assert found is not None
    assert found.name == "inc-20261124-shop-1-2"
    assert await world.chat.find(OPEN, "key-9") is None


async def test_a_described_channel_is_still_found(world: World) -> None:
    done = await world.chat.perform(OPEN, "key-1")
    assert done.channel
    describe = DescribeChannel(channel=done.channel, topic="High & open", purpose="shop: v1.3.0 is bad")
    await world.chat.perform(describe, "key-2")
    await world.chat.perform(describe, "key-2")
    topic, purpose = world.about(done.channel)
    assert topic == "High & open"
    assert purpose.startswith("shop: v1.3.0 is bad")
    assert await world.chat.find(OPEN, "key-1") is not None


async def test_unknown_people_are_left_out_and_named(world: World) -> None:
    done = await world.chat.perform(OPEN, "key-1")
    assert done.channel
    invited = await world.chat.perform(
        Invite(channel=done.channel, users=(ALICE, "U0NOBODY", BOB, ALICE, "U0KAERU")), "key-2"
    )
    assert {ALICE, BOB} < world.members(done.channel)
    assert "U0NOBODY" in invited.note
    assert ALICE not in invited.note
    assert "U0KAERU" not in invited.note
    again = await world.chat.perform(Invite(channel=done.channel, users=(ALICE, BOB)), "key-3")
    assert again.note == ""
    nobody = await world.chat.perform(Invite(channel=done.channel, users=("U0NOBODY",)), "key-4")
    assert "U0NOBODY" in nobody.note
    await world.chat.perform(Invite(channel=done.channel, users=("U0KAERU",)), "key-5")


async def test_a_bookmark_is_found_by_title_and_link(world: World) -> None:
    bookmark = AddBookmark(
        channel=INCIDENTS, title="Runbook & more", link="https://runbooks.example/?a=1&b=2"
    )
    assert await world.chat.find(bookmark, "key-1") is None
    await world.chat.perform(bookmark, "key-1")
    assert await world.chat.find(bookmark, "key-1") is not None
    assert world.bookmarks(INCIDENTS) == [(bookmark.title, bookmark.link)]


async def test_a_file_is_visible_once_performed_and_found_by_its_key(world: World) -> None:
    done = await world.chat.perform(REPORT, "key-1", b"# Postmortem\n")
    assert done.file
    assert done.ts
    assert world.files(INCIDENTS) == [("postmortem.md", "Postmortem", b"# Postmortem\n")]
    found = await world.chat.find(REPORT, "key-1")
    assert found is not None
    assert found.file == done.file
    # The same name and title again, as a second revision has them, is another file.
    await world.chat.perform(REPORT, "key-2", b"# Postmortem, revised\n")
    second = await world.chat.find(REPORT, "key-2")
    assert second is not None
    assert second.file != done.file


async def test_an_empty_file_is_refused(world: World) -> None:
    with pytest.raises(Refused, match=r"postmortem\.md is empty"):
        await world.chat.perform(REPORT, "key-1", b"")


async def test_a_whisper_is_for_one_person_and_cannot_be_found(world: World) -> None:
    whisper = Whisper(channel=INCIDENTS, user=ALICE, text="Only you")
    await world.chat.perform(whisper, "key-1")
    assert world.whispered(ALICE) == ["Only you"]
    assert world.whispered(BOB) == []
    assert await world.chat.find(whisper, "key-1") is None


async def test_a_home_is_published(world: World) -> None:
    await world.chat.perform(PublishHome(user=ALICE, view=HOME), "key-1")
    home = world.home(ALICE)
    assert home is not None
    assert home["blocks"][0]["text"]["text"] == "Roll back to *v1.2.9*?"


async def test_archiving_twice_is_no_error_and_nothing_can_be_said_after_it(world: World) -> None:
    done = await world.chat.perform(OPEN, "key-1")
    assert done.channel
    await world.chat.perform(ArchiveChannel(channel=done.channel), "key-2")
    await world.chat.perform(ArchiveChannel(channel=done.channel), "key-2")
    assert world.is_archived(done.channel)
    with pytest.raises(Refused, match="archived"):
        await world.chat.perform(Post(channel=done.channel, text="Hello?"), "key-3")


async def test_an_unknown_channel_is_refused_with_a_remedy(world: World) -> None:
    with pytest.raises(Refused, match="does not exist") as refused:
        await world.chat.perform(Post(channel="C0NOWHERE", text="Hello?"), "key-1")
    assert refused.value.remedy


@pytest.mark.parametrize(
    "operation",
    [
        Post(channel=INCIDENTS, text="Once"),
        OPEN,
        AddBookmark(channel=INCIDENTS, title="Runbook", link="https://runbooks.example/"),
    ],
    ids=lambda operation: operation.type,
)
async def test_a_lost_answer_is_unknown_and_what_happened_is_found(
    world: World, operation: Operation
) -> None:
    world.lose(operation.type)
    with pytest.raises(OutcomeUnknown):
        await world.chat.perform(operation, "key-1")
    assert await world.chat.find(operation, "key-1") is not None


async def test_a_lost_answer_to_an_upload_leaves_one_file_that_is_found(world: World) -> None:
    world.lose("upload")
    try:
        done = await world.chat.perform(REPORT, "key-1", b"content")
    except OutcomeUnknown:
        found = await world.chat.find(REPORT, "key-1")
        assert found is not None
        done = found
    assert done.file
    assert len(world.files(INCIDENTS)) == 1


async def test_a_rate_limit_says_how_long_to_wait(world: World) -> None:
    world.limit("post", 7.0)
    with pytest.raises(Unavailable) as limited:
        await world.chat.perform(Post(channel=INCIDENTS, text="One"), "key-1")
    assert limited.value.retry_after_s == 7.0
    assert texts(world) == []
    await world.chat.perform(Post(channel=INCIDENTS, text="One"), "key-1")
    assert texts(world) == ["One"]


async def test_history_has_everything_since_a_message_oldest_first(world: World) -> None:
    old = await world.say(INCIDENTS, ALICE, "an old thread")
    before = await world.say(INCIDENTS, ALICE, "old")
    stamps = [
        await world.say(INCIDENTS, BOB, "new"),
        await world.say(INCIDENTS, ALICE, "a late reply to the old thread", thread_ts=old),
    ]
    posted = await world.chat.perform(Post(channel=INCIDENTS, text="by the bot"), "key-1")
    assert posted.ts
    stamps += [posted.ts, await world.say(INCIDENTS, ALICE, "a reply", thread_ts=stamps[0])]
    found = await world.chat.history(INCIDENTS, since_ts=before)
    assert [message.ts for message in found] == stamps
    assert [message.raw["text"] for message in found] == [
        "new",
        "a late reply to the old thread",
        "by the bot",
        "a reply",
    ]
    everything = await world.chat.history(INCIDENTS, since_ts=None)
    assert [message.ts for message in everything] == [old, before, *stamps]


async def test_people_have_names_and_others_keep_their_ids(world: World) -> None:
    assert await world.chat.name_of(ALICE) == "alice"
    assert await world.chat.name_of("U0NOBODY") == "U0NOBODY"
    assert await world.chat.name_of("cli:root") == "cli:root"


# Slack only.


async def test_long_histories_come_in_pages(slack: SlackWorld) -> None:
    stamps = slack.workspace.flood(INCIDENTS, "alice", 450)
    parent = await slack.say(INCIDENTS, ALICE, "thread")
    replies = [await slack.say(INCIDENTS, BOB, f"reply {n}", thread_ts=parent) for n in range(230)]
    found = await slack.chat.history(INCIDENTS, since_ts=stamps[0])
    assert [message.ts for message in found] == [*stamps[1:], parent, *replies]
    assert slack.workspace.context.stats.calls["conversations.replies"] == 2


async def test_history_waits_out_a_rate_limit(slack: SlackWorld) -> None:
    await slack.say(INCIDENTS, ALICE, "one")
    slack.workspace.fault("conversations.history", "rate_limited", seconds=1)
    began = time.monotonic()
    assert len(await slack.chat.history(INCIDENTS, since_ts=None)) == 1
    assert time.monotonic() - began >= 1.0


async def test_a_message_is_found_behind_many_others(slack: SlackWorld) -> None:
    post = Post(channel=INCIDENTS, text="One")
    done = await slack.chat.perform(post, "key-1")
    slack.workspace.flood(INCIDENTS, "alice", 700)
    found = await slack.chat.find(post, "key-1")
    assert found is not None
    assert found.ts == done.ts


async def test_a_name_is_asked_once(slack: SlackWorld) -> None:
    for _ in range(3):
        assert await slack.chat.name_of(BOB) == "bob"
    assert slack.workspace.context.stats.calls["users.info"] == 1


async def test_the_bot_joins_a_public_channel_to_post_there(slack: SlackWorld) -> None:
    assert "U0KAERU" not in slack.members(DEPLOYS)
    await slack.chat.perform(Post(channel=DEPLOYS, text="shop is being rolled back"), "key-1")
    assert texts(slack, DEPLOYS) == ["shop is being rolled back"]


async def test_a_whisper_where_the_bot_is_not_goes_by_direct_message(slack: SlackWorld) -> None:
    done = await slack.chat.perform(Whisper(channel=DEPLOYS, user=ALICE, text="Not you"), "key-1")
    assert "direct message" in done.note
    assert done.channel
    assert texts(slack, done.channel) == ["Not you"]
    assert "U0KAERU" not in slack.members(DEPLOYS)


async def test_a_channel_whose_creator_crashed_before_naming_its_purpose_is_adopted(
    slack: SlackWorld,
) -> None:
    slack.workspace.fault("conversations.setPurpose", "drop_request")
    with pytest.raises(OutcomeUnknown):
        await slack.chat.perform(OPEN, "key-1")
    assert slack.channels("inc-") == [OPEN.name]
    found = await slack.chat.find(OPEN, "key-1")
    assert found is not None
    assert found.name == OPEN.name
    assert found.channel
    assert slack.about(found.channel)[1].startswith("shop is ill [kaeru ")
    # From now on it belongs to this operation and to no other.
    assert await slack.chat.find(OPEN, "key-2") is None


async def test_a_limited_purpose_leaves_a_channel_that_is_found(slack: SlackWorld) -> None:
    slack.workspace.fault("conversations.setPurpose", "rate_limited", seconds=1, times=2)
    with pytest.raises(OutcomeUnknown):
        await slack.chat.perform(OPEN, "key-1")
    with pytest.raises(Unavailable):
        await slack.chat.find(OPEN, "key-1")
    assert await slack.chat.find(OPEN, "key-1") is not None
    assert slack.channels("inc-") == [OPEN.name]


async def test_an_unshared_file_is_found_once_slack_shares_it() -> None:
    from sandbox.workspace.timings import Timings  # noqa: PLC0415 - only this test changes the workspace's pace

    async with slack_world(timings=Timings(share=0.6)) as slack:
        slack.lose("upload")
        done = await slack.chat.perform(REPORT, "key-1", b"content")
        assert done.ts
        assert len(slack.files(INCIDENTS)) == 1
        assert slack.messages(INCIDENTS) == []


async def test_a_long_comment_comes_with_the_file(slack: SlackWorld) -> None:
    upload = REPORT.model_copy(update={"comment": "long " * 2000})
    done = await slack.chat.perform(upload, "key-1", b"content")
    assert done.ts
    message = slack.workspace.channel(INCIDENTS).messages[done.ts]
    assert "".join(block["text"]["text"] for block in message["blocks"]) == "long " * 2000


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("http_error", {"status": 500}),
        ("http_error", {"status": 502}),
        ("http_error", {"status": 503}),
        ("drop_request", {}),
        ("error", {"error": "internal_error"}),
        ("error", {"error": "fatal_error"}),
    ],
)
async def test_a_failing_server_leaves_a_write_unknown_and_a_read_unavailable(
    slack: SlackWorld, fault: Any, options: dict[str, Any]
) -> None:
    slack.workspace.fault("chat.postMessage", fault, **options)
    post = Post(channel=INCIDENTS, text="One")
    with pytest.raises(OutcomeUnknown):
        await slack.chat.perform(post, "key-1")
    assert await slack.chat.find(post, "key-1") is None
    # Twice, because aiohttp itself repeats a GET (never a POST) that a kept connection lost.
    slack.workspace.fault("conversations.history", fault, times=2, **options)
    with pytest.raises(Unavailable):
        await slack.chat.find(post, "key-1")


async def test_a_late_answer_is_unknown(slack: SlackWorld) -> None:
    client = make_client(slack.workspace.bot_token, base_url=slack.workspace.api_url, timeout_s=0.3)
    try:
        slack.workspace.fault("chat.postMessage", "delay", seconds=0.6)
        post = Post(channel=INCIDENTS, text="One")
        with pytest.raises(OutcomeUnknown):
            await SlackChat(client).perform(post, "key-1")
    finally:
        await close_client(client)
    deadline = time.monotonic() + 5
    while await slack.chat.find(post, "key-1") is None:
        assert time.monotonic() < deadline, "the late message never came"
        await asyncio.sleep(0.05)
    assert texts(slack) == ["One"]


async def test_a_slack_that_cannot_be_reached_has_changed_nothing(unused_tcp_port: int) -> None:
    client = make_client("xoxb-none", base_url=f"http://127.0.0.1:{unused_tcp_port}/api/")
    try:
        with pytest.raises(Unavailable, match="cannot be reached"):
            await SlackChat(client).perform(Post(channel=INCIDENTS, text="One"), "key-1")
    finally:
        await close_client(client)


async def test_a_wrong_token_says_where_to_get_the_right_one(slack: SlackWorld) -> None:
    client = make_client("xoxb-wrong", base_url=slack.workspace.api_url)
    try:
        with pytest.raises(AuthFailed) as failed:
            await SlackChat(client).perform(Post(channel=INCIDENTS, text="One"), "key-1")
    finally:
        await close_client(client)
    assert "OAuth & Permissions" in failed.value.remedy
    assert "xoxb-wrong" not in failed.value.advice


async def test_a_missing_scope_is_named_with_the_way_to_get_it(tmp_path: Path) -> None:
    given = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))
    given["oauth_config"]["scopes"]["bot"].remove("bookmarks:write")
    narrow = tmp_path / "manifest.yml"
    narrow.write_text(yaml.safe_dump(given), encoding="utf-8")
    async with LocalWorkspace(manifest=narrow) as workspace:
        client = make_client(workspace.bot_token, base_url=workspace.api_url)
        try:
            with pytest.raises(AuthFailed) as failed:
                await SlackChat(client).perform(
                    AddBookmark(channel=INCIDENTS, title="Runbook", link="https://runbooks.example/"), "key-1"
                )
        finally:
            await close_client(client)
    assert str(failed.value) == "Slack refused bookmarks.add: the app lacks the scope bookmarks:write."
    assert "reinstall the app" in failed.value.remedy


async def test_a_client_that_repeats_by_itself_is_not_accepted(slack: SlackWorld) -> None:
    from slack_sdk.web.async_client import AsyncWebClient  # noqa: PLC0415 - only to show what is refused

    with pytest.raises(ValueError, match="without retry handlers"):
        SlackChat(AsyncWebClient(token=slack.workspace.bot_token))
