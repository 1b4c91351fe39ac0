"""One service, one incident, one rollback, however many people ask."""

import asyncio

from bot.domain import events as e
from bot.domain.timeline import Kind
from sandbox.workspace import forms
from tests.scenarios.world import BAD, DEPLOYS, GENERAL, GOOD, OLDER, World, has_button, whispered


async def test_the_second_one_joins(world: World) -> None:
    await world.bad_deploy()
    room = await world.declare()
    answer = await whispered(world.dan, GENERAL, lambda: world.dan.command(GENERAL, "/rollback shop"))
    assert f"shop has an open incident already: <#{room.channel}>" in answer
    await room.joined(world.dan)
    await room.sees("<@U0DAN> asked for a rollback of shop too")
    assert len(await world.incidents()) == 1
    assert len((await room.incident()).plans) == 1


async def test_two_people_approve_at_the_same_moment(world: World) -> None:
    await world.bad_deploy()
    room = await world.declare()
    card = await room.card()
    await asyncio.gather(world.bob.click(card, "Approve"), world.carol.click(card, "Approve"))
    await room.status("verified")
    assert len((await room.incident()).runs) == 1
    assert len(await room.events(e.RollbackApproved)) == 1
    log = (world.shop.root / "log" / "shop.log").read_text(encoding="utf-8")
    assert log.count(" serves port ") == 3  # v1.2.9, v1.3.0, and back: once


async def test_twenty_ask_at_once(world: World) -> None:
    await world.bad_deploy()
    people = [world.alice, world.bob, world.carol, world.dan]
    places = [GENERAL, DEPLOYS]
    asked = [people[n % 4].command(places[n % 2], "/rollback shop") for n in range(20)]
    await asyncio.gather(*asked)

    async def opened() -> str | None:
        found = await world.incidents()
        return found[0].channel_id if found else None

    channel = await world.until(opened, "the channel")

    async def all_in() -> bool:
        return {p.id for p in people} <= set(world.ws.channel(channel).members)

    await world.until(all_in, "everybody to be in the channel")
    (incident,) = await world.incidents()
    declared = await world.read(lambda uow: uow.timeline.entries(incident.id, kinds=(Kind.EVENT,)))
    assert [x.body["type"] for x in declared].count("incident_declared") == 1
    assert len(incident.joined) == 3
    assert len([c for c in await world.alice.channels() if c.get("name", "").startswith("inc-")]) == 1


async def test_asking_again_after_a_rejection_makes_a_new_plan(world: World) -> None:
    await world.bad_deploy()
    room = await world.declare()
    await world.bob.click(await room.card(), "Reject")
    await world.bob.submit_view(await world.bob.modal("Reject the plan"), {})
    await room.sees("This plan was rejected")
    await world.alice.command(GENERAL, "/rollback shop")
    await room.when(lambda i: len(i.plans) == 2, "a new plan")
    await room.card()


async def test_somebody_else_cannot_replace_the_plan_by_a_command(world: World) -> None:
    """Dan may not choose a version on the card, so he may not by naming one either."""
    await world.bad_deploy()
    room = await world.declare()
    await room.card()
    typed = f"/rollback shop {OLDER}"
    answer = await whispered(world.dan, GENERAL, lambda: world.dan.command(GENERAL, typed))
    assert f"Going to {OLDER} instead is for its approvers to choose there." in answer
    await room.joined(world.dan)
    assert len((await room.incident()).plans) == 1
    await world.bob.command(GENERAL, typed)
    await room.card(to=OLDER)


async def test_asking_again_after_it_was_verified_looks_anew_and_goes_no_further_back(world: World) -> None:
    await world.bad_deploy()
    room = await world.declare()
    await room.approve()
    await room.status("verified")
    answer = await whispered(world.bob, GENERAL, lambda: world.bob.command(GENERAL, "/rollback shop"))
    assert "A new plan is being made there." in answer
    said = forms.text_of(await room.sees("a rollback of this incident brought it there"))
    assert f"shop runs {GOOD} already" in said
    assert await world.serves() == GOOD


async def test_a_bad_deploy_after_it_was_verified_is_rolled_back_in_the_same_incident(world: World) -> None:
    await world.bad_deploy()
    room = await world.declare()
    await room.approve()
    await room.status("verified")
    await world.deploy(BAD)
    await world.alice.command(GENERAL, "/rollback shop")
    await room.when(lambda i: len(i.plans) == 2 and i.plans[-1].state == "ready", "a plan from what runs now")
    card = await world.bob.message(
        room.channel, lambda m: "Plan 2 ·" in forms.text_of(m) and has_button(m, "Approve"), timeout=20
    )
    assert f"`{BAD}` → `{GOOD}`" in forms.text_of(card)
    await world.bob.click(card, "Approve")
    await room.when(lambda i: len(i.runs) == 2 and i.status.value == "verified", "well again", timeout_s=30)
    assert await world.serves() == GOOD
