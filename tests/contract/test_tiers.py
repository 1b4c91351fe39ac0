"""The components of one tier go back at the same time, each to an end of its own, whatever befalls the others."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from bot.catalog import load_catalog
from bot.cli.deferred import DeferredEngine
from bot.clock import now
from bot.domain import decide
from bot.domain import events as e
from bot.domain.debts import Debt
from bot.domain.evidence import Outcome
from bot.domain.incident import Incident
from bot.domain.policy import Policy
from bot.domain.run import PROVE, Run, StepState
from bot.domain.severity import Severity
from bot.ports import Change, Gone, Observation, Refused
from bot.store import Store, StoreUnavailable
from bot.usecases.arming import Arming
from bot.usecases.commands import RollBack, SetSeverity
from bot.usecases.desk import Desk
from bot.usecases.fleet import Fleet, Hands
from bot.usecases.probing import Probing
from bot.views.announce import stakeholder_note
from bot.views.outcome_card import stuck_card
from bot.workflows.rollback import RollbackSteps
from integrations.registry import kinds
from tests.fakes.target import MemoryTarget

COMPONENTS = ("api", "web", "worker")


@dataclasses.dataclass
class Odd(MemoryTarget):
    """With `trouble`, `apply` raises it, once. With `gate`, it begins, and ends when the gate is open.

    With `declines_with`, `apply` changes nothing and gives that.
    """

    trouble: Exception | None = None
    declines_with: Observation | None = None
    gate: asyncio.Event | None = None
    begun: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    applying: int = 0
    most: int = 0

    async def apply(self, change: Change, key: str) -> Observation:
        self.applying += 1
        self.most = max(self.most, self.applying)
        self.begun.set()
        try:
            if self.trouble is not None:
                trouble, self.trouble = self.trouble, None
                raise trouble
            if self.declines_with is not None:
                return self.declines_with
            if self.gate is not None:
                await self.gate.wait()
            return await super().apply(change, key)
        finally:
            self.applying -= 1


class World:
    """One service of three components in one tier, in memory, whose rollback is approved."""

    def __init__(self, store: Store, folder: Path) -> None:
        adapter = {"kind": "symlink", "releases": "/srv/releases", "link": "/srv/current"}
        service = {"components": {name: {"target": adapter} for name in COMPONENTS}}
        path = folder / "kaeru.yml"
        path.write_text(yaml.safe_dump({"services": {"shop": service}}), encoding="utf-8")
        catalog = load_catalog(path, kinds())
        self.store = store
        self.targets = {name: Odd("v1.3.0", ("v1.2.9", "v1.3.0")) for name in COMPONENTS}
        fleet = Fleet({"shop": Hands(self.targets, None, None)})
        self.desk = Desk(
            store, catalog, DeferredEngine(), clock=now, on_commit=lambda: None, bot_user="U0KAERU"
        )
        self._arming = Arming(store, catalog, fleet, self.desk, clock=now)
        probing = Probing(store, catalog, fleet, clock=now)
        self.steps = RollbackSteps(store, catalog, fleet, self.desk, probing, clock=now)
        self.id = ""

    async def approved(self) -> str:
        """The run's id."""
        command = RollBack(by="UALICE", service="shop", version="v1.2.9")
        self.id = (await self.desk.roll_back(command)).incident.id
        await self._arming.arm(self.id, 1)
        await self.desk.handle(SetSeverity(by="UALICE", incident_id=self.id, severity=Severity.HIGH))
        record = (await self.incident()).record
        assert record is not None
        assert record.plan is not None
        digest = record.plan.digest
        changed = await self.desk.change(
            self.id,
            lambda i: decide.approve(
                i, number=1, digest=digest, by="UBOB", policy=Policy(), steps=self.desk.steps(i), now=now()
            ),
        )
        assert changed.incident.run is not None
        return changed.incident.run.id

    async def incident(self) -> Incident:
        return await self.store.read(lambda uow: uow.incidents.get(self.id))

    async def run(self) -> Run:
        run = (await self.incident()).run
        assert run is not None
        return run

    async def states(self) -> dict[str, StepState]:
        run = await self.run()
        return {name: run.step(f"apply:{name}").state for name in COMPONENTS}

    async def failed(self) -> e.RollbackFailed:
        entries = await self.store.read(lambda uow: uow.timeline.entries(self.id))
        found = [entry.body for entry in entries if entry.body.get("type") == "rollback_failed"]
        assert len(found) == 1
        return e.RollbackFailed.model_validate(found[0])

    @property
    def configured(self) -> dict[str, str]:
        return {name: target.configured for name, target in self.targets.items()}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    store = await Store.open(f"sqlite:///{tmp_path}/kaeru.sqlite", clock=now)
    yield World(store, tmp_path)
    await store.close()


