"""What kaeru switches off so that a rollback lasts: shown, given back once, or taken over by somebody."""

import asyncio
from datetime import timedelta

import pytest

from bot.domain import events as e
from bot.domain.debts import Debt
from bot.domain.evidence import Probe
from bot.domain.incident import Incident
from bot.ports import OutcomeUnknown, Refused, Unavailable
from bot.usecases.fleet import Fleet, Hands
from bot.workflows import repay
from sandbox.workspace import forms
from sandbox.workspace.model import Json
from tests.fakes.health import MemoryHealth
from tests.fakes.target import MemoryTarget
from tests.scenarios.conftest import NewWorld
from tests.scenarios.test_incident_command import home_says
from tests.scenarios.world import BAD, GOOD, INCIDENTS, OLDER, Room, World, buttons, has_button

SAID = "Argo CD does not sync shop any more."


class Mirror:
    """The health of whatever a target in memory runs: the bad version answers with errors."""

    def __init__(self, target: MemoryTarget) -> None:
        self._target = target

    async def round(self) -> tuple[Probe, ...]:
        ill = {"/checkout": "HTTP 500"} if self._target.running == BAD else {}
        return await MemoryHealth(self._target.running, ("/products", "/cart", "/checkout"), ill).round()


@pytest.fixture
def target() -> MemoryTarget:
    return MemoryTarget(GOOD, (OLDER, GOOD, BAD), suspends=SAID)


@pytest.fixture
async def world(new_world: NewWorld, target: MemoryTarget, monkeypatch: pytest.MonkeyPatch) -> World:
    """The shop runs in memory, also after a restart of kaeru."""
    hands = Hands(targets={"shop": target}, health=Mirror(target), changes=None)
    monkeypatch.setattr("bot.app.fleet_of", lambda *_: Fleet({"shop": hands}))
    monkeypatch.setattr(repay, "INSIST_FOR_S", 0.3)
    monkeypatch.setattr(repay, "LOOK_AGAIN_S", 0.05)
    return await new_world()


async def rolled_back(world: World, target: MemoryTarget) -> Room:
    """Verified, and its debt is on the card of the outcome."""
    await world.known_good()
    target.deploy(BAD)
    room = await world.declare()
    await room.approve()
    await room.status("verified")
    return room


async def the_card(room: Room, text: str = "Verified", button: str = "Give back") -> Json:
    return await room.sees(lambda m: text in forms.text_of(m) and has_button(m, button))


def owes_nothing(incident: Incident) -> bool:
    return not incident.debts


async def test_taken_shown_not_closed_over_and_given_back_once(world: World, target: MemoryTarget) -> None:
    room = await rolled_back(world, target)
    (taken,) = await room.events(e.DebtTaken)
    assert taken.debt.text == SAID
    card = await the_card(room)
    shown = forms.text_of(card)
    assert SAID in shown
    assert f"Give it back once Git says {GOOD}." in shown
    assert "Nobody sees to it yet." in shown
    assert SAID in await room.asks(world.carol, "/incident status")
    await home_says(world, "dan", SAID)

    refused = await room.asks(world.alice, "/incident close all is well")
    assert "cannot be closed yet: 1 thing that kaeru suspended has nobody to see to it" in refused
    answer = [m for m in await room.messages() if m.get("is_ephemeral")][-1]
    assert buttons(answer) == ["Give back", "I see to it"]
    assert (await room.incident()).status == "verified"
    assert buttons(card) == ["Give back", "I see to it", "Root cause and lessons"]

    outsider = await room.refuses(world.dan, card, "Give back")
    assert "You are not among the approvers" in outsider
    await asyncio.gather(world.bob.click(card, "Give back"), world.bob.click(card, "Give back"))
    await room.when(owes_nothing, "it to be given back")
    await room.sees("<@U0BOB> gave back what was suspended")
    (repaid,) = await room.events(e.DebtRepaid)
    assert (repaid.by, repaid.text) == (world.bob.id, SAID)
    assert len(await room.events(e.RepaymentAsked)) == 1
    assert len(target.repaid) == 1
    assert "given back already" in await room.refuses(world.carol, card, "Give back")
    await room.sees(lambda m: "Verified" in forms.text_of(m) and buttons(m)[:1] == ["Close the incident"])
    await room.close()
    text = await room.postmortem()
    assert "Given back by Bob" in text
    assert "Give back:" not in text
    told = [forms.text_of(m) for m in await world.alice.messages(INCIDENTS)]
    assert not any("suspended" in message for message in told)


