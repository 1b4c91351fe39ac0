"""A rollback that does not help: kaeru says so, leaves the service as safe as it can be, and offers what is next."""

from collections.abc import Mapping
from typing import Any

import pytest

from bot.domain import events as e
from bot.domain.evidence import Outcome
from bot.ports import Change, Observation, OutcomeUnknown, Unavailable
from integrations.symlink import SymlinkTarget
from sandbox.workspace import forms
from tests.scenarios.conftest import NewWorld
from tests.scenarios.world import BAD, GOOD, OLDER, World, has_button

# Three of ten checkouts fail: ten well in a row are not to be had by luck.
IMPATIENT: Mapping[str, Any] = {
    "services": {"shop": {"health": {"consecutive": 10, "interval": "100ms", "prove_for": "6s"}}}
}


async def test_the_target_is_ill_as_well(new_world: NewWorld) -> None:
    world = await new_world(serves=BAD, bad=[GOOD], changes=IMPATIENT)
    room = await world.declare()
    card = await room.approve()
    assert f"`{BAD}` → `{GOOD}`" in forms.text_of(card)
    stuck = await room.sees(f"{GOOD} did not help")
    assert "Prove from outside" in forms.text_of(stuck)
    said = forms.text_of(await room.sees("What serves now"))
    assert f"shop runs {await world.serves()} now" in said
    ledger = await world.read(lambda uow: uow.releases.all("shop"))
    assert ledger[GOOD].quarantined_by == room.id

    await room.approve(to=OLDER)
    await room.status("verified")
    assert await world.serves() == OLDER
    await room.close()
    text = await room.postmortem()
    assert f"### Run 1: {BAD} → {GOOD}, failed" in text
    assert f"### Run 2: {GOOD} → {OLDER}, succeeded" in text


async def test_no_version_is_left(new_world: NewWorld) -> None:
    world = await new_world(serves=BAD, bad=[GOOD, OLDER], changes=IMPATIENT)
    room = await world.declare()
    await room.approve(to=GOOD)
    await room.approve(to=OLDER)
    last = await room.sees("There is no version to return to")
    assert "Put a good release in place, or fix forward." in forms.text_of(last)
    assert not any(has_button(m, "Approve") for m in await room.messages())
    assert len((await room.incident()).runs) == 2


async def test_the_target_does_not_start(new_world: NewWorld) -> None:
    """The old process keeps serving, and the link is put back, so that both agree."""
    world = await new_world(serves=BAD, broken=[GOOD])
    room = await world.declare()
    await room.approve(to=GOOD)
    stuck = await room.sees(f"{GOOD} did not help")
    assert "The restart command ended with 1" in forms.text_of(stuck)
    await room.sees(f"The switch did not succeed. shop was put back: shop runs {BAD} now.")
    assert world.shop.shop.current_version() == BAD
    assert await world.serves() == BAD
    await room.approve(to=OLDER)
    await room.status("verified")
    assert await world.serves() == OLDER


