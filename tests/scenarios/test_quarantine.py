"""A version that was rolled back does not come back by itself, and undo never toggles."""

from sandbox.workspace import forms
from tests.scenarios.world import BAD, GENERAL, GOOD, OLDER, Room, World, buttons, whispered


async def rolled_back(world: World) -> Room:
    await world.bad_deploy()
    room = await world.declare()
    await room.approve()
    await room.status("verified")
    return room


async def test_the_bad_version_is_not_chosen_again(world: World) -> None:
    first = await rolled_back(world)
    await first.close()
    second = await world.declare()
    card = await second.card()
    assert f"`{GOOD}` → `{OLDER}`" in forms.text_of(card)
    assert "nobody saw it serve yet" in forms.text_of(card)
    assert f"Nobody has seen {OLDER} serve well yet" in forms.text_of(card)
    assert buttons(card) == ["Approve", "Reject", "Hold"]  # no third version is left to choose
    await second.approve()
    await second.status("verified")
    assert await world.serves() == OLDER


async def test_asking_for_the_bad_version_is_refused_with_the_reason(world: World) -> None:
    room = await rolled_back(world)
    await room.close()
    answer = await whispered(
        world.alice, GENERAL, lambda: world.alice.command(GENERAL, f"/rollback shop {BAD}")
    )
    assert f"{BAD} is quarantined by {room.id}: it was rolled back before." in answer
    assert len(await world.incidents()) == 1
