"""Slack is slow, refuses, forgets answers, or hangs up in the middle of the story. The story goes on."""

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable
from typing import Any

from bot.domain import events as e
from sandbox.workspace import forms
from sandbox.workspace.manifest import Manifest, load
from sandbox.workspace.session import ClientError
from tests.scenarios.conftest import NewWorld
from tests.scenarios.world import GOOD, INCIDENTS, MANIFEST, World

LINKS = {"Runbook": "https://wiki.example.com/shop"}


def without(*scopes: str) -> Manifest:
    whole = load(MANIFEST)
    assert set(scopes) <= whole.scopes
    return dataclasses.replace(whole, scopes=whole.scopes - set(scopes))


async def test_without_the_scope_for_bookmarks(new_world: NewWorld) -> None:
    world = await new_world(
        manifest=without("bookmarks:write"), changes={"services": {"shop": {"links": LINKS}}}
    )
    await world.bad_deploy()
    room = await world.declare()
    await room.approve()
    await room.status("verified")
    await room.close()
    text = await room.postmortem()
    failed = await room.events(e.DeliveryFailed)
    assert {f.what.partition(" (")[0] for f in failed} == {"add bookmark"}
    assert all("bookmarks:write" in f.reason for f in failed)
    assert "bookmarks:write" in text


async def test_without_the_scope_for_files(new_world: NewWorld) -> None:
    world = await new_world(manifest=without("files:write"))
    await world.bad_deploy()
    room = await world.declare()
    await room.approve()
    await room.status("verified")
    await room.close()
    await room.sees(lambda m: "ostmortem" in forms.text_of(m) and "Completeness" not in forms.text_of(m))

    async def both_failed() -> bool:
        return len(await room.events(e.DeliveryFailed)) == 2

    await world.until(both_failed, "the picture and the text to be given up")
    assert all("files:write" in f.reason for f in await room.events(e.DeliveryFailed))
    assert (await room.verified()).intact
    assert (await room.incident()).postmortem_revision == 1


async def told_once(world: World, channel: str, holds: Callable[[dict[str, Any]], bool]) -> None:
    found = [m for m in await world.alice.messages(channel) if holds(m)]
    assert len(found) == 1, [forms.text_of(m)[:80] for m in found]


async def test_slack_limits_fails_and_loses_answers(world: World) -> None:
    await world.bad_deploy()
    ws = world.ws
    ws.fault("conversations.create", "drop_response")
    ws.fault("chat.postMessage", "rate_limited", times=2, seconds=1)
    ws.fault("chat.postMessage", "http_error", times=2, skip=2)
    ws.fault("chat.postMessage", "drop_response", times=2, skip=5)
    ws.fault("conversations.invite", "http_error", times=2)
    ws.fault("conversations.setTopic", "rate_limited", times=1, seconds=1)
    ws.fault("chat.update", "http_error", times=3)
    ws.fault("chat.update", "drop_response", times=1, skip=3)
    ws.fault("files.completeUploadExternal", "drop_response", times=1)
    room = await world.declare()
    await room.approve()
    await room.status("verified", timeout_s=60)
    await room.sees("3 of 3 steps done", timeout=40)
    await room.close()
    await room.postmortem()
    await room.file(".png")
    assert [c["name"] for c in await world.alice.channels() if c.get("name", "").startswith("inc-")] == [
        room.id
    ]
    await told_once(world, room.channel, lambda m: "Prove from outside" in forms.text_of(m))
    await told_once(
        world,
        room.channel,
        lambda m: "is well on" in forms.text_of(m) or "stayed well on" in forms.text_of(m),
    )
    await told_once(world, INCIDENTS, lambda m: "works again" in forms.text_of(m))
    for ending in (".png", "postmortem.md"):
        await told_once(
            world,
            room.channel,
            lambda m, ending=ending: any(f["name"].endswith(ending) for f in m.get("files", ())),  # type: ignore[misc]  # binds the loop's value
        )
    assert (await room.verified()).intact


async def test_under_slacks_own_rates(new_world: NewWorld) -> None:
    """Twenty calls a minute for some methods, one message a second in a channel: slower, but whole."""
    world = await new_world(rate_limits=True)
    await world.bad_deploy()
    room = await world.declare()
    await room.approve()
    await room.status("verified", timeout_s=60)
    await room.close()
    await room.file("postmortem.md", timeout=60)
    assert not await room.events(e.DeliveryFailed)


async def persistently(act: Callable[[], Awaitable[object]]) -> None:
    """As people do where Slack says that the app did not respond: once more."""
    deadline = time.monotonic() + 30
    while True:
        try:
            await act()
        except ClientError as error:
            if error.code not in ("no_bot", "dispatch_failed") or time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)
        else:
            return


async def test_the_connection_is_lost_twice_in_the_story(world: World) -> None:
    await world.bad_deploy()
    room = await world.declare(severity=None)
    assert await world.ws.disconnect(abrupt=True) >= 1
    await world.bob.send(room.channel, "hello?")
    prompt = await room.button("High")
    await persistently(lambda: world.alice.click(prompt, "High"))
    card = await room.card()
    await world.ws.disconnect(reason="refresh_requested")
    await persistently(lambda: world.bob.click(card, "Approve"))
    await room.status("verified")
    assert await world.serves() == GOOD
    await persistently(lambda: world.alice.command(room.channel, "/incident close accept Over."))
    await room.status("closed")
    assert "hello?" in await room.postmortem()
    assert len((await room.incident()).runs) == 1
