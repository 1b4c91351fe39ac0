"""Numbers over all incidents, after three that were really played, in chat and on the command line's text."""

import json
from datetime import timedelta

import pytest

from bot.domain import events as e
from bot.domain.stats import Ending
from bot.usecases.stats import gather
from tests.scenarios.world import GENERAL, Room, World, named, whispered


async def played(world: World) -> Room:
    """An incident that a rollback solved."""
    await world.bad_deploy()
    room = await world.declare()
    await room.approve()
    await room.status("verified")
    await room.close()
    return room


async def test_three_incidents_and_what_is_said_of_them(world: World) -> None:
    told = await whispered(world.alice, GENERAL, lambda: world.alice.command(GENERAL, "/incident stats"))
    assert "There are no numbers yet" in told

    right = await played(world)
    # A forward fix, and an exercise; the last one stays open.
    forward = await world.declare(severity="Medium")
    await forward.close("Fixed.")
    exercise = await world.declare(severity="Low")
    assert "leave it out" in await exercise.asks(world.alice, "/incident exercise")
    assert "already" in await exercise.asks(world.alice, "/incident exercise")
    await exercise.close("Well done.")
    still = await world.declare()

    told = await whispered(
        world.alice, GENERAL, lambda: world.alice.command(GENERAL, "/incident stats shop 30d")
    )
    assert "2 closed incidents; not in the numbers: 1 still open, 1 exercise." in told
    assert "Rollbacks*: right 1 of 1" in told or "Rollbacks: right 1 of 1" in told
    assert "1 fixed forward, 0 neither" in told
    assert "(of 1 of 2 incidents)" in told
    picture = await world.alice.wait_for(
        lambda: _picture(world), timeout=20, what="the picture in her own conversation"
    )
    assert picture.startswith(b"\x89PNG")

    running = world.running
    stats = await gather(
        running.store, service=None, since=None, until=running._clock(), zone=running._catalog.timezone
    )
    assert {case.incident_id for case in stats.cases} == {right.id, forward.id}
    (case,) = (case for case in stats.cases if case.incident_id == right.id)
    incident = await right.incident()
    assert case.endings == (Ending.RIGHT,)
    assert incident.mitigated_at is not None
    assert case.times.mitigate == incident.mitigated_at - incident.declared_at
    assert case.times.approve is not None
    assert timedelta(0) < case.times.approve < case.times.mitigate
    assert (await still.incident()).is_open
    assert [event.exercise for event in await exercise.events(e.ExerciseMarked)] == [True]
    assert json.loads(stats.model_dump_json())["whole"]["incidents"] == 2


async def _picture(world: World) -> bytes | None:
    for channel in await world.alice.channels():
        if not channel.get("is_im"):
            continue
        for message in await world.alice.messages(channel["id"]):
            if (file := named(message, ".png")) is not None:
                return await world.alice.download(file["url_private"])
    return None


@pytest.mark.parametrize(
    ("words", "expected"),
    [("nothing", "There is no service"), ("shop 30x", "no beginning"), ("2026-13", "There is no service")],
)
async def test_a_mistake_is_answered(world: World, words: str, expected: str) -> None:
    answer = await whispered(
        world.alice, GENERAL, lambda: world.alice.command(GENERAL, f"/incident stats {words}")
    )
    assert expected in answer
