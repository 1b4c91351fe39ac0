"""A plan comes about or is refused in a sentence, and every service is looked after, whatever one adapter does."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.catalog import load_catalog
from bot.cli.deferred import DeferredEngine
from bot.clock import now
from bot.domain import decide
from bot.domain.base import Refusal, Version
from bot.domain.incident import Incident, PlanRecord, PlanState
from bot.domain.plan import Changes
from bot.domain.policy import Policy
from bot.domain.severity import Severity
from bot.ports import Change, Inspection, TargetPlan
from bot.store import Store
from bot.usecases import bounds
from bot.usecases.arming import Arming
from bot.usecases.commands import Approve, RollBack, SetSeverity
from bot.usecases.desk import Desk
from bot.usecases.fleet import Fleet, Hands
from bot.usecases.probing import Probing
from integrations.registry import kinds
from tests.fakes.changes import MemoryChanges
from tests.fakes.health import MemoryHealth
from tests.fakes.target import MemoryTarget

SERVICES = ("shop", "cart")


@dataclasses.dataclass
class Odd(MemoryTarget):
    """A target that `hangs`, or whose adapter has a `defect`."""

    hangs: bool = False
    defect: bool = False

    async def inspect(self) -> Inspection:
        if self.hangs:
            await asyncio.Event().wait()
        return await super().inspect()

    async def plan(self, change: Change) -> TargetPlan:
        if self.defect:
            raise ValueError("nobody foresaw this, and its text may hold a secret")
        return await super().plan(change)


class OddChanges(MemoryChanges):
    async def between(self, older: Version, newer: Version) -> Changes:
        raise ValueError("year 3170843 is out of range")


class HangingHealth(MemoryHealth):
    async def round(self) -> Any:
        await asyncio.Event().wait()


def target() -> Odd:
    return Odd("v1.3.0", ("v1.2.8", "v1.2.9", "v1.3.0"))


class World:
    """Two services, of two components each, in memory; a database and a kaeru.yml on disk."""

    def __init__(self, store: Store, folder: Path, *more: str) -> None:
        """`more` are further components of each service."""
        adapter = {"kind": "symlink", "releases": "/srv/releases", "link": "/srv/current"}
        components = ("web", "worker", *more)
        service = {
            "components": {name: {"target": adapter, "tier": n} for n, name in enumerate(components)},
            "health": {
                "url": "http://127.0.0.1:9",
                "version": {"path": "/version"},
                "critical": ["/checkout"],
            },
        }
        written = {"services": dict.fromkeys(SERVICES, service)}
        path = folder / "kaeru.yml"
        path.write_text(yaml.safe_dump(written), encoding="utf-8")
        catalog = load_catalog(path, kinds())
        self.store = store
        self.targets: dict[str, dict[str, Odd]] = {
            n: {name: target() for name in components} for n in SERVICES
        }
        self.hands = {n: Hands(self.targets[n], MemoryHealth("v1.3.0"), None) for n in SERVICES}
        fleet = Fleet(self.hands)
        self.desk = Desk(
            store, catalog, DeferredEngine(), clock=now, on_commit=lambda: None, bot_user="U0KAERU"
        )
        self.arming = Arming(store, catalog, fleet, self.desk, clock=now)
        self.probing = Probing(store, catalog, fleet, clock=now)

    def replace(self, service: str, **changes: Any) -> None:
        self.hands[service] = dataclasses.replace(self.hands[service], **changes)

    async def declare(self, service: str) -> Incident:
        command = RollBack(by="UALICE", service=service, version="v1.2.9")
        return (await self.desk.roll_back(command)).incident

    async def plan(self, incident: Incident) -> PlanRecord:
        """The newest one, after it was made."""
        record = await self.record(incident)
        await self.arming.arm(incident.id, record.number)
        return await self.record(incident)

    async def record(self, incident: Incident) -> PlanRecord:
        record = (await self.store.read(lambda uow: uow.incidents.get(incident.id))).record
        assert record is not None
        return record


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(f"sqlite:///{tmp_path}/kaeru.sqlite", clock=now)
    yield opened
    await opened.close()


@pytest.fixture
def world(store: Store, tmp_path: Path) -> World:
    return World(store, tmp_path)


async def test_a_defect_of_a_target_is_said_and_can_be_tried_again(world: World) -> None:
    incident = await world.declare("shop")
    world.targets["shop"]["worker"].defect = True
    blocked = await world.plan(incident)
    assert blocked.state is PlanState.BLOCKED
    assert blocked.note.startswith("kaeru itself failed while it made this plan (ValueError)")
    assert "secret" not in blocked.note
    world.targets["shop"]["worker"].defect = False
    await world.declare("shop")
    assert (await world.plan(incident)).state is PlanState.READY


async def test_a_plan_does_without_a_repository_that_surprises(world: World) -> None:
    world.replace("shop", changes=OddChanges())
    record = await world.plan(await world.declare("shop"))
    assert record.plan is not None
    assert not record.plan.changes.known
    assert "(ValueError)" in record.plan.changes.note


async def test_a_target_that_hangs_is_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "READ_S", 0.05)
    world.targets["shop"]["web"].hangs = True
    record = await world.plan(await world.declare("shop"))
    assert (record.state, record.note) == (
        PlanState.BLOCKED,
        "The memory target of web did not answer within 0.05 s.",
    )


@pytest.mark.parametrize("trouble", ["hangs", "is gone", "breaks down"])
async def test_one_service_keeps_no_other_from_being_watched(
    world: World, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    monkeypatch.setattr(bounds, "READ_S", 0.2)
    ill, well = await world.declare("shop"), await world.declare("cart")
    for incident in (ill, well):
        assert (await world.plan(incident)).state is PlanState.READY
    if trouble == "hangs":
        world.targets["shop"]["web"].hangs = True
    elif trouble == "is gone":
        del world.hands["shop"]
    else:
        world.replace("shop", targets=None)
    world.targets["cart"]["web"].deploy("v1.2.8")
    await world.arming.watch_worlds()
    assert (await world.record(well)).number == 2
    assert (await world.record(ill)).number == 1


async def test_a_component_that_is_gone_from_the_file_makes_a_plan_out_of_date(world: World) -> None:
    incident = await world.declare("shop")
    await world.plan(incident)
    del world.targets["shop"]["worker"]
    await world.arming.watch_worlds()
    plans = (await world.store.read(lambda uow: uow.incidents.get(incident.id))).plans
    assert [p.state for p in plans] == [PlanState.SUPERSEDED, PlanState.ARMING]
    assert plans[0].note == "worker is not in kaeru.yml any more"


async def test_every_version_that_a_component_leaves_is_quarantined(store: Store, tmp_path: Path) -> None:
    """And none that one stays with."""
    world = World(store, tmp_path, "clock")
    world.targets["shop"]["worker"].deploy("v1.2.9")
    world.targets["shop"]["clock"].deploy("v1.2.8")
    incident = await world.declare("shop")
    plan = (await world.plan(incident)).plan
    assert plan is not None
    assert plan.from_version == "v1.3.0"
    assert {c.component: (c.from_version, c.actions[0]) for c in plan.components} == {
        "web": ("v1.3.0", "Set v1.2.9"),
        "worker": ("v1.2.9", "Nothing to do: it runs v1.2.9 already"),
        "clock": ("v1.2.8", "Set v1.2.9"),
    }
    severity = SetSeverity(by="UALICE", incident_id=incident.id, severity=Severity.HIGH)
    await world.desk.handle(severity)
    await world.desk.change(
        incident.id,
        lambda i: decide.approve(
            i, number=1, digest=plan.digest, by="UBOB", policy=Policy(), steps=world.desk.steps(i), now=now()
        ),
    )
    ledger = await world.store.read(lambda uow: uow.releases.all("shop"))
    assert {v for v, record in ledger.items() if record.quarantined_at} == {"v1.3.0", "v1.2.8"}


async def test_a_probe_that_hangs_is_an_answer_that_does_not_come(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "READ_S", 0.05)
    world.replace("shop", health=HangingHealth("v1.3.0"))
    found = await world.probing.probe("shop")
    assert [(p.endpoint, p.ok, p.error, p.version) for p in found] == [("/checkout", False, "timeout", None)]


async def test_a_component_that_is_gone_is_named_where_it_is_needed(world: World) -> None:
    with pytest.raises(Refusal, match=r"^clock is not in kaeru\.yml any more\."):
        world.hands["shop"].target("clock")
    assert world.hands["shop"].target("web") is world.targets["shop"]["web"]


async def test_no_shape_of_a_quarantined_image_is_chosen_or_granted(world: World) -> None:
    for component in world.targets["shop"].values():
        component.versions = ("v1.2.9", "v1.3.0", "v1.3.0+r2", "v1.4.0")
        component.deploy("v1.4.0")
    await world.store.write(lambda uow: uow.releases.quarantine("shop", "v1.3.0", "inc-1", now()))
    assert (await world.arming.make("shop")).to_version == "v1.2.9"
    with pytest.raises(Refusal, match=r"v1\.3\.0\+r2 is quarantined by inc-1"):
        await world.arming.make("shop", wanted="v1.3.0+r2")


async def test_leaving_a_shape_for_another_of_the_same_image_quarantines_neither(world: World) -> None:
    for component in world.targets["shop"].values():
        component.versions = ("v1.2.9", "v1.2.9+r2")
        component.deploy("v1.2.9")
    incident = (
        await world.desk.roll_back(RollBack(by="UALICE", service="shop", version="v1.2.9+r2"))
    ).incident
    record = await world.plan(incident)
    assert record.plan is not None
    await world.desk.handle(SetSeverity(by="UALICE", incident_id=incident.id, severity=Severity.HIGH))
    approve = Approve(by="UBOB", incident_id=incident.id, number=1, digest=record.plan.digest)
    await world.desk.handle(approve)
    ledger = await world.store.read(lambda uow: uow.releases.all("shop"))
    assert not any(known.quarantined_at for known in ledger.values())


async def test_what_was_noticed_of_the_target_is_said_where_there_is_no_plan(world: World) -> None:
    incident = (await world.desk.roll_back(RollBack(by="UALICE", service="shop"))).incident
    for component in world.targets["shop"].values():
        component.versions = ("v1.3.0",)
        component.running = "v1.2.0"
    blocked = await world.plan(incident)
    assert blocked.state is PlanState.BLOCKED
    assert "no version to return to" in blocked.note
    assert "v1.3.0 is set, v1.2.0 runs." in blocked.note
