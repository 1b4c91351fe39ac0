"""Everything that can be typed after /rollback, and the form it opens."""

import pytest

from sandbox.workspace import forms
from tests.scenarios.world import BAD, DEPLOYS, GENERAL, GOOD, OLDER, World, whispered


async def answered(world: World, text: str) -> str:
    return await whispered(world.alice, GENERAL, lambda: world.alice.command(GENERAL, text))


async def test_help(world: World) -> None:
    answer = await answered(world, "/rollback help")
    assert "/rollback shop --dry-run" in answer
    assert "Nothing is changed before the plan has been approved." in answer


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("/rollback shpo", "Did you mean shop?"),
        ("/rollback shop v9", "v9 is not a release that can be run here. These are: "),
        (f"/rollback shop {GOOD}", f"{GOOD} is what runs now. Choose another version."),
        ("/rollback shop ../../etc", "cannot be a version. A version looks like v1.2.9."),
        ("/rollback shop --force", "I do not know --force."),
        ("/rollback shop v1.2.9 now", "That is more than a service and a version."),
    ],
)
async def test_a_mistake_is_answered_and_opens_nothing(world: World, typed: str, said: str) -> None:
    assert said in await answered(world, typed)
    assert not await world.incidents()
    assert not [c for c in await world.alice.channels() if c.get("name", "").startswith("inc-")]


async def test_a_dry_run_shows_the_plan_and_changes_nothing(world: World) -> None:
    await world.bad_deploy()
    answer = await answered(world, "/rollback shop --dry-run")
    assert f"Dry run: shop back to {GOOD}" in answer
    assert f"`{BAD}` → `{GOOD}`" in answer
    assert "Nothing was changed and no incident was opened." in answer
    assert not await world.incidents()
    assert await world.serves() == BAD


async def test_a_version_of_ones_own(world: World) -> None:
    await world.bad_deploy()
    room = await world.declare(f"/rollback shop {OLDER}")
    card = await room.card(to=OLDER)
    assert "chosen by hand" in forms.text_of(card)
    await room.approve(to=OLDER)
    await room.status("verified")
    assert await world.serves() == OLDER


async def test_the_picker(world: World) -> None:
    """From a channel that kaeru is not in."""
    await world.bad_deploy()
    await world.alice.command(DEPLOYS, "/rollback")
    modal = await world.alice.modal("Roll back")
    response = await world.alice.submit_view(modal, {"Service": "shop", "Version": "v9"})
    assert "v9 is not a release" in str(response["errors"])
    assert not await world.incidents()
    assert await world.alice.submit_view(modal, {"Service": "shop", "Version": ""}) == {}

    async def opened() -> bool:
        return bool(await world.incidents())

    await world.until(opened, "an incident")
    assert (await world.incidents())[0].source_channel == world.ws.channel("deploys").id
    await world.alice.channel("inc-")


async def test_the_picker_only_looks(world: World) -> None:
    await world.bad_deploy()
    await world.alice.command(GENERAL, "/rollback")
    modal = await world.alice.modal("Roll back")
    shown = await whispered(
        world.alice,
        GENERAL,
        lambda: world.alice.submit_view(
            modal, {"Service": "shop", "Only look": ["Show the plan, change nothing"]}
        ),
    )
    assert f"Dry run: shop back to {GOOD}" in shown
    assert not await world.incidents()
