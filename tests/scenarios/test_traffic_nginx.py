"""Users come back in stages behind a real nginx, while they keep coming."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.domain import events as e
from bot.domain.run import RAMP, StepState
from sandbox.workspace import forms
from tests.scenarios.conftest import NewWorld
from tests.scenarios.traffic_worlds import Street, nginx_street, reached, shares, steering
from tests.scenarios.world import BAD, GOOD


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    folder = tmp_path / "door"
    folder.mkdir()
    with nginx_street(folder) as found:
        yield found


async def test_a_whole_incident_behind_nginx(new_world: NewWorld, street: Street) -> None:
    # Which way a request goes is drawn by lot: half of it can be told apart from nothing and all by a few dozens.
    world = await new_world(serves=BAD, changes=street.changes(stages=[50, 100]))
    street.wall.target = world.shop.url
    async with street.users() as users:
        room = await world.declare()
        await room.approve()
        await reached(room, 0.0, 0.5, 1.0)
        await room.status("mitigated", "verified", timeout_s=40)
    run = (await room.incident()).runs[0]
    assert run.step(RAMP).state is StepState.SUCCEEDED
    assert "traffic is back, verified" in run.step(RAMP).detail
    split = await steering(world).inspect()
    assert (split.share, split.ready) == (1.0, 2)
    assert await world.serves() == GOOD
    assert set(users.failed) <= {"HTTP 503"}


async def test_nothing_is_ramped_down_where_all_traffic_is_there(new_world: NewWorld, street: Street) -> None:
    world = await new_world(serves=BAD, changes=street.changes(maintenance="when data changes"))
    street.wall.target = world.shop.url
    reloads = street.door.log.count(": reconfiguring")  # type: ignore[union-attr]  # it is nginx's door
    room = await world.declare()
    assert "maintenance page" not in forms.text_of(await room.card())
    await room.approve()
    await room.status("mitigated", "verified")
    run = (await room.incident()).runs[0]
    assert [step.id for step in run.steps] == ["apply:shop", "prove", RAMP, "watch"]
    assert (
        run.step(RAMP).detail == "100 % of the traffic reaches the service already: nothing was ramped down"
    )
    assert await room.events(e.TrafficShifted) == []
    assert street.door.log.count(": reconfiguring") == reloads  # type: ignore[union-attr]  # as above


async def test_it_begins_from_wherever_it_is(new_world: NewWorld, street: Street) -> None:
    street.door.set_by_hand(0.4)
    world = await new_world(serves=BAD, changes=street.changes(maintenance="never"))
    street.wall.target = world.shop.url
    async with street.users():
        room = await world.declare()
        assert "40 % of the traffic reaches the service now" in forms.text_of(await room.card())
        await room.approve()
        await reached(room, 0.4, 0.5, 1.0)
        await room.status("mitigated", "verified")
    assert await shares(room) == [0.4, 0.5, 1.0]


async def test_where_the_only_alternative_is_an_error_all_come_back_at_once(
    new_world: NewWorld, street: Street
) -> None:
    world = await new_world(serves=BAD, changes=street.changes(fast=True, soak="5m"))
    street.wall.target = world.shop.url
    async with street.users():
        room = await world.declare()
        assert "as fast as healthy backends allow" in forms.text_of(await room.card())
        await room.approve()
        await room.status("mitigated", "verified")
    assert await shares(room) == [0.0, 1.0]
    last = (await room.events(e.TrafficShifted))[-1]
    off = (await room.events(e.TrafficShifted))[0]
    assert (last.at - off.at).total_seconds() < 20