async def test_they_are_one_tier_and_go_back_at_the_same_time(world: World) -> None:
    run_id = await world.approved()
    gate = asyncio.Event()
    for target in world.targets.values():
        target.gate = gate
    tiers = await world.steps.switching.tiers(run_id)
    assert tiers == [list(COMPONENTS)]
    applying = asyncio.create_task(world.steps.switching.apply_tier(run_id, tiers[0]))
    async with asyncio.timeout(10):
        for target in world.targets.values():
            await target.begun.wait()
    assert set((await world.states()).values()) == {StepState.RUNNING}
    gate.set()
    assert await applying == "succeeded"
    assert set(world.configured.values()) == {"v1.2.9"}
    assert set((await world.states()).values()) == {StepState.SUCCEEDED}


async def test_one_that_declines_keeps_no_other_from_its_end_and_none_is_left_halfway(world: World) -> None:
    run_id = await world.approved()
    world.targets["api"].trouble = Refused("The disk is read-only.", remedy="Mount it again.")
    assert await world.steps.switching.apply_tier(run_id, list(COMPONENTS)) == "failed"
    assert await world.states() == {
        "api": StepState.FAILED,
        "web": StepState.SUCCEEDED,
        "worker": StepState.SUCCEEDED,
    }
    assert (await world.run()).step("apply:api").untouched
    await world.steps.giving_up.give_up(run_id)
    assert set(world.configured.values()) == {"v1.3.0"}
    told = await world.failed()
    assert told.outcome == "failed"
    assert "read-only" in told.reason
    assert "none is left halfway" in told.safe_state
    ledger = await world.store.read(lambda uow: uow.releases.all("shop"))
    assert "v1.2.9" not in ledger or ledger["v1.2.9"].quarantined_at is None


async def test_one_that_was_seen_to_have_changed_nothing_holds_nothing_against_the_version(
    world: World,
) -> None:
    run_id = await world.approved()
    debt = Debt(id="sync", component="web", text="The sync of web is suspended.", until="Resume it.")
    for name, target in world.targets.items():
        detail, debts = f"{name} still is set to v1.3.0.", (debt,) if name == "web" else ()
        target.declines_with = Observation(
            outcome=Outcome.FAILED, detail=detail, running="v1.3.0", debts=debts, untouched=True
        )
    assert await world.steps.switching.apply_tier(run_id, list(COMPONENTS)) == "failed"
    run = await world.run()
    assert all(run.step(f"apply:{name}").untouched for name in COMPONENTS)
    await world.steps.giving_up.give_up(run_id)
    told = await world.failed()
    assert "still is set to v1.3.0" in told.reason
    assert told.safe_state.startswith("Nothing of this change is in place.")
    assert [owed.debt.id for owed in (await world.incident()).debts] == ["sync"]
    ledger = await world.store.read(lambda uow: uow.releases.all("shop"))
    assert "v1.2.9" not in ledger or ledger["v1.2.9"].quarantined_at is None


