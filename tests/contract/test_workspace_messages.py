"""Messages, threads, reactions, files, channels: what is stored, and which events a real Bolt app gets for it."""

import asyncio
from typing import Any

import aiohttp

from tests.contract.workspace_bot import Json, bot_in_workspace, error_of, manifest


def texts(messages: list[Json]) -> list[str]:
    return [message["text"] for message in messages]


async def test_a_persons_messages_edits_and_deletes_reach_the_bot() -> None:
    async with bot_in_workspace() as bot:
        alice = bot.person("alice")
        ts = await alice.send("#general", "see <@U0BOB> & @carol in #deploys or https://example.com/x")
        event = await bot.event("message")
        assert event["text"] == "see <@U0BOB> &amp; <@U0CAROL> in <#C0DEPLOYS> or <https://example.com/x>"
        assert (event["user"], event["channel"], event["channel_type"]) == ("U0ALICE", "C0GENERAL", "channel")
        assert (event["ts"], event["event_ts"]) == (ts, ts)
        await alice.edit("#general", ts, "better")
        changed = await bot.event("message", "message_changed")
        assert changed["message"]["text"] == "better"
        assert changed["message"]["edited"]["user"] == "U0ALICE"
        assert changed["previous_message"]["text"] == event["text"]
        assert changed["ts"] > ts
        await alice.delete("#general", ts)
        deleted = await bot.event("message", "message_deleted")
        assert (deleted["deleted_ts"], deleted["previous_message"]["text"]) == (ts, "better")
        body = bot.envelopes[0]
        assert body["type"] == "event_callback"
        assert body["authorizations"][0]["user_id"] == "U0KAERU"
        assert len({one["event_id"] for one in bot.envelopes}) == len(bot.envelopes)


async def test_the_bots_own_messages_come_back_and_are_its_own_to_change() -> None:
    async with bot_in_workspace() as bot:
        posted = await bot.client.chat_postMessage(channel="general", text="hello")
        event = await bot.event("message")
        assert (event["bot_id"], event["app_id"], event["user"]) == ("B0KAERU", "A0KAERU", "U0KAERU")
        await bot.client.chat_update(channel="C0GENERAL", ts=posted["ts"], text="hello all")
        assert (await bot.event("message", "message_changed"))["message"]["text"] == "hello all"
        theirs = await bot.person("bob").send("#general", "mine")
        update = bot.client.chat_update(channel="C0GENERAL", ts=theirs, text="not yours")
        assert (await error_of(update))["error"] == "cant_update_message"
        gone = bot.client.chat_update(channel="C0GENERAL", ts="1.000001", text="x")
        assert (await error_of(gone))["error"] == "message_not_found"
        long = bot.client.chat_update(channel="C0GENERAL", ts=posted["ts"], text="x" * 4001)
        assert (await error_of(long))["error"] == "msg_too_long"
        await bot.client.chat_delete(channel="C0GENERAL", ts=posted["ts"])
        assert (await bot.event("message", "message_deleted"))["deleted_ts"] == posted["ts"]


async def test_no_event_comes_from_where_the_bot_is_not_or_what_it_did_not_subscribe_to() -> None:
    async with bot_in_workspace(granted=manifest(without_events=("reaction_added",))) as bot:
        alice = bot.person("alice")
        await alice.send("#deploys", "unheard")
        ts = await alice.send("#general", "heard")
        await alice.react("#general", ts, "eyes")
        await alice.unreact("#general", ts, "eyes")
        await bot.event("reaction_removed")
        assert texts(bot.of("message")) == ["heard"]
        assert bot.of("reaction_added") == []
        refused = bot.client.conversations_history(channel="C0DEPLOYS")
        assert (await error_of(refused))["error"] == "not_in_channel"
        assert (await error_of(bot.client.chat_postMessage(channel="C0DEPLOYS", text="x")))[
            "error"
        ] == "not_in_channel"


async def test_ims_and_mentions() -> None:
    async with bot_in_workspace() as bot:
        dan = bot.person("dan")
        await dan.send("@kaeru", "psst")
        assert (await bot.event("message"))["channel_type"] == "im"
        await dan.send("#general", "@kaeru wake up")
        assert (await bot.event("app_mention"))["text"] == "<@U0KAERU> wake up"
        channel = (await bot.client.conversations_open(users="U0DAN"))["channel"]["id"]
        await bot.client.chat_postMessage(channel="U0DAN", text="yes?")
        history: Any = await bot.client.conversations_history(channel=channel)
        assert texts(history["messages"]) == ["yes?", "psst"]


