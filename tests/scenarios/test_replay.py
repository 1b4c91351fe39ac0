"""What Slack handed over just before kaeru went down is carried out at the next start, or answered if it is too old."""

from datetime import UTC, datetime, timedelta
from typing import Any

from bot.store import Arrival, Store
from bot.views.ids import Action, Field, Modal, Ref
from tests.scenarios.world import BAD, GENERAL, GOOD, Room, World

Json = dict[str, Any]


async def left_behind(world: World, kind: str, *bodies: Json, age: timedelta = timedelta(0)) -> None:
    """Write requests into the inbox as the middleware does before they are acknowledged; kaeru is stopped."""
    assert world.kaeru is None
    received = datetime.now(UTC) - age
    store = await Store.open(f"sqlite:///{world.folder / 'data' / 'kaeru.sqlite'}", clock=lambda: received)
    try:
        arrivals = [Arrival(key=f"{kind}:{body['trigger_id']}", kind=kind, body=body) for body in bodies]
        assert None not in await store.write(lambda uow: uow.inbox.receive_many(arrivals))
    finally:
        await store.close()


def command(world: World, name: str, text: str, channel: str, *, by: str = "alice") -> Json:
    return {
        "command": name,
        "text": text,
        "user_id": world.ws.person(by).id,
        "channel_id": world.ws.channel(channel).id,
        "trigger_id": f"1.2.{name}{text}",
    }


async def test_a_rollback_that_was_asked_for(world: World) -> None:
    await world.bad_deploy()
    await world.stop()
    await left_behind(world, "command", command(world, "/rollback", "shop", GENERAL))
    await world.start()
    await world.alice.message(GENERAL, lambda m: bool(m.get("is_ephemeral")), timeout=10)

    async def opened() -> Room | None:
        found = [i for i in await world.incidents() if i.channel_id]
        return Room(world, found[0].id, str(found[0].channel_id)) if found else None

    room = await world.until(opened, "the incident")
    await room.choose("High")
    await room.approve()
    await room.status("verified")
    await world.stop()
    await world.start()
    assert len(await world.incidents()) == 1


async def test_an_approval_that_was_clicked(world: World) -> None:
    await world.bad_deploy()
    room = await world.declare()
    await room.card()
    plan = (await room.incident()).plans[0].plan
    assert plan is not None
    await world.stop()
    ref = Ref(incident_id=room.id, number=1, digest=plan.digest)
    click: Json = {
        "type": "block_actions",
        "trigger_id": "1.2.click",
        "user": {"id": world.bob.id},
        "channel": {"id": room.channel},
        "actions": [{"action_id": Action.ROLLBACK_APPROVE.value, "value": ref.encode()}],
    }
    await left_behind(world, "action", click)
    assert await world.serves() == BAD
    await world.start()
    await room.status("verified")
    assert await world.serves() == GOOD
    (run,) = (await room.incident()).runs
    assert run.approved_by == (world.bob.id,)


async def test_a_form_that_was_sent_in(world: World) -> None:
    await world.bad_deploy()
    room = await world.declare()
    await room.card()
    await world.stop()
    ref = Ref(incident_id=room.id)
    reason = {Field.REASON.value: {Field.REASON.value: {"type": "plain_text_input", "value": "a dump runs"}}}
    form: Json = {
        "type": "view_submission",
        "trigger_id": "1.2.form",
        "user": {"id": world.bob.id},
        "view": {
            "id": "V1",
            "callback_id": Modal.HOLD.value,
            "private_metadata": ref.encode(),
            "state": {"values": reason},
        },
    }
    await left_behind(world, "view", form)
    await world.start()
    held = await room.when(lambda i: i.held_by is not None, "the hold")
    assert (held.held_by, held.hold_reason) == (world.bob.id, "a dump runs")


async def test_a_form_that_cannot_be_carried_out_is_answered(world: World) -> None:
    """The form is gone by now, so the person is told in their own conversation with kaeru."""
    await world.bad_deploy()
    room = await world.declare()
    await room.card()
    await world.stop()
    ref = Ref(incident_id=room.id, number=1)
    form: Json = {
        "type": "view_submission",
        "trigger_id": "1.2.form",
        "user": {"id": world.bob.id},
        "view": {
            "id": "V1",
            "callback_id": Modal.ROLE.value,
            "private_metadata": Ref(incident_id="inc-20200101-shop-9").encode(),
            "state": {"values": {}},
        },
    }
    assert ref.incident_id != "inc-20200101-shop-9"
    await left_behind(world, "view", form)
    await world.start()
    await world.bob.message("@kaeru", "There is no incident inc-20200101-shop-9", timeout=15)


async def test_what_is_too_old_is_answered_and_not_done(world: World) -> None:
    await world.bad_deploy()
    await world.stop()
    old = command(world, "/rollback", "shop", GENERAL)
    await left_behind(world, "command", old, age=timedelta(minutes=20))
    await world.start()
    answer = await world.alice.message(
        GENERAL, "kaeru was down when you used /rollback, and nothing was done.", timeout=10
    )
    assert answer.get("is_ephemeral")
    assert not await world.incidents()


async def test_a_form_that_would_have_opened(world: World) -> None:
    await world.stop()
    await left_behind(world, "command", command(world, "/rollback", "", GENERAL))
    await world.start()
    await world.alice.message(
        GENERAL, "kaeru was restarting when you asked for “Roll back”. Please do it once more.", timeout=10
    )
