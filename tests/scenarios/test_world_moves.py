"""Somebody acts past kaeru while people decide. kaeru says so, and does nothing that was not approved."""

import pytest

from bot.domain import events as e
from bot.ports import Change, Observation
from integrations.symlink import SymlinkTarget
from sandbox.workspace import forms
from tests.scenarios.world import BAD, GOOD, OLDER, World, has_button


async def test_another_version_is_deployed_while_the_card_is_open(world: World) -> None:
    await world.bad_deploy()
    room = await world.declare()
    card = await room.card()
    await world.deploy(OLDER)
    dead = await room.sees("is out of date")
    assert f"shop changed from {BAD} to {OLDER} meanwhile" in forms.text_of(dead)
    assert not has_button(dead, "Approve")
    assert "out of date" in await room.refuses(world.bob, card, "Approve")
    fresh = await room.card(of=OLDER)
    assert f"`{OLDER}` → `{GOOD}`" in forms.text_of(fresh)
    assert await world.serves() == OLDER


async def test_somebody_rolls_back_by_hand_to_where_the_plan_was_heading(world: World) -> None:
    await world.bad_deploy()
    room = await world.declare()
    await room.card()
    await world.deploy(GOOD)
    said = await room.sees("someone else moved it")
    assert f"shop runs {GOOD} already, where this rollback was heading" in forms.text_of(said)
    assert "If users are well, close the incident" in forms.text_of(said)
    assert not any(has_button(m, "Approve") for m in await room.messages())
    assert await world.serves() == GOOD
    assert not (await room.incident()).runs


async def test_the_world_moves_between_the_last_look_and_the_click(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.bad_deploy()
    room = await world.declare()
    await room.card()
    apply = SymlinkTarget.apply

    async def somebody_was_quicker(self: SymlinkTarget, change: Change, key: str) -> Observation:
        await world.deploy(OLDER)
        return await apply(self, change, key)

    monkeypatch.setattr(SymlinkTarget, "apply", somebody_was_quicker)
    await room.approve()
    failed = await room.when(lambda i: bool(i.runs) and i.runs[0].ended_at is not None, "the run to end")
    monkeypatch.undo()
    assert failed.runs[0].outcome == "failed"
    await room.sees("Nothing of this change is in place.")
    (event,) = await room.events(e.RollbackFailed)
    assert f"points at {OLDER}" in event.reason
    assert await world.serves() == OLDER
    ledger = await world.read(lambda uow: uow.releases.all("shop"))
    assert ledger[GOOD].quarantined_at is None
    fresh = await room.card(of=OLDER)
    assert f"`{OLDER}` → `{GOOD}`" in forms.text_of(fresh)
    await world.bob.click(fresh, "Approve")
    await room.status("verified")
    assert await world.serves() == GOOD
