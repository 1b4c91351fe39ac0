"""One image in several shapes, and only its settings are bad: what is left stays left, whatever it is called later."""

import dataclasses
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml

from bot.catalog import load_catalog
from bot.cli.deferred import DeferredEngine
from bot.domain import events as e
from bot.domain.base import Refusal
from bot.domain.evidence import BaselineSource, Outcome, Probe
from bot.domain.heading import Goal, Heading
from bot.domain.incident import Incident, PlanRecord, PlanState
from bot.domain.plan import Commit, Plan
from bot.domain.quarantine import unhelpful
from bot.domain.releases import Standing, shape_name, spoken
from bot.domain.severity import Severity
from bot.store import Store, UnitOfWork
from bot.usecases.arming import Arming
from bot.usecases.commands import Approve, RollBack, SetSeverity
from bot.usecases.desk import Desk
from bot.usecases.fleet import Fleet, Hands
from bot.usecases.memories import StoreMemory
from bot.usecases.quarantine import keep_out
from integrations.registry import kinds
from tests.contract.store_worlds import START, Clock
from tests.fakes.changes import MemoryChanges, MemoryCommit
from tests.fakes.health import MemoryHealth
from tests.fakes.shaped import InKubernetes, InSwarm, Shaped

OLD, IMAGE, NEXT = "v1.2.8", "v1.2.9", "v1.3.0"
GOOD, BAD, WORSE = {"DB": "here"}, {"DB": "nowhere"}, {"DB": "nowhere at all"}


