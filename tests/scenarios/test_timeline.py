"""What people write is kept as they wrote it, with Slack's times, and never breaks what kaeru writes."""

import json
import re

import pytest

from bot.domain.timeline import Kind
from bot.usecases.transcript import time_of
from sandbox.workspace import forms
from tests.scenarios.world import Room, World

NASTY = [
    "| a | b |\n|---|---|\n| `x` | ``` |",
    "```unclosed `code` and *bold _both",
    "<!channel> <!here> <!everyone> <@U0DAN>",
    "🐸🐸 帰る ümläut \u202eevil\u202c שלום",
    "# heading\n\n<script>alert(1)</script>\n- [ ] <b>x</b>",
    "{{ 7 * 7 }} {% raw %} %s {0} \\n \\",
]


async def kept(room: Room, kind: Kind, count: int) -> None:
    async def enough() -> bool:
        return len([x for x in await room.entries(kind) if x.actor != "kaeru"]) >= count

    await room.world.until(enough, f"{count} entries of {kind}")


async def test_everything_that_is_said_is_kept_with_slacks_times(world: World) -> None:
    await world.bad_deploy()
    room = await world.declare()
    bob = world.bob
    first = await bob.send(room.channel, "it is the cache")
    await bob.edit(room.channel, first, "it is the currency call")
    secret = await bob.send(room.channel, "the key is tea-42")
    await bob.delete(room.channel, secret)
    reply = await world.carol.send(room.channel, "same here", thread=first)
    await world.carol.react(room.channel, first, "eyes")
    await world.carol.unreact(room.channel, first, "eyes")
    await bob.upload(room.channel, "graph.png", b"not really a picture", title="Graph")
    await world.alice.invite(room.channel, "dan")
    for kind, count in ((Kind.MESSAGE, 4), (Kind.EDIT, 1), (Kind.DELETION, 1), (Kind.REACTION_ADDED, 1),
                        (Kind.REACTION_REMOVED, 1), (Kind.JOINED, 3)):  # fmt: skip
        await kept(room, kind, count)

    said = {x.slack_ts: x for x in await room.entries(Kind.MESSAGE) if x.actor != "kaeru"}
    assert said[first].body["text"] == "it is the cache"
    assert said[first].at == time_of(first)
    assert said[reply].body["thread_ts"] == first
    assert said[secret].body["text"] == "the key is tea-42"
    assert any(f["name"] == "graph.png" for x in said.values() for f in x.body.get("files", ()))
    (edit,) = [x for x in await room.entries(Kind.EDIT) if x.actor == bob.id]
    assert (edit.slack_ts, edit.body["text"]) == (first, "it is the currency call")
    (deletion,) = await room.entries(Kind.DELETION)
    assert deletion.slack_ts == secret
    assert world.dan.id in {x.actor for x in await room.entries(Kind.JOINED)}
    assert (await room.verified()).intact


async def test_what_was_written_while_kaeru_was_down_is_filled_in(world: World) -> None:
    await world.bad_deploy()
    room = await world.declare()
    await room.card()
    before = await world.bob.send(room.channel, "before")
    await kept(room, Kind.MESSAGE, 1)
    await world.stop()
    await world.bob.edit(room.channel, before, "before, corrected")
    down = await world.bob.send(room.channel, "is anybody there?")
    reply = await world.carol.send(room.channel, "I am", thread=down)
    await world.start()
    await kept(room, Kind.MESSAGE, 3)
    await kept(room, Kind.EDIT, 1)
    said = {x.slack_ts: x for x in await room.entries(Kind.MESSAGE)}
    assert said[down].at == time_of(down)
    assert said[reply].body["thread_ts"] == down
    await room.approve()
    await room.status("verified")
    await room.close()
    text = await room.postmortem()
    assert "before, corrected" in text
    assert "is anybody there?" in text


@pytest.mark.parametrize("place", ["note", "message", "summary"])
async def test_nasty_text_breaks_nothing(world: World, place: str) -> None:
    await world.bad_deploy()
    room = await world.declare()
    for text in NASTY:
        if place == "message":
            await world.bob.send(room.channel, text)
        elif place == "note":
            await room.asks(world.bob, f"/incident note {text}")
    if place == "message":
        await kept(room, Kind.MESSAGE, len(NASTY))
    await room.approve()
    await room.status("verified")
    summary = " ".join(NASTY) if place == "summary" else "over"
    await room.close(summary)
    text = await room.postmortem()
    assert "<script>" not in text
    await room.asks(world.bob, "/incident export")
    await room.file("timeline.md")
    _, content = await room.file("timeline.json")
    json.loads(content)
    own = [m for c in (room.channel, "#incidents") for m in await world.alice.messages(c) if m.get("bot_id")]
    assert own
    for message in own:
        shown = forms.text_of(message)
        assert "<!channel>" not in shown, shown
        assert "<!here>" not in shown, shown
    assert (await room.verified()).intact


async def test_the_postmortem_says_how_complete_it_is(world: World) -> None:
    await world.bad_deploy()
    room = await world.declare()
    for number in range(5):
        await world.bob.send(room.channel, f"message {number}")
    await kept(room, Kind.MESSAGE, 5)
    await room.approve()
    await room.status("verified")
    await room.close()
    text = await room.postmortem()
    statement = text.partition("## How complete this is")[2]
    assert ":warning:" not in statement
    entries = await room.entries(Kind.MESSAGE)
    assert "missing" not in statement.lower(), statement
    counted = re.search(r"holds (\d+) of (\d+) messages", statement)
    assert counted is not None, statement
    assert counted[1] == counted[2], statement
    # What was posted with or after the postmortem came too late to be in it.
    assert 5 < int(counted[1]) <= len(entries), statement