async def test_reactions() -> None:
    async with bot_in_workspace() as bot:
        bob = bot.person("bob")
        ts = await bob.send("#general", "done")
        await bot.client.reactions_add(channel="C0GENERAL", timestamp=ts, name="white_check_mark")
        twice = bot.client.reactions_add(channel="C0GENERAL", timestamp=ts, name="white_check_mark")
        assert (await error_of(twice))["error"] == "already_reacted"
        await bob.react("#general", ts, "white_check_mark")
        event = await bot.event("reaction_added", count=2)
        assert event["item"] == {"type": "message", "channel": "C0GENERAL", "ts": ts}
        assert (event["user"], event["reaction"], event["item_user"]) == (
            "U0BOB",
            "white_check_mark",
            "U0BOB",
        )
        got: Any = await bot.client.reactions_get(channel="C0GENERAL", timestamp=ts)
        assert got["message"]["reactions"] == [
            {"name": "white_check_mark", "users": ["U0KAERU", "U0BOB"], "count": 2}
        ]
        await bot.client.reactions_remove(channel="C0GENERAL", timestamp=ts, name="white_check_mark")
        none = bot.client.reactions_remove(channel="C0GENERAL", timestamp=ts, name="white_check_mark")
        assert (await error_of(none))["error"] == "no_reaction"


async def test_threads_count_broadcast_and_leave_tombstones() -> None:
    async with bot_in_workspace() as bot:
        alice = bot.person("alice")
        parent = await alice.send("#general", "parent")
        first = await alice.send("#general", "first", thread=parent)
        last: Any = await bot.client.chat_postMessage(
            channel="C0GENERAL", text="for all", thread_ts=parent, reply_broadcast=True
        )
        assert (await bot.event("message", "thread_broadcast"))["thread_ts"] == parent
        history: Any = await bot.client.conversations_history(channel="C0GENERAL")
        assert texts(history["messages"]) == ["for all", "parent"]
        assert history["messages"][1]["reply_count"] == 2
        assert history["messages"][1]["latest_reply"] == last["ts"]
        replies: Any = await bot.client.conversations_replies(channel="C0GENERAL", ts=parent)
        assert texts(replies["messages"]) == ["parent", "first", "for all"]
        page: Any = await bot.client.conversations_replies(channel="C0GENERAL", ts=parent, limit=2)
        assert texts(page["messages"]) == ["parent", "first"]
        cursor = page["response_metadata"]["next_cursor"]
        page = await bot.client.conversations_replies(channel="C0GENERAL", ts=parent, limit=2, cursor=cursor)
        assert (texts(page["messages"]), page["has_more"]) == (["for all"], False)
        await alice.delete("#general", first)
        seen = await alice.message("#general", lambda one: one.get("reply_count") == 1)
        assert seen["ts"] == parent
        await alice.delete("#general", parent)
        changed = await bot.event("message", "message_changed")
        assert changed["message"]["subtype"] == "tombstone"
        missing = bot.client.conversations_replies(channel="C0GENERAL", ts=first)
        assert (await error_of(missing))["error"] == "thread_not_found"


async def test_history_pages_windows_and_metadata() -> None:
    async with bot_in_workspace() as bot:
        stamps = bot.ws.flood("general", "alice", 250)
        assert stamps == sorted(set(stamps))
        metadata = {"event_type": "timeline", "event_payload": {"id": 7}}
        await bot.client.chat_postMessage(channel="C0GENERAL", text="with metadata", metadata=metadata)
        seen: list[str] = []
        async for page in await bot.client.conversations_history(channel="C0GENERAL", limit=100):
            seen += [message["ts"] for message in page["messages"]]
        assert seen[1:] == stamps[::-1]
        window: Any = await bot.client.conversations_history(
            channel="C0GENERAL", oldest=stamps[10], latest=stamps[13], inclusive=False
        )
        assert [message["ts"] for message in window["messages"]] == [stamps[12], stamps[11]]
        window = await bot.client.conversations_history(
            channel="C0GENERAL", oldest=stamps[10], latest=stamps[13], inclusive=True
        )
        assert len(window["messages"]) == 4
        plain: Any = await bot.client.conversations_history(channel="C0GENERAL", limit=1)
        assert "metadata" not in plain["messages"][0]
        full: Any = await bot.client.conversations_history(
            channel="C0GENERAL", limit=1, include_all_metadata=True
        )
        assert full["messages"][0]["metadata"] == metadata


async def test_an_ephemeral_is_for_one_person_and_in_no_history() -> None:
    async with bot_in_workspace() as bot:
        await bot.client.chat_postEphemeral(channel="C0GENERAL", user="U0BOB", text="only you")
        seen = await bot.person("bob").message("#general", "only you")
        assert seen["is_ephemeral"] is True
        assert await bot.person("alice").messages("#general") == []
        history: Any = await bot.client.conversations_history(channel="C0GENERAL")
        assert history["messages"] == []
        await bot.person("bob").leave("#deploys")
        await bot.client.conversations_join(channel="C0DEPLOYS")
        outside = bot.client.chat_postEphemeral(channel="C0DEPLOYS", user="U0BOB", text="x")
        assert (await error_of(outside))["error"] == "user_not_in_channel"