class World:
    """`shop` with its components in one kind of cluster; kaeru's real database, plans and decisions."""

    def __init__(self, store: Store, clock: Clock, folder: Path, kind: type[Shaped], *names: str) -> None:
        self.store, self.clock = store, clock
        adapter = {"kind": "symlink", "releases": "/srv/releases", "link": "/srv/current"}
        path = folder / "kaeru.yml"
        service = {"components": {name: {"target": adapter} for name in names}}
        path.write_text(yaml.safe_dump({"services": {"shop": service}}), encoding="utf-8")
        catalog = load_catalog(path, kinds())
        self.targets = {
            name: kind("", (), memory=StoreMemory(store, "shop", name, clock=clock), clock=clock)
            for name in names
        }
        self.services = {"shop": Hands(self.targets, MemoryHealth(IMAGE), None)}
        fleet = Fleet(self.services)
        self.desk = Desk(
            store, catalog, DeferredEngine(), clock=clock, on_commit=lambda: None, bot_user="U0KAERU"
        )
        self.arming = Arming(store, catalog, fleet, self.desk, clock=clock)

    async def deploy(self, version: str, settings: dict[str, str], *only: str, well: bool = False) -> None:
        """What people do past kaeru; with `well`, kaeru sees it serve well for a while."""
        for name, target in self.targets.items():
            if not only or name in only:
                target.set_to(version, **settings)
        await self.seen(well=well)

    async def seen(self, *, well: bool = False) -> None:
        """What the survey and the probes write down."""
        self.clock.advance(minutes=10)
        at = self.clock()
        found = {name: await target.inspect() for name, target in self.targets.items()}

        def write(uow: UnitOfWork) -> None:
            for name, look in found.items():
                uow.releases.saw("shop", spoken(look.current), at, good=well)
                if well:
                    uow.shapes.good("shop", name, look.current_ref, at)

        await self.store.write(write)

    async def measure(self, end: datetime, *, latency_ms: float, ok: bool = True) -> None:
        """Eight answers up to `end`, a second apart."""
        probes = tuple(
            Probe(
                endpoint="/checkout",
                at=end - timedelta(seconds=n),
                ok=ok,
                latency_ms=latency_ms,
                version=IMAGE,
            )
            for n in range(8)
        )
        await self.store.write(lambda uow: uow.probes.add("shop", probes, None))

    async def roll_back(self, wanted: str | None = None) -> Incident:
        return (await self.desk.roll_back(RollBack(by="UALICE", service="shop", version=wanted))).incident

    async def record(self, incident: Incident) -> PlanRecord:
        """The newest plan, made."""
        newest = (await self.incident(incident)).record
        assert newest is not None
        await self.arming.arm(incident.id, newest.number)
        made = (await self.incident(incident)).record
        assert made is not None
        return made

    async def incident(self, incident: Incident) -> Incident:
        return await self.store.read(lambda uow: uow.incidents.get(incident.id))

    async def carried_out(self, incident: Incident) -> Plan:
        """Plan, approve, and let every component be set to what the plan says, by its ref."""
        record = await self.record(incident)
        assert record.plan is not None, record.note
        plan = record.plan
        if (await self.incident(incident)).severity is None:
            await self.desk.handle(SetSeverity(by="UALICE", incident_id=incident.id, severity=Severity.HIGH))
        digest = plan.digest
        await self.desk.handle(Approve(by="UBOB", incident_id=incident.id, number=plan.number, digest=digest))
        for change in plan.components:
            await self.set_by_ref(change.component, change.to_ref)
        await self.seen()
        return plan

    async def set_by_ref(self, component: str, ref: str) -> None:
        target = self.targets[component]
        for version in (OLD, IMAGE, NEXT):
            for settings in (GOOD, BAD, WORSE):
                if await self.ref(component, version, settings) == ref:
                    return target.set_to(version, **settings)
        raise AssertionError(f"{component} never had the shape {ref}")

    async def ref(self, component: str, version: str, settings: dict[str, str]) -> str:
        """The ref that an image with these settings has, found out beside the world."""
        apart = type(self.targets[component])(
            "", (), memory=StoreMemory(self.store, "elsewhere", component, clock=self.clock), clock=self.clock
        )
        apart.set_to(version, **settings)
        return (await apart.shown())[0]

    def tag(self, *versions: str) -> None:
        """Let a repository order the versions."""
        commit = Commit(sha="0", author="Ann", at=START, subject="A release")
        changes = MemoryChanges(tuple(MemoryCommit(commit, (), version) for version in versions))
        self.services["shop"] = dataclasses.replace(self.services["shop"], changes=changes)

    async def settings(self, component: str = "web") -> dict[str, str]:
        found = await self.targets[component].inspect()
        for settings in (GOOD, BAD, WORSE):
            if await self.ref(component, spoken(found.current), settings) == found.current_ref:
                return settings
        raise AssertionError("set to something else")

    async def called(self, settings: dict[str, str], component: str = "web", *, of: str = IMAGE) -> str:
        """What the shape is called now."""
        ref = await self.ref(component, of, settings)
        return next(a.version for a in (await self.targets[component].inspect()).available if a.ref == ref)

    async def exact(self, settings: dict[str, str], component: str = "web", *, of: str = IMAGE) -> str:
        return shape_name(of, await self.ref(component, of, settings))

    async def bad_shapes(self) -> set[tuple[str, str]]:
        found = await self.store.read(lambda uow: uow.bad_shapes.all("shop"))
        return {(bad.shape.component, bad.shape.version) for bad in found}

    async def bad_versions(self) -> set[str]:
        ledger = await self.store.read(lambda uow: uow.releases.all("shop"))
        return {v for v, known in ledger.items() if known.standing is Standing.QUARANTINED}

    async def did_not_help(self, incident: Incident, plan: Plan) -> None:
        """The run has ended: it was not well with what it went back to."""
        (run,) = (await self.incident(incident)).runs
        await self.store.write(lambda uow: keep_out(uow, incident, unhelpful(run, plan), self.clock()))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> AsyncIterator[Store]:
    opened = await Store.open(f"sqlite:///{tmp_path}/kaeru.sqlite", clock=clock)
    yield opened
    await opened.close()


