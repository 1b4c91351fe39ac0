"""Delivery, faults, connections that end, and the workspace as a process of its own."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.workspace import LocalWorkspace, Person, Timings
from tests.contract.workspace_bot import Json, bot_in_workspace, error_of, manifest

QUICK = Timings(ack=0.2, redelivery=(0.0, 0.2, 0.4), parting=0.1)


async def test_an_unacknowledged_event_is_delivered_three_times_more() -> None:
    seen: list[Json] = []

    def register(app: AsyncApp) -> None:
        async def refuse(body: Json) -> None:
            """An exception in global middleware keeps Bolt from acknowledging."""
            seen.append(body)
            raise RuntimeError("Not today: the inbox is not writable.")

        app.use(refuse)

    async with bot_in_workspace(register, timings=QUICK) as bot:
        alice = bot.person("alice")
        await alice.send("#general", "hello")
        await alice.wait_for(lambda: bot.ws.stats()["given_up"] == 1, what="the end of the redeliveries")
        figures = bot.ws.stats()
        assert (len(seen), figures["redelivered"], figures["acked"]) == (4, 3, {})
        assert len({body["event_id"] for body in seen}) == 1


async def test_a_lost_acknowledgement_brings_the_event_again_once() -> None:
    async with bot_in_workspace(timings=QUICK) as bot:
        bot.ws.fault("socket.ack", "withhold", type="events_api")
        alice = bot.person("alice")
        await alice.send("#general", "hello")
        await alice.wait_for(lambda: bot.ws.stats()["acked"].get("events_api") == 1, what="the second ack")
        assert [body["event_id"] for body in bot.envelopes] == [bot.envelopes[0]["event_id"]] * 2
        assert bot.ws.stats()["redelivered"] == 1


async def test_a_redelivery_says_which_and_why() -> None:
    async with LocalWorkspace(manifest=manifest(), timings=QUICK) as ws, raw_socket(ws) as socket:
        hello = await socket.receive_json()
        assert (hello["type"], hello["num_connections"], hello["connection_info"]["app_id"]) == (
            "hello",
            1,
            "A0KAERU",
        )
        await ws.person("alice").send("#general", "x")
        tries = [await socket.receive_json() for _ in range(4)]
        assert [one["retry_attempt"] for one in tries] == [0, 1, 2, 3]
        assert [one["retry_reason"] for one in tries] == ["", "timeout", "timeout", "timeout"]
        assert len({one["envelope_id"] for one in tries}) == 4
        assert {one["payload"]["event_id"] for one in tries} == {tries[0]["payload"]["event_id"]}


async def test_an_event_with_nobody_connected_comes_when_somebody_is() -> None:
    async with LocalWorkspace(manifest=manifest(), timings=QUICK) as ws:
        await ws.person("alice").send("#general", "is anybody there")
        assert ws.stats()["waiting"] == 1
        async with raw_socket(ws) as socket:
            await socket.receive_json()
            late = await socket.receive_json()
            assert late["payload"]["event"]["text"] == "is anybody there"
            await socket.send_json({"envelope_id": late["envelope_id"]})
            await ws.person("alice").wait_for(lambda: ws.stats()["acked"], what="the ack")


async def test_envelopes_are_spread_over_at_most_ten_connections() -> None:
    async with LocalWorkspace(manifest=manifest()) as ws, contextlib.AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(raw_socket(ws)) for _ in range(10)]
        hellos = [await socket.receive_json() for socket in sockets]
        assert [hello["num_connections"] for hello in hellos] == list(range(1, 11))
        counts = [0] * 10

        async def drain(index: int) -> None:
            async for message in sockets[index]:
                counts[index] += 1
                await sockets[index].send_json({"envelope_id": message.json()["envelope_id"]})

        readers = [asyncio.create_task(drain(index)) for index in range(10)]
        ws.flood("general", "alice", 500)
        await ws.person("alice").wait_for(lambda: ws.stats()["acked"].get("events_api") == 500, what="all")
        assert sum(counts) == 500
        assert min(counts) > 0
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        async with aiohttp.ClientSession() as session, session.get(f"{ws.url}socket?ticket=x") as response:
            assert response.status == 401
        eleventh = ws.context.hub.ticket()
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{ws.url}socket?ticket={eleventh}") as response,
        ):
            assert response.status == 403


async def test_a_polite_and_an_abrupt_disconnect_are_survived_by_the_sdk() -> None:
    async with bot_in_workspace(timings=Timings(parting=0.1)) as bot:
        alice, hub = bot.person("alice"), bot.ws.context.hub

        async def reconnect(*, abrupt: bool) -> None:
            (old,) = hub.connections
            assert await bot.ws.disconnect(abrupt=abrupt) == 1
            replaced = lambda: bool(hub.open_connections) and old not in hub.connections  # noqa: E731  read in place
            await alice.wait_for(replaced, timeout=20, what="a new connection")
            await alice.send("#general", f"after {abrupt}")
            await alice.wait_for(lambda: f"after {abrupt}" in str(bot.events), what="the event")

        await reconnect(abrupt=False)
        await reconnect(abrupt=True)
        assert [event["text"] for event in bot.of("message")] == ["after False", "after True"]


async def test_faults_of_the_web_api() -> None:
    async with LocalWorkspace(manifest=manifest(), rate_limits=False) as ws:
        web = AsyncWebClient(ws.bot_token, base_url=ws.api_url, retry_handlers=[])

        async def post() -> Any:
            return await web.chat_postMessage(channel="C0GENERAL", text="x")

        async def outcome() -> str:
            try:
                await post()
            except aiohttp.ClientError:
                return "reset"
            return "answered"

        ws.fault("chat.postMessage", "drop_response")
        assert (await outcome(), len(ws.channel("general").order)) == ("reset", 1)
        ws.fault("chat.postMessage", "drop_request")
        assert (await outcome(), len(ws.channel("general").order)) == ("reset", 1)
        ws.fault("chat.postMessage", "error", error="fatal_error", skip=1)
        assert await outcome() == "answered"
        assert (await error_of(post()))["error"] == "fatal_error"
        ws.fault("*", "rate_limited", seconds=7, times=2)
        for _ in range(2):
            assert (await error_of(post()))["error"] == "ratelimited"
        ws.fault("chat.postMessage", "http_error", status=502)
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{ws.api_url}chat.postMessage", data={}) as response,
        ):
            assert (response.status, response.content_type) == (502, "text/html")
        ws.fault("chat.postMessage", "delay", seconds=0.2)
        started = asyncio.get_running_loop().time()
        assert await outcome() == "answered"
        assert asyncio.get_running_loop().time() - started >= 0.2
        assert ws.context.faults.pending == []


async def test_faults_over_http_and_envelopes_that_come_twice_or_never() -> None:
    async with bot_in_workspace(timings=QUICK) as bot, aiohttp.ClientSession() as session:
        for fault in ({"method": "socket.deliver", "kind": "duplicate"}, {"method": "x", "kind": "no such"}):
            async with session.post(f"{bot.ws.url}faults", json=fault) as response:
                assert (response.status == 200) is (fault["method"] == "socket.deliver")
        alice = bot.person("alice")
        await alice.send("#general", "twice")
        await bot.event("message", count=2)
        bot.ws.fault("socket.deliver", "withhold")
        await alice.send("#general", "late")
        await bot.event("message", count=3)
        assert [event["text"] for event in bot.of("message")] == ["twice", "twice", "late"]
        async with session.get(f"{bot.ws.url}stats") as response:
            figures = await response.json()
        assert figures["redelivered"] == 1


async def test_the_workspace_as_a_process_remembers_and_ends_cleanly(tmp_path: Path) -> None:
    state, seed = tmp_path / "state.json", tmp_path / "seed.json"
    seed.write_text(
        json.dumps(
            {
                "users": [{"id": "U0ERIN", "name": "erin", "real_name": "Erin"}],
                "channels": [{"id": "C0OPS", "name": "ops", "bot": True}],
            }
        ),
        encoding="utf-8",
    )
    arguments = ("--state", str(state), "--seed", str(seed), "--bot-token", "xoxb-t", "--app-token", "xapp-t")
    async with process(*arguments) as ready:
        assert (ready["bot_token"], ready["app_token"]) == ("xoxb-t", "xapp-t")
        async with await Person.at(ready["url"], "erin") as erin:
            first = await erin.send("#ops", "remember me")
            await erin.react("#ops", first, "eyes")
            await erin.upload("#ops", "a.txt", b"kept")
            await erin.create_channel("archived-one")
    async with process(*arguments) as ready, await Person.at(ready["url"], "erin") as erin:
        message, file = await erin.messages("#ops")
        assert (message["text"], message["reactions"][0]["name"]) == ("remember me", "eyes")
        assert await erin.send("#ops", "later") > file["ts"]
        web = AsyncWebClient("xoxb-t", base_url=f"{ready['url']}api/")
        assert (await error_of(web.conversations_create(name="archived-one")))["error"] == "name_taken"
        created: Any = await web.conversations_create(name="another")
        assert created["channel"]["id"] not in {"C0OPS", file["files"][0]["id"]}


async def test_a_workspace_ends_with_a_command_on_its_way() -> None:
    """Ending a workspace with a command on its way neither hangs nor warns."""

    def register(app: AsyncApp) -> None:
        @app.command("/rollback")
        async def rollback(ack: AsyncAck) -> None:
            await ack()

    async with bot_in_workspace(register) as bot:
        bot.ws.fault("socket.ack", "withhold", type="slash_commands")
        waiting = asyncio.create_task(bot.person("alice").command("#general", "/rollback"))
        await bot.person("bob").wait_for(
            lambda: bot.ws.stats()["delivered"].get("slash_commands") == 1, what="it"
        )
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


@contextlib.asynccontextmanager
async def raw_socket(ws: LocalWorkspace) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A Socket Mode connection without the SDK."""
    opened: Any = await AsyncWebClient(base_url=ws.api_url).apps_connections_open(app_token=ws.app_token)
    async with aiohttp.ClientSession() as session, session.ws_connect(opened["url"]) as socket:
        yield socket


@contextlib.asynccontextmanager
async def process(*arguments: str) -> AsyncIterator[dict[str, str]]:
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox.workspace", "--port", "0", *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert running.stdout is not None
    try:
        yield json.loads(await asyncio.wait_for(running.stdout.readline(), 20))
    finally:
        running.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(running.wait(), 20)
    assert code == 0