async def test_found_given_back_by_others(world: World, target: MemoryTarget) -> None:
    room = await rolled_back(world, target)
    target.debts.clear()
    await world.running.survey.sweep()
    await room.when(owes_nothing, "it to be noticed")
    await room.sees("Found given back")
    (repaid,) = await room.events(e.DebtRepaid)
    assert repaid.by == "kaeru"
    await room.close()


async def test_taken_over_closed_and_in_the_postmortem(world: World, target: MemoryTarget) -> None:
    room = await rolled_back(world, target)
    await world.dan.click(await the_card(room), "I see to it")
    await room.sees("<@U0DAN> sees to what is suspended")
    await room.close()
    text = await room.postmortem()
    assert f"Give back: {SAID}" in text
    assert "(Dan)" in text
    assert "**not yet**" in text
    assert "sees to what is suspended outside kaeru" in text
    mine = await home_says(world, "dan", "you see to what is suspended")
    assert SAID in mine

    closed = await the_card(room, "the incident is closed")
    await world.carol.click(closed, "Give back")
    await room.when(owes_nothing, "it to be given back, although the incident is closed")
    assert len(target.repaid) == 1


async def test_a_refusal_is_a_sentence_on_the_card_and_another_try_is_free(
    world: World, target: MemoryTarget
) -> None:
    room = await rolled_back(world, target)
    target.declines.append(Refused("Git still says v1.3.0.", remedy="Revert the commit first."))
    await world.bob.click(await the_card(room), "Give back")
    card = await the_card(room, "It could not be given back: Git still says v1.3.0. Revert the commit first.")
    assert target.debts
    assert "Done by hand" in buttons(card)
    await world.bob.click(card, "Give back")
    await room.when(owes_nothing, "the second try")
    assert len(await room.events(e.RepaymentAsked)) == 2


async def test_what_cannot_be_reached_is_tried_again_and_what_is_unknown_is_looked_at(
    world: World, target: MemoryTarget
) -> None:
    room = await rolled_back(world, target)
    target.declines += [
        Unavailable("Argo CD does not answer.", retry_after_s=0.05),
        OutcomeUnknown("The connection was lost."),
    ]
    await world.bob.click(await the_card(room), "Give back")
    await room.when(owes_nothing, "it to be seen")
    assert target.declines == []
    assert await room.events(e.DebtKept) == []


async def test_stopped_between_giving_back_and_writing_it_down(
    world: World, target: MemoryTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await rolled_back(world, target)
    done = asyncio.Event()
    give_back = target.repay

    async def and_never_answers(debt: Debt, key: str) -> None:
        await give_back(debt, key)
        done.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(target, "repay", and_never_answers)
    await world.bob.click(await the_card(room), "Give back")
    await asyncio.wait_for(done.wait(), 10)
    await world.stop()
    monkeypatch.setattr(target, "repay", give_back)
    await world.start()
    await room.when(owes_nothing, "it to be written down")
    (repaid,) = await room.events(e.DebtRepaid)
    assert repaid.by == world.bob.id
    assert len(target.repaid) == 1


async def test_a_component_that_is_not_configured_any_more_is_done_by_hand(
    world: World, monkeypatch: pytest.MonkeyPatch, target: MemoryTarget
) -> None:
    room = await rolled_back(world, target)
    monkeypatch.setattr("bot.app.fleet_of", lambda *_: Fleet({"shop": Hands({}, None, None)}))
    await world.stop()
    await world.start()
    await world.bob.click(await the_card(room), "Give back")
    card = await the_card(room, "is not in kaeru.yml any more", button="Done by hand")
    assert "(memory:shop)" in forms.text_of(card)
    await world.bob.click(card, "Done by hand")
    await room.when(owes_nothing, "Bob's word")
    (repaid,) = await room.events(e.DebtRepaid)
    assert repaid.by == world.bob.id


async def test_people_are_reminded_of_it_daily(world: World, target: MemoryTarget) -> None:
    room = await rolled_back(world, target)
    await world.dan.click(await the_card(room), "I see to it")
    await room.when(lambda i: not i.unowned, "an owner")
    await room.close()
    nudges = world.running.nudges
    clock = nudges._clock
    for days in (0.5, 1.5, 1.6, 2.5):
        nudges._clock = lambda days=days: clock() + timedelta(days=days)  # type: ignore[misc]  # binds the loop's value
        await nudges.remind()

    async def reminded() -> bool:
        found = [
            m for m in await room.messages() if "still suspended because of the rollback" in forms.text_of(m)
        ]
        assert all("<@U0DAN>, there is something still suspended" in forms.text_of(m) for m in found)
        assert len(found) <= 2
        return len(found) == 2

    await world.until(reminded, "two reminders")