@pytest.fixture(params=[InKubernetes, InSwarm])
def kind(request: pytest.FixtureRequest) -> type[Shaped]:
    found: type[Shaped] = request.param
    return found


@pytest.fixture
def world(store: Store, clock: Clock, tmp_path: Path, kind: type[Shaped]) -> World:
    return World(store, clock, tmp_path, kind, "web")


@pytest.fixture
def pair(store: Store, clock: Clock, tmp_path: Path, kind: type[Shaped]) -> World:
    return World(store, clock, tmp_path, kind, "web", "worker")


@pytest.mark.parametrize("tagged", [False, True])
@pytest.mark.parametrize("seen", [False, True])
async def test_settings_that_were_rolled_back_do_not_come_back(
    world: World, *, seen: bool, tagged: bool
) -> None:
    """Whether anybody saw the ones before serve well, and whether the repository or the dates order the versions."""
    if tagged:
        world.tag(OLD, IMAGE, NEXT)
    await world.deploy(IMAGE, GOOD, well=seen)
    await world.deploy(IMAGE, BAD)
    incident = await world.roll_back()
    await world.carried_out(incident)
    assert await world.settings() == GOOD
    assert (await world.bad_versions(), await world.bad_shapes()) == (
        set(),
        {("web", await world.exact(BAD))},
    )
    with pytest.raises(Refusal, match="no version to return to"):
        await world.arming.make("shop")
    for name in (await world.called(BAD), await world.exact(BAD)):
        with pytest.raises(Refusal, match=f"is quarantined by {incident.id}"):
            await world.arming.make("shop", wanted=name)
    await world.deploy(NEXT, GOOD)
    plan = await world.arming.make("shop")
    assert [c.to_ref for c in plan.components] == [await world.ref("web", IMAGE, GOOD)]
    quarantined = {r.version for r in plan.candidates if r.standing is Standing.QUARANTINED}
    assert quarantined == {await world.called(BAD)}


async def test_of_settings_only_those_that_served_well_are_the_last_known_good(world: World) -> None:
    """Good, bad, worse, all of one image: what the image earned is not what the bad settings earned."""
    await world.deploy(OLD, GOOD, well=True)
    await world.deploy(IMAGE, GOOD, well=True)
    await world.deploy(IMAGE, BAD)
    await world.deploy(IMAGE, WORSE)
    incident = await world.roll_back()
    plan = await world.carried_out(incident)
    assert (plan.to_version, plan.why) == (IMAGE, "the last version that was seen serving well")
    assert plan.from_version == await world.exact(WORSE)
    assert not [w.text for w in plan.warnings if "seen serving well" in w.text]
    assert await world.settings() == GOOD
    # It does not stay well with these either: neither they nor what was left are tried again.
    await world.did_not_help(incident, plan)
    assert await world.bad_shapes() == {("web", await world.exact(s)) for s in (GOOD, WORSE)}
    assert (await world.arming.make("shop")).to_version == OLD
    assert await world.bad_versions() == set()


async def test_a_bad_image_is_bad_with_all_its_settings(world: World) -> None:
    await world.deploy(IMAGE, GOOD, well=True)
    await world.deploy(NEXT, GOOD)
    await world.deploy(NEXT, BAD)
    incident = await world.roll_back(IMAGE)
    await world.carried_out(incident)
    assert (await world.bad_versions(), await world.bad_shapes()) == ({NEXT}, set())
    await world.deploy(IMAGE, BAD)
    assert (await world.arming.make("shop")).to_version == IMAGE
    for settings in (GOOD, BAD):
        name = await world.called(settings, of=NEXT)
        with pytest.raises(Refusal, match=f"is quarantined by {incident.id}"):
            await world.arming.make("shop", wanted=name)


