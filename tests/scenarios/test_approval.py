"""Who may let a rollback happen, and what a button does when it is pressed too often, too late, or by the wrong person."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from bot.domain import events as e
from sandbox.workspace import forms
from tests.scenarios.conftest import NewWorld
from tests.scenarios.world import BAD, GOOD, OLDER, World, has_button

TWO: Mapping[str, Any] = {"policies": {"default": {"quorum": 2}}}


async def test_who_asked_may_not_approve(world: World) -> None:
    await world.bad_deploy()
    room = await world.declare()
    answer = await room.refuses(world.alice, await room.card(), "Approve")
    assert answer == (
        "You asked for this rollback, and the policy wants another person's approval. Ask <@U0BOB> or <@U0CAROL>."
    )
    incident = await room.incident()
    assert not incident.runs
    assert await world.serves() == BAD


async def test_a_quorum_of_two_is_two_people_and_a_double_click_is_one(new_world: NewWorld) -> None:
    world = await new_world(changes=TWO)
    await world.bad_deploy()
    room = await world.declare()
    card = await room.card()
    assert "2 approvals needed, from <@U0BOB> or <@U0CAROL>" in forms.text_of(card)
    await world.bob.click(card, "Approve")
    answer = await room.refuses(world.bob, card, "Approve")
    assert "You have approved already; another person's approval is still missing." in answer
    await room.sees("approved plan 1 (1 of 2). 1 more approval needed, from <@U0CAROL>")
    assert not (await room.incident()).runs

    await world.carol.click(await room.card(), "Approve")
    await room.status("verified")
    (run,) = (await room.incident()).runs
    assert run.approved_by == (world.bob.id, world.carol.id)
    assert len(await room.events(e.ApprovalGiven)) == 2


@pytest.mark.parametrize("button", ["Approve", "Reject", "Choose version", "Hold"])
async def test_somebody_else_presses_a_button(world: World, button: str) -> None:
    """Dan is in the channel but not among the approvers."""
    await world.bad_deploy()
    room = await world.declare()
    await world.alice.invite(room.channel, "dan")
    await room.joined(world.dan)
    card = await room.card()
    if button == "Approve":
        answer = await room.refuses(world.dan, card, button)
    else:
        await world.dan.click(card, button)
        modal = await world.dan.modal()
        values = {"Go back to": OLDER} if button == "Choose version" else {}
        response = await world.dan.submit_view(modal, values)
        answer = str(response["errors"])
    assert "You are not among the approvers of this rollback." in answer
    # A form shows plain text, so people are named there; a message mentions them.
    named = "<@U0ALICE>, <@U0BOB> or <@U0CAROL>" if button == "Approve" else "Alice, Bob or Carol"
    assert named in answer
    incident = await room.incident()
    assert (incident.held_by, len(incident.plans), incident.runs) == (None, 1, ())
    assert has_button(await room.card(), "Approve")


async def test_another_severity_counts_the_approvals_anew(new_world: NewWorld) -> None:
    """High wants two people, Critical one: raising it is enough for what bob has said already."""
    world = await new_world(changes={"policies": {"default": {"quorum": 2}, "critical": {"quorum": 1}}})
    await world.bad_deploy()
    room = await world.declare(severity="High")
    await room.approve(world.bob)
    await room.sees("1 more approval needed")
    await room.asks(world.carol, "/incident severity critical")
    await room.status("verified")
    (run,) = (await room.incident()).runs
    assert run.approved_by == (world.bob.id,)


async def test_an_expired_card_is_refreshed(new_world: NewWorld) -> None:
    world = await new_world(changes={"policies": {"default": {"expires_after": "5s"}}})
    await world.bad_deploy()
    room = await world.declare()
    card = await room.card()
    await room.sees("Plan 1 expired without enough approvals")
    assert "This plan has expired. Press Refresh for a new one." in await room.refuses(
        world.bob, card, "Approve"
    )
    refresh = await room.button("Refresh")
    await world.bob.click(refresh, "Refresh")
    await room.when(lambda i: len(i.plans) == 2, "a second plan")
    assert "There is a newer plan already" in await room.refuses(world.carol, refresh, "Refresh")
    await room.approve()
    await room.status("verified")
    assert (await room.incident()).runs[0].plan_number == 2


async def test_breaking_the_glass_wants_a_reason_and_is_never_forgotten(new_world: NewWorld) -> None:
    world = await new_world(changes=TWO)
    await world.bad_deploy()
    room = await world.declare(severity="High")
    assert not has_button(await room.card(), "Break glass")
    await room.asks(world.alice, "/incident severity critical")
    card = await room.button("Break glass")
    await world.bob.click(card, "Break glass")
    modal = await world.bob.modal("Break glass")
    with pytest.raises(LookupError, match="not optional"):
        await world.bob.submit_view(modal, {})
    response = await world.bob.submit_view(modal, {"Why can it not wait?": "   "})
    assert "Say why it cannot wait" in str(response["errors"])
    await world.bob.submit_view(modal, {"Why can it not wait?": "Carol cannot be reached"})
    await room.status("verified")
    (broken,) = await room.events(e.GlassBroken)
    assert (broken.by, broken.reason) == (world.bob.id, "Carol cannot be reached")
    await room.sees("Glass was broken")
    await room.close()
    assert "Carol cannot be reached" in await room.postmortem()


async def test_a_plan_is_rejected_with_a_reason(world: World) -> None:
    await world.bad_deploy()
    room = await world.declare()
    card = await room.card()
    await world.carol.click(card, "Reject")
    await world.carol.submit_view(
        await world.carol.modal("Reject the plan"), {"Why not?": f"{GOOD} has the old tax table"}
    )
    await room.sees("rejected plan 1")
    rest = await room.sees("This plan was rejected")
    assert f"{GOOD} has the old tax table" in forms.text_of(rest)
    assert "This plan was rejected." in await room.refuses(world.bob, card, "Approve")
    await world.bob.click(await room.button("Choose version"), "Choose version")
    await world.bob.submit_view(await world.bob.modal("Choose a version"), {"Go back to": OLDER})
    chosen = await room.card(to=OLDER)
    assert "You chose this version" in await room.refuses(world.bob, chosen, "Approve")
    await room.approve(world.carol, to=OLDER)
    await room.status("verified")
    assert await world.serves() == OLDER


async def test_the_button_of_an_older_plan_is_refused(world: World) -> None:
    await world.bad_deploy()
    room = await world.declare()
    first = await room.card()
    await world.bob.click(first, "Choose version")
    await world.bob.submit_view(await world.bob.modal("Choose a version"), {"Go back to": OLDER})
    await room.card(to=OLDER)
    answer = await room.refuses(world.bob, first, "Approve")
    assert answer == "This plan is out of date; a newer one is below."
    await asyncio.gather(*(world.bob.click(first, "Approve") for _ in range(3)))
    assert not (await room.incident()).runs