async def test_what_the_surroundings_cause_is_not_held_against_the_version(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A switch that is halfway is put back, and the same version is offered again."""
    await world.bad_deploy()
    room = await world.declare()
    apply, calls = SymlinkTarget.apply, []

    async def has_no_room_once(self: SymlinkTarget, change: Change, key: str) -> Observation:
        calls.append(key)
        seen = await apply(self, change, key)
        if len(calls) > 1:
            return seen
        detail = "No new pods can be made: exceeded quota: few."
        return seen.model_copy(update={"outcome": Outcome.FAILED, "detail": detail, "blameless": True})

    monkeypatch.setattr(SymlinkTarget, "apply", has_no_room_once)
    await room.approve(to=GOOD)
    await room.sees("exceeded quota: few")
    shown = forms.text_of(await room.sees(f"it is not held against {GOOD}"))
    assert f"shop was put back: shop runs {BAD} now." in shown
    assert await world.serves() == BAD
    ledger = await world.read(lambda uow: uow.releases.all("shop"))
    assert ledger[GOOD].quarantined_at is None
    (failed,) = await room.events(e.RollbackFailed)
    assert not failed.took_place
    await room.when(lambda i: len(i.plans) == 2 and i.plans[-1].state == "ready", "the next plan")
    fresh = await world.bob.message(
        room.channel, lambda m: "Plan 2 ·" in forms.text_of(m) and has_button(m, "Approve"), timeout=20
    )
    assert f"`{BAD}` → `{GOOD}`" in forms.text_of(fresh)
    await world.bob.click(fresh, "Approve")
    await room.status("verified")
    assert await world.serves() == GOOD


async def test_an_unknown_outcome_is_observed_and_not_repeated(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.bad_deploy()
    room = await world.declare()
    apply, calls = SymlinkTarget.apply, []

    async def answer_is_lost(self: SymlinkTarget, change: Change, key: str) -> Observation:
        calls.append(key)
        await apply(self, change, key)
        raise OutcomeUnknown("The connection was lost.", remedy="See what runs.")

    monkeypatch.setattr(SymlinkTarget, "apply", answer_is_lost)
    await room.approve()
    await room.status("verified")
    assert len(calls) == 1
    assert await world.serves() == GOOD
    (run,) = (await room.incident()).runs
    assert run.step("apply:shop").state == "succeeded"


async def test_what_cannot_be_reached_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.bad_deploy()
    room = await world.declare()
    apply, calls = SymlinkTarget.apply, []

    async def away_twice(self: SymlinkTarget, change: Change, key: str) -> Observation:
        calls.append(key)
        if len(calls) <= 2:
            raise Unavailable("The machine does not answer.", retry_after_s=0.2)
        return await apply(self, change, key)

    monkeypatch.setattr(SymlinkTarget, "apply", away_twice)
    await room.approve()
    await room.status("verified")
    assert len(calls) == 3
    assert len(set(calls)) == 1
    assert await world.serves() == GOOD


async def test_a_defect_does_not_leave_the_run_hanging(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw ends as unknown: nothing is moved any further, and the world is looked at anew."""
    await world.bad_deploy()
    room = await world.declare()

    apply, calls = SymlinkTarget.apply, []

    async def breaks_down_once(self: SymlinkTarget, change: Change, key: str) -> Observation:
        calls.append(key)
        if len(calls) == 1:
            raise ValueError("nobody foresaw this, and its text may hold a secret")
        return await apply(self, change, key)

    monkeypatch.setattr(SymlinkTarget, "apply", breaks_down_once)
    await room.approve()
    stuck = await room.sees("kaeru itself failed here (ValueError)")
    assert "secret" not in forms.text_of(stuck)
    await room.when(lambda i: i.status.value == "deciding", "the next plan")
    (run,) = (await room.incident()).runs
    assert run.outcome == "unknown"
    assert await world.serves() == BAD
    fresh = await world.bob.message(
        room.channel, lambda m: "Plan 2 ·" in forms.text_of(m) and has_button(m, "Approve"), timeout=20
    )
    await world.bob.click(fresh, "Approve")
    await room.status("verified")
    assert await world.serves() == GOOD


async def test_the_bad_version_comes_back_while_it_is_watched(new_world: NewWorld) -> None:
    world = await new_world(changes={"services": {"shop": {"watch": "20s"}}})
    await world.bad_deploy()
    room = await world.declare()
    await room.approve()
    await room.status("mitigated")
    await world.deploy(BAD)
    await room.sees(f"{BAD} answers now instead of {GOOD}: someone deployed")
    (relapse,) = await room.events(e.IncidentRelapsed)
    assert relapse.run_id.endswith("-run-1")
    await world.alice.message("#incidents", "the problem is back")
    await room.when(lambda i: i.status.value == "deciding", "the next plan")
    fresh = await room.card()
    assert f"`{BAD}` → `{GOOD}`" in forms.text_of(fresh)
    await room.approve()
    await room.when(lambda i: len(i.runs) == 2 and i.status.value == "mitigated", "mitigated again")
    assert await world.serves() == GOOD