async def test_a_shape_can_be_asked_for_by_each_of_its_names(world: World) -> None:
    await world.deploy(IMAGE, BAD)
    await world.deploy(IMAGE, GOOD, well=True)
    await world.deploy(NEXT, GOOD)
    good, other = await world.ref("web", IMAGE, GOOD), await world.ref("web", IMAGE, BAD)
    wishes = {IMAGE: good, await world.exact(GOOD): good, await world.exact(BAD): other}
    if isinstance(world.targets["web"], InKubernetes):
        wishes |= {"r1": other, "r2": good, f"{IMAGE}+r1": other, f"{IMAGE}+r2": good}
    for wish, ref in wishes.items():
        plan = await world.arming.make("shop", wanted=wish)
        assert [c.to_ref for c in plan.components] == [ref], wish
        assert "chosen by hand" in plan.why
    with pytest.raises(Refusal, match=r"v1\.2\.9\+r99 is not a release"):
        await world.arming.make("shop", wanted=f"{IMAGE}+r99")


async def test_a_plan_outlives_another_name_for_what_runs(world: World) -> None:
    await world.deploy(IMAGE, GOOD, well=True)
    await world.deploy(IMAGE, BAD)
    incident = await world.roll_back()
    record = await world.record(incident)
    assert record.plan is not None
    assert record.plan.from_version == await world.exact(BAD)
    await world.seen(well=True)
    assert await world.called(BAD) == IMAGE
    await world.arming.watch_worlds()
    now_it_is = (await world.incident(incident)).record
    assert now_it_is is not None
    assert (now_it_is.number, now_it_is.state) == (1, PlanState.READY)
    await world.deploy(IMAGE, WORSE)
    await world.arming.watch_worlds()
    replanned = (await world.incident(incident)).plans
    assert (
        replanned[0].note
        == f"web changed from {await world.exact(BAD)} to {await world.exact(WORSE)} meanwhile"
    )


async def test_what_a_rollback_brought_is_known_by_another_name_too(world: World) -> None:
    """Nobody saw it serve well when it was gone back to, as `v1.2.9+r…`; now it is `v1.2.9`."""
    await world.deploy(IMAGE, GOOD)
    await world.deploy(IMAGE, BAD)
    incident = await world.roll_back()
    plan = await world.carried_out(incident)
    assert (plan.to_version, await world.called(GOOD)) == (await world.exact(GOOD), IMAGE)
    refs = {c.component: c.to_ref for c in plan.components}
    before = Heading(bound_for=Goal(version=plan.to_version, refs=refs), how="a rollback brought it there")
    with pytest.raises(Refusal, match=r"^shop runs v1\.2\.9 already, where this rollback was heading"):
        await world.arming.make("shop", before=before)
    await world.deploy(IMAGE, WORSE)
    again = await world.arming.make("shop", before=before)
    assert [c.to_ref for c in again.components] == [refs["web"]]


async def test_only_one_component_has_bad_settings(pair: World) -> None:
    await pair.deploy(IMAGE, GOOD, well=True)
    await pair.deploy(IMAGE, BAD, "web")
    incident = await pair.roll_back()
    plan = await pair.carried_out(incident)
    assert (plan.from_version, plan.to_version) == (await pair.exact(BAD), IMAGE)
    assert {c.component: c.actions[0] for c in plan.components} == {
        "web": f"Set {IMAGE}",
        "worker": f"Nothing to do: it runs {IMAGE} already",
    }
    assert not [w.text for w in plan.warnings if "different versions" in w.text]
    assert (await pair.settings("web"), await pair.settings("worker")) == (GOOD, GOOD)
    assert (await pair.bad_versions(), await pair.bad_shapes()) == (set(), {("web", await pair.exact(BAD))})
    with pytest.raises(Refusal, match="no version to return to"):
        await pair.arming.make("shop")


@pytest.mark.parametrize("seen", [False, True])
async def test_the_bad_settings_of_all_components_go_together(pair: World, *, seen: bool) -> None:
    await pair.deploy(IMAGE, GOOD, well=seen)
    await pair.deploy(IMAGE, BAD)
    await pair.carried_out(await pair.roll_back())
    assert (await pair.settings("web"), await pair.settings("worker")) == (GOOD, GOOD)
    assert await pair.bad_shapes() == {(name, await pair.exact(BAD, name)) for name in ("web", "worker")}
    with pytest.raises(Refusal, match="no version to return to"):
        await pair.arming.make("shop")