async def test_an_incident_channel_from_creation_to_archive() -> None:
    async with bot_in_workspace() as bot:
        created: Any = await bot.client.conversations_create(name="inc-20261124-myapp-1")
        channel = created["channel"]["id"]
        await bot.client.conversations_setTopic(channel=channel, topic="SEV1: myapp")
        await bot.client.conversations_invite(channel=channel, users="U0ALICE,U0BOB")
        await bot.client.bookmarks_add(
            channel_id=channel, title="Runbook", type="link", link="https://example.com/r"
        )
        alice = bot.person("alice")
        room = await alice.channel("#inc-")
        assert (room["topic"]["value"], room["is_member"], room["num_members"]) == ("SEV1: myapp", True, 3)
        assert [one["title"] for one in await alice.bookmarks("#inc-20261124-myapp-1")] == ["Runbook"]
        joined = await bot.event("member_joined_channel", count=3)
        assert (joined["user"], joined["inviter"], joined["channel"]) == ("U0BOB", "U0KAERU", channel)
        await bot.event("message", "channel_topic")
        await bot.event("message", "channel_join", count=3)
        await bot.client.conversations_rename(channel=channel, name="inc-done")
        assert (await bot.event("channel_rename"))["channel"]["name"] == "inc-done"
        await alice.leave("#inc-done")
        assert (await bot.event("member_left_channel"))["user"] == "U0ALICE"
        await bot.client.conversations_archive(channel=channel)
        assert (await bot.event("channel_archive"))["channel"] == channel
        late = bot.client.chat_postMessage(channel=channel, text="x")
        assert (await error_of(late))["error"] == "is_archived"
        taken = bot.client.conversations_create(name="inc-done")
        assert (await error_of(taken))["error"] == "name_taken"
        await bot.client.conversations_create(name="inc-20261124-myapp-1")


async def test_an_upload_is_shared_a_moment_later_and_can_be_fetched() -> None:
    async with bot_in_workspace() as bot:
        answer: Any = await bot.client.files_upload_v2(
            channel="C0GENERAL", filename="postmortem.md", content="# What happened", title="Postmortem", initial_comment="Here"
        )  # fmt: skip
        alice = bot.person("alice")
        message = await alice.message("#general", "Postmortem")
        assert (message["subtype"], message["text"]) == ("file_share", "Here")
        assert await bot.event("message", "file_share")
        info: Any = await bot.client.files_info(file=answer["file"]["id"])
        assert info["file"]["shares"]["public"]["C0GENERAL"][0]["ts"] == message["ts"]
        url = info["file"]["url_private"]
        async with aiohttp.ClientSession() as session:
            async with session.get(url, headers={"Authorization": f"Bearer {bot.ws.bot_token}"}) as response:
                assert await response.text() == "# What happened"
            async with session.get(url, allow_redirects=False) as response:
                assert response.status == 302
        assert await alice.download(url) == b"# What happened"
        theirs = await alice.upload("#general", "graph.png", b"\x89PNG")
        assert (await bot.event("message", "file_share", count=2))["files"][0]["id"] == theirs["id"]
        listed: Any = await bot.client.files_list(channel="C0GENERAL")
        assert [file["name"] for file in listed["files"]] == ["postmortem.md", "graph.png"]


async def test_a_flood_is_acknowledged_without_a_redelivery() -> None:
    count = 1_000  # in one go, so all of it within the 3 s of an ack, also beside other tests
    async with bot_in_workspace() as bot:
        # Bolt remembers its identity after the first event; before, each event of a flood would ask for it.
        await bot.person("bob").send("#general", "first")
        await bot.event("message")
        bot.ws.flood("general", "alice", count)
        hub = bot.ws.context.hub
        await bot.person("bob").wait_for(
            lambda: len(bot.envelopes) > count and not hub.flights, timeout=60, what="all the acks"
        )
        figures = bot.ws.stats()
        assert figures["acked"]["events_api"] == count + 1
        assert (figures["redelivered"], figures["unacked"], figures["given_up"]) == (0, 0, 0)
        assert len({body["event_id"] for body in bot.envelopes}) == count + 1


async def test_the_page_hears_of_changes_and_unread_counts() -> None:
    async with bot_in_workspace() as bot:
        alice, bob = bot.person("alice"), bot.person("bob")
        heard: list[Json] = []
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{bot.ws.url}client/ws?user=U0BOB") as socket,
        ):
            ts = await alice.send("#general", "hello @bob")
            await alice.react("#general", ts, "wave")
            async with asyncio.timeout(5):
                while not heard or heard[-1]["type"] != "channel":
                    heard.append(await socket.receive_json())
        assert [one["type"] for one in heard] == ["message", "message_changed", "channel"]
        assert (heard[2]["channel"]["unread_count"], heard[2]["channel"]["mention_count"]) == (1, 1)
        await bob.call("mark_read", channel="C0GENERAL", ts=ts)
        room = await bob.channel("general")
        assert (room["unread_count"], room["mention_count"], room["last_read"]) == (0, 0, ts)
