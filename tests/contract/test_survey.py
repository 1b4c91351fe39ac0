"""Targets are looked at while nothing is wrong: what they looked like is remembered, and what is owed is known."""

import asyncio
import dataclasses
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.catalog import load_catalog
from bot.cli.deferred import DeferredEngine
from bot.domain import decide
from bot.domain import events as e
from bot.domain.debts import Debt
from bot.domain.incident import Incident, Status
from bot.domain.policy import Policy
from bot.domain.severity import Severity
from bot.ports import Inspection, Memory, Refused, Shape, Unavailable
from bot.store import Store
from bot.usecases import bounds
from bot.usecases.arming import Arming
from bot.usecases.commands import RollBack, SetSeverity
from bot.usecases.desk import Changed, Decision, Desk
from bot.usecases.fleet import Fleet, Hands
from bot.usecases.memories import StoreMemory
from bot.usecases.probing import ROUNDS
from bot.usecases.survey import Survey
from integrations.registry import kinds
from tests.contract.store_worlds import Clock
from tests.fakes.health import MemoryHealth
from tests.fakes.target import MemoryTarget

pytest_plugins = ("tests.postgres", "tests.contract.store_fixtures")

PROBE_EVERY = timedelta(seconds=10)
WINDOW = PROBE_EVERY * ROUNDS
SYNC = Debt(
    id="argocd:shop", component="web", text="Automatic sync is off.", until="The bad release is reverted."
)
GATE = Debt(id="gate:worker", component="worker", text="The gate is shut.", until="The queue is empty.")


@dataclasses.dataclass
class Remembering(MemoryTarget):
    """A target whose versions come in several shapes, by `setting`. It `hangs`, or counts its `looks`."""

    memory: Memory | None = None
    setting: str = "a"
    hangs: bool = False
    looks: int = 0
    unseen_debts: tuple[str, ...] = ()

    async def inspect(self) -> Inspection:
        self.looks += 1
        if self.hangs:
            await asyncio.Event().wait()
        seen = await super().inspect()
        assert self.memory is not None
        await self.memory.keep(self.ref, self.configured, self.setting)
        return seen.model_copy(update={"current_ref": self.ref, "unseen_debts": self.unseen_debts})

    def owes(self, *debts: Debt) -> None:
        self.debts = {debt.id: debt for debt in debts}

    @property
    def ref(self) -> str:
        return f"{self.configured}/{self.setting}"


class World:
    """Two services, of two components each, in memory; a database and a kaeru.yml on disk."""

    def __init__(self, store: Store, clock: Clock, folder: Path) -> None:
        adapter = {"kind": "symlink", "releases": "/srv/releases", "link": "/srv/current"}
        service = {
            "components": {"web": {"target": adapter}, "worker": {"target": adapter}},
            "health": {
                "url": "http://127.0.0.1:9",
                "version": {"path": "/version"},
                "critical": ["/checkout"],
                "probe_every": f"{PROBE_EVERY.total_seconds():.0f}s",
            },
        }
        path = folder / "kaeru.yml"
        path.write_text(yaml.safe_dump({"services": {"shop": service, "cart": service}}), encoding="utf-8")
        catalog = load_catalog(path, kinds())
        self.store, self.clock, self.catalog = store, clock, catalog
        self.targets = {
            name: {c: self._target(name, c) for c in ("web", "worker")} for name in ("shop", "cart")
        }
        fleet = Fleet(
            {n: Hands(targets, MemoryHealth("v1.3.0"), None) for n, targets in self.targets.items()}
        )
        self.desk = Desk(
            store, catalog, DeferredEngine(), clock=clock, on_commit=lambda: None, bot_user="U0KAERU"
        )
        self.arming = Arming(store, catalog, fleet, self.desk, clock=clock)
        self.survey = Survey(store, catalog, fleet, self.desk, clock=clock)

    def _target(self, service: str, component: str) -> Remembering:
        memory = StoreMemory(self.store, service, component, clock=self.clock)
        return Remembering("v1.3.0", ("v1.2.9", "v1.3.0"), memory=memory)

    @property
    def web(self) -> Remembering:
        return self.targets["shop"]["web"]

    async def shapes(self, component: str = "web", *, of: str = "shop") -> dict[str, Shape]:
        found = await self.store.read(lambda uow: uow.shapes.all(of, component))
        return {shape.ref: shape for shape in found}

    async def good_at(self, ref: str) -> Any:
        return (await self.shapes())[ref].good_at

    async def seen_good(self, version: str = "v1.3.0") -> None:
        """What kaeru's own probes would have found by now."""
        await self.store.write(lambda uow: uow.releases.saw("shop", version, self.clock(), good=True))

    async def declare(self) -> Incident:
        return (await self.desk.roll_back(RollBack(by="UALICE", service="shop", version="v1.2.9"))).incident

    async def change(self, incident: Incident, decision: Decision) -> Changed:
        return await self.desk.change(incident.id, decision)

    async def incident(self, incident: Incident) -> Incident:
        return await self.store.read(lambda uow: uow.incidents.get(incident.id))

    async def owed(self, incident: Incident) -> list[str]:
        return [owed.debt.id for owed in (await self.incident(incident)).debts]


