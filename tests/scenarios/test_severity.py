"""The severity decides whether there is a card at all, and who may approve it."""

from typing import Any

from bot.domain import events as e
from sandbox.workspace import forms
from tests.scenarios.conftest import NewWorld
from tests.scenarios.world import BAD, GOOD, Room, World, has_button

SOON: dict[str, Any] = {"forward_fix": {"medium": "2s", "low": "1h", "remind_every": "2s"}}


async def test_medium_suggests_a_forward_fix_and_asks_again(new_world: NewWorld) -> None:
    world = await new_world(changes=SOON)
    await world.bad_deploy()
    room = await world.declare(severity="Medium")
    card = await room.sees("Fix shop forward")
    text = forms.text_of(card)
    assert "<@U0ALICE>" in text
    assert "Due" in text
    assert not any(has_button(m, "Approve") for m in await room.messages())

    reminder = await room.sees("is the fix for shop out?")
    assert "1 reminder so far" in forms.text_of(reminder)
    later = await room.sees("2 reminders so far")
    assert has_button(later, "Roll back after all")
    older = await room.sees("a newer reminder is below")
    assert not has_button(older, "Roll back after all")

    await world.alice.click(later, "Roll back after all")
    await room.sees("chose to roll back after all")
    await room.approve()
    await room.status("verified")
    assert await world.serves() == GOOD
    assert [event.by for event in await room.events(e.RollbackChosen)] == ["U0ALICE"]


async def test_raised_to_critical_the_card_appears(world: World) -> None:
    await world.bad_deploy()
    room = await world.declare(severity="Low")
    await room.sees("Fix shop forward")
    answer = await room.asks(world.bob, "/incident severity critical")
    assert "The severity is Critical now." in answer
    card = await room.card()
    assert has_button(card, "Break glass")
    rested = await room.sees("No longer open; see the newest card.")
    assert "Fix shop forward" in forms.text_of(rested)
    assert not has_button(rested, "Roll back after all")


async def test_lowered_the_card_can_no_longer_be_approved(world: World) -> None:
    await world.bad_deploy()
    room = await world.declare(severity="Critical")
    card = await room.card()
    await room.asks(world.alice, "/incident severity medium")
    answer = await room.refuses(world.bob, card, "Approve")
    assert "A forward fix is under way" in answer

    async def no_card_is_left() -> bool:
        return not any(has_button(m, "Approve") for m in await room.messages())

    await world.until(no_card_is_left, "the card to be put to rest")
    assert await world.serves() == BAD
    assert not (await room.incident()).runs


async def test_the_severity_may_change_while_it_rolls_back_and_afterwards(new_world: NewWorld) -> None:
    world = await new_world(changes={"services": {"shop": {"watch": "3s"}}})
    await world.bad_deploy()
    room = await world.declare(severity="High")
    await room.approve()
    await room.when(lambda i: bool(i.runs), "a run")
    assert "Critical now" in await room.asks(world.alice, "/incident severity critical")
    await room.status("mitigated")
    prompt = await room.button("Change")
    await world.bob.click(prompt, "Change")
    await world.bob.submit_view(await world.bob.modal("Change the severity"), {"How bad is it?": "Medium"})
    await room.when(lambda i: i.severity is not None and i.severity.label == "Medium", "Medium")
    await room.status("verified")
    await still_no_forward_fix(room)


async def still_no_forward_fix(room: Room) -> None:
    incident = await room.incident()
    assert incident.forward_fix is None
    assert len(incident.runs) == 1


async def test_the_same_severity_again_is_answered(world: World) -> None:
    await world.bad_deploy()
    room = await world.declare(severity="High")
    assert "The severity is High already." in await room.asks(world.bob, "/incident severity high")
    assert "critical`, high, medium or low" in await room.asks(world.bob, "/incident severity purple")
