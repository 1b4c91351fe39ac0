"""Whatever goes wrong, a person is answered, told what is true, and nothing is done a second time behind their back."""

import dataclasses
from datetime import timedelta

from bot.domain import events as e
from bot.domain.base import BOT, Refusal
from bot.domain.timeline import Entry, Kind
from bot.usecases import commands as c
from handlers.attend import attend
from handlers.inbox import INTERACTIVE
from handlers.surface import Body, Handler, LaterSurface, Surface
from sandbox.workspace import forms
from sandbox.workspace.manifest import load
from tests.scenarios.conftest import NewWorld
from tests.scenarios.test_replay import command, left_behind
from tests.scenarios.world import GENERAL, MANIFEST, Room, World, whispered


async def pending(world: World) -> int:
    return len(await world.read(lambda uow: uow.inbox.pending(1000, kinds=INTERACTIVE)))


async def nothing_pending(world: World) -> None:
    async def none() -> bool:
        return await pending(world) == 0

    await world.until(none, "every request to be settled")


async def said_and_done(room: Room) -> list[Entry]:
    """What people did. Probes, and what Slack shows of it all, go on by themselves."""
    return [entry for entry in await room.entries(Kind.EVENT) if entry.actor != BOT]


async def test_an_answer_that_is_lost_comes_another_way(world: World) -> None:
    await world.bad_deploy()
    room = await world.declare()
    world.ws.fault("response_url", "http_error", times=1)
    assert await room.asks(world.alice, "/incident note a dump runs") == "Noted in the timeline."
    (note,) = await room.events(e.NoteAdded)
    assert note.text == "a dump runs"
    world.ws.fault("response_url", "http_error", times=1)
    answer = await room.asks(world.alice, "/incident severity nonsense")
    assert "Something went wrong" not in answer
    await nothing_pending(world)
    before = await said_and_done(room)
    assert before
    await world.stop()
    await world.start()
    assert await said_and_done(room) == before


async def test_what_failed_is_told_and_not_done_at_the_next_start(world: World) -> None:
    done: list[str] = []

    async def fails(_body: Body, _surface: Surface, _inbox_id: int | None) -> None:
        done.append("once")
        raise ZeroDivisionError

    body = command(world, "/rollback", "shop", GENERAL)
    answer = await whispered(world.alice, GENERAL, lambda: asked(world, fails, body))
    assert "Nothing was changed by this request. Try again" in answer
    assert await pending(world) == 0
    (dead,) = await world.read(lambda uow: uow.inbox.dead_items())
    assert dead.reason.startswith("ZeroDivisionError")
    await world.stop()
    await world.start()
    assert not await world.incidents()
    assert done == ["once"]


async def asked(world: World, handler: Handler, body: Body) -> None:
    row = await world.running.store.write(
        lambda uow: uow.inbox.receive(f"command:{body['trigger_id']}", "command", body)
    )
    assert row is not None
    rooms = world.running._handlers.rooms
    await attend(rooms, handler, body, LaterSurface(rooms, body, row), row)


async def test_what_fails_after_the_decision_does_not_deny_it(world: World) -> None:
    await world.bad_deploy()
    room = await world.declare()
    rooms = world.running._handlers.rooms

    async def fails_late(_body: Body, _surface: Surface, inbox_id: int | None) -> None:
        note = c.AddNote(by=world.alice.id, incident_id=room.id, text="kept")
        await rooms.desk.handle(note, inbox_id=inbox_id)
        raise ZeroDivisionError

    body = command(world, "/incident", "note kept", GENERAL)
    answer = await whispered(world.alice, GENERAL, lambda: asked(world, fails_late, body))
    assert "What you asked for is done" in answer
    assert "Nothing was changed" not in answer
    assert [note.text for note in await room.events(e.NoteAdded)] == ["kept"]


async def test_a_refusal_is_settled_before_it_is_answered(world: World) -> None:
    seen: list[int] = []

    class Watching:
        async def reply(self, text: str, blocks: object = ()) -> None:
            seen.append(await pending(world))
            raise ConnectionResetError

        async def open_modal(self, view: dict[str, object]) -> None:
            raise NotImplementedError

    async def refuses(_body: Body, _surface: Surface, _inbox_id: int | None) -> None:
        raise Refusal("That is not for you to decide.")

    body = command(world, "/rollback", "shop", GENERAL)
    row = await world.running.store.write(lambda uow: uow.inbox.receive("command:1", "command", body))
    rooms = world.running._handlers.rooms
    answer = await whispered(world.alice, GENERAL, lambda: attend(rooms, refuses, body, Watching(), row))
    assert answer == "That is not for you to decide."
    assert seen == [0]


async def test_a_command_that_only_the_manifest_knows(new_world: NewWorld) -> None:
    whole = load(MANIFEST)
    other = dataclasses.replace(whole.commands["/rollback"], command="/deploy")
    world = await new_world(
        manifest=dataclasses.replace(whole, commands={**whole.commands, "/deploy": other})
    )
    answer = await whispered(
        world.alice, GENERAL, lambda: world.alice.command(GENERAL, "/deploy shop v1.3.0")
    )
    assert answer.startswith("kaeru does not know /deploy, and nothing was done.")
    await nothing_pending(world)
    await world.stop()
    await left_behind(world, "command", command(world, "/deploy", "again", GENERAL))
    answer = await whispered(world.alice, GENERAL, world.start)
    assert answer.startswith("kaeru does not know /deploy")
    await nothing_pending(world)


async def test_however_many_wait_at_the_start(world: World) -> None:
    await world.stop()
    for n in range(3):
        await left_behind(world, "action", {"trigger_id": f"broken-{n}", "user": {"id": world.bob.id}})
    many = [command(world, "/nothing", str(n), GENERAL) for n in range(450)]
    await left_behind(world, "command", *many, age=timedelta(minutes=20))
    await world.start()
    assert await pending(world) == 0
    assert len(await world.read(lambda uow: uow.inbox.dead_items())) == 3


async def test_a_channel_that_cannot_be_opened_is_told_to_who_asked(world: World) -> None:
    await world.bad_deploy()
    world.ws.fault("conversations.create", "error", error="restricted_action", times=1000)
    await world.alice.command(GENERAL, "/rollback shop")
    told = await world.alice.message("@kaeru", "could not be opened", timeout=20)
    text = forms.text_of(told)
    (incident,) = await world.incidents()
    assert incident.id in text
    assert "kaeru status --retry-dead" in text
    room = Room(world, incident.id, "")
    assert [f.what for f in await room.events(e.DeliveryFailed)] == ["open channel (channel)"]