@pytest.fixture
async def world(store: Store, clock: Clock, tmp_path: Path) -> World:
    return World(store, clock, tmp_path)


async def test_a_shape_is_remembered_although_no_incident_is_open(world: World) -> None:
    await world.survey.sweep()
    world.clock.advance(minutes=1)
    world.web.setting = "b"
    await world.survey.sweep()
    assert list(await world.shapes()) == ["v1.3.0/b", "v1.3.0/a"]
    assert list(await world.shapes("worker")) == ["v1.3.0/a"]


async def test_a_shape_is_good_when_a_whole_window_was_seen_good_in_it(world: World) -> None:
    await world.survey.sweep()
    assert await world.good_at("v1.3.0/a") is None
    world.clock.advance(seconds=WINDOW.total_seconds() - 1)
    await world.seen_good()
    await world.survey.sweep()
    assert await world.good_at("v1.3.0/a") is None
    good_at = world.clock.advance(seconds=1)
    await world.seen_good()
    world.clock.advance(seconds=5)
    await world.survey.sweep()
    assert await world.good_at("v1.3.0/a") == good_at


async def test_what_another_shape_of_the_same_version_earned_makes_none_good(world: World) -> None:
    await world.survey.sweep()
    good_at = world.clock.advance(hours=1)
    await world.seen_good()
    await world.survey.sweep()
    world.web.setting = "b"
    world.clock.advance(seconds=15)
    await world.survey.sweep()
    world.clock.advance(hours=1)
    await world.survey.sweep()
    assert await world.good_at("v1.3.0/a") == good_at
    assert await world.good_at("v1.3.0/b") is None
    # And back again: what it earned in its first stretch stays, and nothing is added before the second has earned it.
    world.web.setting = "a"
    await world.survey.sweep()
    world.clock.advance(seconds=1)
    await world.seen_good()
    await world.survey.sweep()
    assert await world.good_at("v1.3.0/a") == good_at
    again = world.clock.advance(seconds=WINDOW.total_seconds())
    await world.seen_good()
    await world.survey.sweep()
    assert await world.good_at("v1.3.0/a") == again


async def test_the_name_of_an_older_shape_counts_as_its_version(world: World) -> None:
    world.web.versions = ("v1.3.0", "v1.3.0+r2")
    world.web.deploy("v1.3.0+r2")
    await world.survey.sweep()
    good_at = world.clock.advance(hours=1)
    await world.seen_good("v1.3.0")
    await world.survey.sweep()
    assert await world.good_at("v1.3.0+r2/a") == good_at


async def test_a_shape_that_does_not_run_yet_is_not_good(world: World) -> None:
    world.web.broken = frozenset({"v1.2.9"})
    world.web.deploy("v1.2.9")
    await world.survey.sweep()
    world.clock.advance(hours=1)
    await world.seen_good("v1.2.9")
    await world.survey.sweep()
    assert await world.good_at("v1.2.9/a") is None


async def test_what_is_suspended_comes_to_the_incident_once_and_goes_when_it_is_gone(world: World) -> None:
    incident = await world.declare()
    world.web.owes(SYNC)
    for _ in range(3):
        await world.survey.sweep()
    seen = await world.incident(incident)
    assert [owed.debt for owed in seen.debts] == [SYNC]
    assert seen.length == incident.length + 1
    world.web.owes()
    for _ in range(3):
        await world.survey.sweep()
    assert (await world.incident(incident)).debts == ()
    entries = await world.store.read(lambda uow: uow.timeline.entries(incident.id))
    told = [entry.body["type"] for entry in entries if str(entry.body.get("type", "")).startswith("debt")]
    assert told == ["debt_taken", "debt_repaid"]


async def test_nothing_is_concluded_of_a_debt_that_cannot_be_looked_at(world: World) -> None:
    incident = await world.declare()
    other = SYNC.model_copy(update={"id": "surge:web"})
    world.web.owes(SYNC, other)
    await world.survey.sweep()
    world.web.owes()
    world.web.unseen_debts = (SYNC.id,)
    await world.survey.sweep()
    assert await world.owed(incident) == [SYNC.id]
    world.web.unseen_debts = ()
    await world.survey.sweep()
    assert await world.owed(incident) == []


async def test_nothing_is_concluded_of_a_component_that_cannot_be_looked_at(world: World) -> None:
    incident = await world.declare()
    world.web.owes(SYNC)
    world.targets["shop"]["worker"].owes(GATE)
    await world.survey.sweep()
    world.web.owes()
    world.targets["shop"]["worker"].owes()
    world.web.failing.append(Unavailable("The cluster does not answer."))
    await world.survey.sweep()
    assert await world.owed(incident) == [SYNC.id]
    await world.survey.sweep()
    assert await world.owed(incident) == []


