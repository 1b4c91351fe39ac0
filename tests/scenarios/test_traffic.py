"""Users are taken off, and come back in stages behind a real HAProxy: what is served decides, and people may."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.domain import events as e
from bot.domain.afterwards import UNSEEN
from bot.domain.evidence import Outcome
from bot.domain.incident import Incident
from bot.domain.run import OFF, PROVE, RAMP, WATCH, StepState
from bot.workflows import ascent
from sandbox.workspace import forms
from tests.scenarios.conftest import NewWorld
from tests.scenarios.traffic_worlds import Street, haproxy_street, reached, shares, steering
from tests.scenarios.world import BAD, GOOD, World, buttons, has_button


@pytest.fixture
def street(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Street]:
    monkeypatch.setattr(ascent, "SHORTEST", timedelta(seconds=1.5))
    folder = tmp_path / "door"
    folder.mkdir()
    with haproxy_street(folder) as found:
        yield found


async def opened(
    new_world: NewWorld, street: Street, *, broken: tuple[str, ...] = (), **traffic: object
) -> World:
    """v1.3.0 serves, and nobody has seen v1.2.9 serve yet."""
    world = await new_world(serves=BAD, changes=street.changes(**traffic), broken=broken)
    street.wall.target = world.shop.url
    return world


async def test_a_whole_incident_behind_haproxy(new_world: NewWorld, street: Street) -> None:
    world = await new_world(changes=street.changes())
    street.wall.target = world.shop.url
    await world.bad_deploy()
    async with street.users() as users:
        room = await world.declare()
        plan = forms.text_of(await room.card())
        assert "Take users to the maintenance page" in plan
        assert (
            "Bring users back in stages of 25 %, 50 %, 100 %, each of which has to go well for 0.5 s" in plan
        )
        await room.approve()
        await reached(room, 0.0, 0.25)
        card = await room.button("Stop")
        assert "Hold at this share" in buttons(card)
        await world.bob.command(room.channel, "/incident hold the cache is cold")
        await room.sees(lambda m: "people hold it" in forms.text_of(m))
        assert await shares(room) == [0.0, 0.25]
        assert "is on hold" in await room.asks(world.bob, "/incident traffic continue")
        await world.bob.command(room.channel, "/incident hold off")
        await room.status("verified")
        assert users.done > 0
    run = (await room.incident()).runs[0]
    assert [step.id for step in run.steps] == [OFF, "apply:shop", PROVE, RAMP, WATCH]
    assert {step.state for step in run.steps} == {StepState.SUCCEEDED}
    assert await shares(room) == [0.0, 0.25, 0.5, 1.0]
    assert (await steering(world).inspect()).share == 1.0
    assert run.traffic.before == 1.0
    mitigated, *_ = await room.events(e.IncidentMitigated)
    last = (await room.events(e.TrafficShifted))[-1]
    assert mitigated.at > last.at
    assert (await room.incident()).debts == ()
    # Nobody saw an error but the maintenance page and what v1.3.0 had before it.
    assert set(users.failed) <= {"HTTP 503"}


async def test_back_when_it_gets_ill_and_up_again_when_it_is_well(
    new_world: NewWorld, street: Street
) -> None:
    world = await opened(new_world, street)
    async with street.users():
        room = await world.declare()
        await room.approve()
        await reached(room, 0.0, 0.25)
        street.wall.ill = True
        await reached(room, 0.0, 0.25, 0.0)
        assert (await steering(world).inspect()).share == 0.0
        street.wall.ill = False
        await room.status("mitigated", "verified", timeout_s=40)
    assert await shares(room) == [0.0, 0.25, 0.0, 0.25, 0.5, 1.0]
    back = (await room.events(e.TrafficShifted))[2]
    assert back.back
    assert "back to 0 %" in back.sentence


async def test_nobody_knows_so_people_are_asked_and_a_stop_is_owed(
    new_world: NewWorld, street: Street
) -> None:
    world = await opened(new_world, street, patience="1s")
    room = await world.declare()
    await room.approve()
    await reached(room, 0.0, 0.25)
    card = await room.button("Continue")
    shown = forms.text_of(card)
    assert (
        "Shall users come back to shop any further? 25 % of the traffic reaches the service."
        in shown.replace("*", "")
    )
    assert "not verified: share served: no request was counted" in shown
    assert buttons(card) == ["Continue", "Stop"]
    assert "You are not among the approvers" in await room.refuses(world.dan, card, "Continue")
    assert "Somebody has to say whether users come back" in await room.asks(world.carol, "/incident status")
    await world.bob.click(card, "Continue")
    await reached(room, 0.0, 0.25, 0.5)
    (continued,) = await room.events(e.TrafficContinued)
    assert continued.by == world.bob.id
    await room.sees(lambda m: "50 % of the traffic reaches" in forms.text_of(m) and has_button(m, "Continue"))
    assert "the run ends" in await room.asks(world.bob, "/incident traffic stop")

    stuck = await room.sees("Not all users were brought back to v1.2.9")
    assert "Only 50 % of the traffic reaches shop" in forms.text_of(stuck)
    incident = await room.when(lambda i: bool(i.runs) and i.runs[0].ended_at is not None, "the run to end")
    run = incident.runs[0]
    assert (run.outcome, run.took_place) == (Outcome.FAILED, False)
    assert run.step(RAMP).detail == "somebody stopped it at 50 %"
    assert await world.serves() == GOOD
    ledger = await world.read(lambda uow: uow.releases.all("shop"))
    assert ledger[GOOD].quarantined_by is None
    await room.sees("runs v1.2.9 already, where this rollback was heading")
    assert "nobody to see to it" in await room.asks(world.alice, "/incident close unverified enough")

    card = await room.button("Bring all back", by=world.bob)
    await world.bob.click(card, "Bring all back")
    await room.when(lambda i: not i.debts, "users to be back")
    assert (await steering(world).inspect()).share == 1.0
    (repaid,) = await room.events(e.DebtRepaid)
    assert repaid.by == world.bob.id
    await room.close()
    assert "Given back by Bob (traffic:shop)" in await room.postmortem()


async def test_what_others_do_to_it_is_seen(new_world: NewWorld, street: Street) -> None:
    """Somebody sets another share; somebody brings all back after a stop, and takes over what is owed."""
    world = await opened(new_world, street, patience="1s")
    async with street.users():
        room = await world.declare()
        await room.approve()
        await reached(room, 0.0, 0.25)
        street.door.set_by_hand(0.4)
        await room.sees("somebody else has set traffic to 40")
    await world.bob.click(await room.button("Continue"), "Stop")
    await room.when(lambda i: bool(i.debts), "the debt")
    await world.dan.click(await room.button("I see to it"), "I see to it")
    await room.when(lambda i: not i.unowned, "an owner")
    street.door.set_by_hand(1.0)
    await world.running.survey.sweep()
    await room.when(lambda i: not i.debts, "that to be noticed")
    (repaid,) = await room.events(e.DebtRepaid)
    assert repaid.by == "kaeru"


async def test_users_come_back_to_what_was_before_where_the_target_does_not_start(
    new_world: NewWorld, street: Street
) -> None:
    world = await opened(new_world, street, broken=(GOOD,))
    room = await world.declare()
    await room.approve(to=GOOD)
    await room.sees(
        "The switch did not succeed. shop was put back: shop runs v1.3.0 now. All traffic reaches the service."
    )
    assert await shares(room) == [0.0, 1.0]
    assert (await steering(world).inspect()).share == 1.0
    assert (await room.incident()).debts == ()


async def test_a_balancer_that_does_not_answer_holds_up_no_code(
    new_world: NewWorld, street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.workflows.ramping.INSIST_FOR_S", 0.5)
    world = await opened(new_world, street, patience="1s")
    street.door.stop()
    try:
        room = await world.declare()
        assert "the rollback does not wait for it" in forms.text_of(await room.card())
        await room.approve()
        await room.when(_proven, "the proof")
        assert await world.serves() == GOOD
        run = (await room.incident()).runs[0]
        assert run.step(OFF).state is StepState.FAILED
        assert "The rollback goes on without it." in run.step(OFF).detail
        card = await room.button("Continue")
    finally:
        street.door.start()
    await world.bob.click(card, "Continue")
    await room.status("mitigated", "verified")
    assert "already: nothing was ramped down" in (await room.incident()).runs[0].step(RAMP).detail


def _proven(incident: Incident) -> bool:
    return bool(incident.runs) and incident.runs[0].proven


async def test_a_continue_given_while_the_balancer_is_away_is_kept(
    new_world: NewWorld, street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ascent, "TELL_AFTER", timedelta(seconds=0.5))
    world = await opened(new_world, street, patience="1s")
    room = await world.declare()
    await room.approve()
    await reached(room, 0.0, 0.25)
    card = await room.button("Continue")  # nobody comes, so nothing is verified
    socket = street.door.settings().socket
    away = Path(f"{socket}.away")
    os.rename(socket, away)  # noqa: PTH104 - a rename on this disk is instant
    try:
        await room.when(lambda i: UNSEEN in i.runs[0].step(RAMP).detail, "that the share is not known")
        assert UNSEEN in await room.asks(world.carol, "/incident status")
        await world.bob.click(card, "Continue")
        await room.when(lambda i: UNSEEN in i.runs[0].traffic.asked, "the call for people")
    finally:
        os.rename(away, socket)  # noqa: PTH104 - as above
    await reached(room, 0.0, 0.25, 0.5)
    assert len(await room.events(e.TrafficContinued)) == 1