async def test_what_was_measured_while_the_settings_were_good_is_what_they_are_compared_with(
    world: World,
) -> None:
    """Both settings call themselves v1.2.9: the time alone tells whose answers they were."""
    await world.deploy(IMAGE, GOOD)
    await world.seen(well=True)
    well_at = world.clock() - timedelta(minutes=1)
    await world.measure(well_at, latency_ms=20)
    await world.deploy(IMAGE, BAD)
    await world.measure(world.clock(), latency_ms=900, ok=False)
    plan = await world.arming.make("shop")
    assert (plan.to_version, plan.from_version) == (IMAGE, await world.exact(BAD))
    assert (plan.baseline.source, plan.baseline.version) == (BaselineSource.PROBES, IMAGE)
    (stats,) = plan.baseline.endpoints
    assert (stats.count, stats.errors, stats.p95_ms) == (8, 0, 20)
    assert [w.text for w in plan.warnings if "serve well" in w.text or "serving well" in w.text] == []


async def test_where_nobody_saw_the_settings_well_the_thresholds_speak(world: World) -> None:
    await world.deploy(IMAGE, GOOD)
    await world.deploy(IMAGE, BAD)
    await world.measure(world.clock(), latency_ms=900, ok=False)
    plan = await world.arming.make("shop")
    assert plan.to_version == await world.exact(GOOD)
    assert plan.baseline.source is BaselineSource.THRESHOLDS
    texts = [w.text for w in plan.warnings if "serve well" in w.text or "serving well" in w.text]
    assert texts == [f"Nobody has seen {plan.to_version} serve well yet, as far as kaeru remembers."]


async def test_what_this_incident_itself_has_quarantined_is_no_news_on_its_next_plan(world: World) -> None:
    await world.deploy(OLD, GOOD, well=True)
    await world.deploy(IMAGE, GOOD, well=True)
    await world.deploy(NEXT, GOOD)
    incident = await world.roll_back()
    await world.carried_out(incident)
    await world.deploy(NEXT, GOOD)  # it was put back
    own = await world.arming.make("shop", own=incident.id)
    assert [w.text for w in own.warnings if "quarantined" in w.text] == []
    other = await world.arming.make("shop")
    assert [w.text for w in other.warnings if "quarantined" in w.text] == [
        f"{NEXT} is quarantined by {incident.id}, and is what is deployed all the same."
    ]


async def test_what_did_not_help_is_told_apart_from_what_was_left(world: World) -> None:
    await world.deploy(IMAGE, GOOD, well=True)
    await world.deploy(NEXT, GOOD)
    incident = await world.roll_back()
    plan = await world.carried_out(incident)
    (run,) = (await world.incident(incident)).runs

    def fails(_: Incident) -> tuple[e.Event, ...]:
        reason = "/checkout: 3 of 3 failed"
        return (
            e.RollbackFailed(
                at=world.clock(), run_id=run.id, outcome=Outcome.FAILED, reason=reason, safe_state=""
            ),
        )

    await world.desk.change(incident.id, fails)
    await world.did_not_help(incident, plan)
    with pytest.raises(Refusal) as refused:
        await world.arming.make("shop", wanted=NEXT)
    assert f"{NEXT} is quarantined by {incident.id}: it was rolled back before." in str(refused.value)
    await world.deploy(OLD, GOOD)
    with pytest.raises(Refusal) as refused:
        await world.arming.make("shop")
    assert f"{IMAGE} is quarantined by {incident.id}: it did not help when it was gone back to" in str(
        refused.value
    )
    assert "`kaeru quarantine lift`" in str(refused.value)