async def test_a_closed_incident_is_told_of_what_is_given_back_and_of_nothing_new(world: World) -> None:
    incident = await world.declare()
    world.web.owes(SYNC)
    await world.survey.sweep()
    await world.change(incident, lambda _: (e.IncidentClosed(at=world.clock(), by="UALICE"),))
    world.targets["shop"]["worker"].owes(GATE)
    await world.survey.sweep()
    assert await world.owed(incident) == [SYNC.id]
    world.web.owes()
    await world.survey.sweep()
    assert await world.owed(incident) == []


async def test_the_newest_incident_takes_over_what_is_still_suspended(world: World) -> None:
    first = await world.declare()
    world.web.owes(SYNC)
    await world.survey.sweep()
    await world.change(first, lambda _: (e.IncidentClosed(at=world.clock(), by="UALICE"),))
    world.clock.advance(minutes=1)
    second = await world.declare()
    await world.survey.sweep()
    assert await world.owed(second) == [SYNC.id]


async def test_every_incident_that_owes_it_is_told_that_it_was_given_back(world: World) -> None:
    first = await world.declare()
    world.web.owes(SYNC)
    await world.survey.sweep()
    await world.change(first, lambda _: (e.IncidentClosed(at=world.clock(), by="UALICE"),))
    second = await world.declare()
    await world.survey.sweep()
    assert await world.owed(first) == await world.owed(second) == [SYNC.id]
    world.web.owes()
    await world.survey.sweep()
    assert await world.owed(first) == await world.owed(second) == []


async def test_what_changed_while_it_was_looked_at_is_left_to_the_next_look(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look saw no debt, and then the rollback took one: that is not "given back"."""
    incident = await world.declare()
    await world.change(incident, lambda i: decide.debts_seen(i, [GATE], now=world.clock()))
    change = world.desk.change

    async def somebody_was_quicker(incident_id: str, decision: Decision, **more: Any) -> Changed:
        monkeypatch.undo()
        await change(incident_id, lambda i: decide.debts_seen(i, [SYNC], now=world.clock()))
        return await change(incident_id, decision, **more)

    monkeypatch.setattr(world.desk, "change", somebody_was_quicker)
    await world.survey.sweep()
    assert await world.owed(incident) == [GATE.id, SYNC.id]


async def test_a_service_that_goes_back_is_left_alone(world: World) -> None:
    incident = await world.declare()
    await world.arming.arm(incident.id, 1)
    record = (await world.incident(incident)).record
    assert record is not None
    assert record.plan is not None
    digest = record.plan.digest
    await world.desk.handle(SetSeverity(by="UALICE", incident_id=incident.id, severity=Severity.HIGH))
    await world.change(
        incident,
        lambda i: decide.approve(
            i,
            number=1,
            digest=digest,
            by="UBOB",
            policy=Policy(),
            steps=world.desk.steps(i),
            now=world.clock(),
        ),
    )
    assert (await world.incident(incident)).status is Status.ROLLING_BACK
    looks = {n: t["web"].looks for n, t in world.targets.items()}
    world.web.owes(SYNC)
    await world.survey.sweep()
    assert {n: t["web"].looks - looks[n] for n, t in world.targets.items()} == {"shop": 0, "cart": 1}
    assert await world.owed(incident) == []


@pytest.mark.parametrize("trouble", ["hangs", "breaks down"])
async def test_one_service_keeps_no_other_from_being_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, trouble: str
) -> None:
    monkeypatch.setattr(bounds, "READ_S", 0.2)
    ill = world.targets["cart"]["web"]
    if trouble == "hangs":
        ill.hangs = True
    else:
        ill.memory = None  # an adapter's defect
    await world.survey.sweep()
    await world.survey.sweep()
    assert list(await world.shapes()) == ["v1.3.0/a"]
    assert list(await world.shapes("worker", of="cart")) == ["v1.3.0/a"]
    said = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.getMessage() for record in said] == (
        ["looking at web of cart broke down"] if trouble == "breaks down" else []
    )


async def test_trouble_is_noted_once_per_change_and_told_to_nobody(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "bot.usecases.survey")
    incident = await world.declare()
    outbox = await world.store.read(lambda uow: uow.outbox.backlog())
    trouble = Unavailable("The cluster does not answer.")
    for error in (None, trouble, trouble, Refused("No rights."), None, None):
        world.web.failing = [error] if error else []
        await world.survey.sweep()
    said = [r.getMessage() for r in caplog.records if r.name == "bot.usecases.survey"]
    assert said == [
        "web of shop: The cluster does not answer.",
        "web of shop: No rights.",
        "web of shop can be looked at again",
    ]
    assert {r.levelname for r in caplog.records if r.name == "bot.usecases.survey"} == {"DEBUG"}
    assert (await world.incident(incident)).length == incident.length
    assert await world.store.read(lambda uow: uow.outbox.backlog()) == outbox