async def test_nothing_is_moved_where_one_failed_and_of_another_it_is_not_known(world: World) -> None:
    run_id = await world.approved()
    world.targets["api"].trouble = Refused("The disk is read-only.")
    world.targets["web"].trouble = ValueError("nobody foresaw this")
    assert await world.steps.switching.apply_tier(run_id, list(COMPONENTS)) == "unknown"
    await world.steps.giving_up.give_up(run_id)
    told = await world.failed()
    assert told.outcome == "unknown"
    assert "read-only" in told.reason
    assert "(ValueError)" in told.reason
    assert "Nothing was moved any further" in told.safe_state
    assert world.configured == {"api": "v1.3.0", "web": "v1.3.0", "worker": "v1.2.9"}


async def test_a_step_that_is_done_again_meets_no_change_of_the_time_before(world: World) -> None:
    """The database fails under one component: the others end, and are not begun a second time beside themselves."""
    run_id = await world.approved()
    gate = world.targets["web"].gate = asyncio.Event()
    world.targets["api"].trouble = StoreUnavailable("The database cannot be written to now.")
    first = asyncio.create_task(world.steps.switching.apply_tier(run_id, list(COMPONENTS)))
    async with asyncio.timeout(10):
        await world.targets["web"].begun.wait()
        await world.targets["api"].begun.wait()
    assert not (await asyncio.wait({first}, timeout=0.2))[0], "it ended while web was still under way"
    gate.set()
    with pytest.raises(StoreUnavailable):
        await first
    assert await world.steps.switching.apply_tier(run_id, list(COMPONENTS)) == "succeeded"
    assert {name: target.most for name, target in world.targets.items()} == dict.fromkeys(COMPONENTS, 1)
    assert {name: target.starts for name, target in world.targets.items()} == {
        name: ["v1.2.9"] for name in COMPONENTS
    }


async def proof_fails(world: World, run_id: str) -> None:
    await world.steps.journal.finished(
        world.id, await world.run(), PROVE, outcome=Outcome.FAILED, detail="/checkout: 3 of 3 failed"
    )
    await world.steps.giving_up.give_up(run_id)


async def is_quarantined(world: World, version: str) -> bool:
    ledger = await world.store.read(lambda uow: uow.releases.all("shop"))
    return version in ledger and ledger[version].quarantined_at is not None


async def test_what_fails_its_proof_has_been_tried(world: World) -> None:
    run_id = await world.approved()
    await world.steps.switching.apply_tier(run_id, list(COMPONENTS))
    await proof_fails(world, run_id)
    assert (await world.failed()).took_place
    assert await is_quarantined(world, "v1.2.9")


async def test_what_somebody_undoes_while_it_is_proven_is_held_against_no_version(world: World) -> None:
    run_id = await world.approved()
    await world.steps.switching.apply_tier(run_id, list(COMPONENTS))
    world.targets["web"].deploy("v1.3.0")
    await proof_fails(world, run_id)
    assert not (await world.failed()).took_place
    assert not await is_quarantined(world, "v1.2.9")
    incident = await world.incident()
    assert incident.record is not None
    assert not (await world.run()).took_place
    entries = await world.store.read(lambda uow: uow.timeline.entries(world.id))
    asked = [entry.body["reason"] for entry in entries if entry.body.get("type") == "plan_requested"]
    assert asked[-1] == "this plan is made from the world as it is found now"
    card = stuck_card(incident, await world.run())
    assert card.text.startswith("shop: Somebody else changed it after it went back to v1.2.9.")
    told = stakeholder_note(incident, await world.failed(), watch_s=60)
    assert told is not None
    assert "did not help" not in told.text


async def test_where_nothing_took_place_nothing_is_said_of_helping(world: World) -> None:
    run_id = await world.approved()
    for target in world.targets.values():
        target.trouble = Gone("There is no such service.", remedy="Create it.")
    await world.steps.switching.apply_tier(run_id, list(COMPONENTS))
    await world.steps.giving_up.give_up(run_id)
    assert not await is_quarantined(world, "v1.2.9")
    card = stuck_card(await world.incident(), await world.run())
    assert card.text.startswith("shop: The rollback to v1.2.9 did not take place.")
