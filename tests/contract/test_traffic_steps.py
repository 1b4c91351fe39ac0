"""The steps around a rollback on a real store, with traffic in memory: what fails there, and where users are left then."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from bot.catalog import load_catalog
from bot.cli.deferred import DeferredEngine
from bot.clock import now
from bot.domain import decide
from bot.domain import events as e
from bot.domain.plan import Plan
from bot.domain.policy import Policy
from bot.domain.run import OFF, Run, StepState
from bot.domain.severity import Severity
from bot.domain.ways_back import Way
from bot.ports import OutcomeUnknown, PortError, Refused, Unavailable
from bot.store import Store
from bot.usecases.commands import RollBack, SetSeverity
from bot.usecases.desk import Desk
from bot.usecases.fleet import Fleet, Hands, OutsideHands
from bot.usecases.probing import Probing
from bot.workflows import ramping, shifting, users
from bot.workflows.rollback import RollbackSteps
from integrations.registry import kinds
from tests.fakes.target import MemoryTarget
from tests.fakes.traffic import MemoryTraffic
from tests.unit.data_worlds import migration, part
from tests.unit.test_traffic import plan_of

CODE = plan_of(caches=())
DATA = plan_of(caches=(), databases=(part(migration("0002"), way=Way.DOWN_MIGRATION, by="UALICE"),))


class World:
    """One service in memory, whose rollback by a plan is approved."""

    def __init__(self, store: Store, folder: Path) -> None:
        adapter = {"kind": "symlink", "releases": "/srv/releases", "link": "/srv/current"}
        service = {"components": {"web": {"target": adapter}}}
        path = folder / "kaeru.yml"
        path.write_text(yaml.safe_dump({"services": {"shop": service}}), encoding="utf-8")
        catalog = load_catalog(path, kinds())
        self.store = store
        self.traffic = MemoryTraffic()
        self.target = MemoryTarget("v1.3.0", ("v1.2.9", "v1.3.0"))
        hands = Hands({"web": self.target}, None, None, outside=OutsideHands(traffic=self.traffic))
        self.desk = Desk(
            store, catalog, DeferredEngine(), clock=now, on_commit=lambda: None, bot_user="U0KAERU"
        )
        fleet = Fleet({"shop": hands})
        probing = Probing(store, catalog, fleet, clock=now)
        self.steps = RollbackSteps(store, catalog, fleet, self.desk, probing, clock=now)
        self.id = ""

    async def approved(self, plan: Plan) -> str:
        """The run's id."""
        (change,), seen = plan.components, await self.target.inspect()
        as_it_is = change.model_copy(update={"fingerprint": seen.fingerprint})
        plan = plan.model_copy(update={"components": (as_it_is,)})
        self.id = (await self.desk.roll_back(RollBack(by="UALICE", service="shop"))).incident.id
        await self.desk.handle(SetSeverity(by="UALICE", incident_id=self.id, severity=Severity.HIGH))
        await self.desk.change(self.id, lambda i: decide.plan_ready(i, plan, now=now()))
        changed = await self.desk.change(
            self.id,
            lambda i: decide.approve(
                i,
                number=1,
                digest=plan.digest,
                by="UBOB",
                policy=Policy(),
                steps=self.desk.steps(i),
                now=now(),
            ),
        )
        assert changed.incident.run is not None
        return changed.incident.run.id

    async def run(self) -> Run:
        run = (await self.store.read(lambda uow: uow.incidents.get(self.id))).run
        assert run is not None
        return run

    async def gave_up(self, run_id: str) -> e.RollbackFailed:
        await self.steps.giving_up.give_up(run_id)
        entries = await self.store.read(lambda uow: uow.timeline.entries(self.id))
        (found,) = [entry.body for entry in entries if entry.body.get("type") == "rollback_failed"]
        return e.RollbackFailed.model_validate(found)

    async def owed(self) -> list[str]:
        incident = await self.store.read(lambda uow: uow.incidents.get(self.id))
        return [each.debt.text for each in incident.debts]


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(ramping, "INSIST_FOR_S", 0.05)
    monkeypatch.setattr(users, "INSIST_FOR_S", 0.05)
    monkeypatch.setattr(shifting, "LOOK_AGAIN_S", 0.01)
    store = await Store.open(f"sqlite:///{tmp_path}/kaeru.sqlite", clock=now)
    yield World(store, tmp_path)
    await store.close()


async def test_users_are_taken_off_once_however_often_it_is_done(world: World) -> None:
    run_id = await world.approved(CODE)
    assert await world.steps.do(run_id, [OFF]) == "succeeded"
    assert await world.steps.do(run_id, [OFF]) == "succeeded"
    run = await world.run()
    assert (run.traffic.share, run.traffic.before, run.traffic.moves) == (0.0, 1.0, 1)
    assert world.traffic.shifts == [0.0]


DECLINED = Refused("The socket may not be written.", remedy="Grant it.")


@pytest.mark.parametrize(
    ("trouble", "outcome"),
    [(DECLINED, "failed"), (OutcomeUnknown("It was lost."), "unknown")],
    ids=["declined", "unknown"],
)
async def test_what_changes_data_is_not_begun_while_users_write(
    world: World, trouble: PortError, outcome: str
) -> None:
    run_id = await world.approved(DATA)
    world.traffic.failing = [trouble] * 40
    assert await world.steps.do(run_id, [OFF]) == outcome
    assert await world.steps.do(run_id, [OFF]) == outcome
    step = (await world.run()).step(OFF)
    assert step.state is StepState(outcome)
    assert "data is not touched while users write to it" in step.detail
    world.traffic.failing = []
    failed = await world.gave_up(run_id)
    assert failed.outcome == outcome
    assert "All traffic reaches the service." in failed.safe_state
    assert world.target.starts == []
    assert await world.owed() == []


async def test_code_goes_back_without_the_maintenance_page(world: World) -> None:
    run_id = await world.approved(CODE)
    world.traffic.failing = [DECLINED] * 40
    assert await world.steps.do(run_id, [OFF]) == "succeeded"
    assert await world.steps.do(run_id, [OFF]) == "succeeded"
    step = (await world.run()).step(OFF)
    assert step.state is StepState.FAILED
    assert step.detail == "The socket may not be written. Grant it. The rollback goes on without it."
    assert await world.steps.do(run_id, ["web"]) == "succeeded"
    assert world.target.running == "v1.2.9"


async def test_users_who_cannot_be_brought_back_are_owed(world: World) -> None:
    run_id = await world.approved(CODE)
    assert await world.steps.do(run_id, [OFF]) == "succeeded"
    world.target.broken = frozenset({"v1.2.9"})
    assert await world.steps.do(run_id, ["web"]) == "failed"
    world.traffic.failing = [Unavailable("The socket is gone.", retry_after_s=0.01)] * 100
    failed = await world.gave_up(run_id)
    assert "The socket is gone." in failed.safe_state
    (text,) = await world.owed()
    assert text.startswith("No user reaches shop")
    assert world.traffic.share == 0.0
