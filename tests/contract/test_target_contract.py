"""What every deploy target promises, held against each adapter and against the one in memory."""

import itertools
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import ValidationError

from bot.domain.base import Version
from bot.domain.evidence import Outcome
from bot.ports import Conflict, OutcomeUnknown, Refused, Unavailable
from bot.ports.target import Change
from bot.workflows.applying import applied, followed, put_back
from sandbox.shop.releases import Shop, build
from tests.contract.worlds import (
    Faults,
    MemoryWorld,
    World,
    change,
    kubernetes_world,
    swarm_world,
    symlink_world,
)

VERSIONS = {"v1.2.8", "v1.2.9", "v1.3.0"}

pytestmark = pytest.mark.asyncio(loop_scope="module")


NETWORKED = (
    "memory",
    pytest.param("swarm", marks=pytest.mark.swarm),
    pytest.param("kubernetes", marks=pytest.mark.kubernetes),
)
KINDS = (*NETWORKED, "symlink")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return build(tmp_path_factory.mktemp("built"), current="v1.3.0")


def _opened(kind: str, built: Shop, folder: Path) -> AbstractAsyncContextManager[World]:
    match kind:
        case "memory":
            return nullcontext(MemoryWorld())
        case "swarm":
            return swarm_world(folder)
        case "kubernetes":
            return kubernetes_world(folder)
        case _:
            return symlink_world(built, folder)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=KINDS)
async def shared(
    request: pytest.FixtureRequest, built: Shop, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    async with _opened(request.param, built, tmp_path_factory.mktemp(request.param)) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def world(shared: World) -> World:
    """The one that all tests of an adapter share, at rest. Which of its versions runs depends on who came before."""
    seen = await shared.target.inspect()
    if seen.warnings or seen.running != seen.current:
        await shared.deploy(seen.current)
    return shared


@pytest_asyncio.fixture(loop_scope="module", params=KINDS)
async def own_world(request: pytest.FixtureRequest, built: Shop, tmp_path: Path) -> AsyncIterator[World]:
    """One that can be broken."""
    async with _opened(request.param, built, tmp_path) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def faults(world: World) -> AsyncIterator[Faults]:
    assert world.faults is not None
    try:
        yield world.faults
    finally:
        await world.faults.mend()


@pytest.fixture(scope="module")
def incidents() -> Iterator[int]:
    return itertools.count(1)


@pytest.fixture
def key(incidents: Iterator[int]) -> str:
    """Each test is an incident of its own."""
    return f"INC-{next(incidents)}/apply"


async def planned(world: World) -> tuple[Change, Version]:
    """A change of what runs to one of the two other versions, and the other one."""
    seen = await world.target.inspect()
    assert seen.running == seen.current
    goal, third = sorted(VERSIONS - {seen.current}, reverse=True)
    return change(seen, goal), third


async def test_it_says_what_runs_and_what_could(world: World) -> None:
    seen = await world.target.inspect()
    assert seen.current in VERSIONS
    assert (seen.running, seen.warnings) == (seen.current, ())
    assert {available.version for available in seen.available} == VERSIONS
    assert (await world.target.inspect()).fingerprint == seen.fingerprint
    assert 0 < len(seen.fingerprint) <= 64


async def test_a_plan_changes_nothing(world: World) -> None:
    (wanted, _), starts = await planned(world), await world.starts()
    seen = await world.target.inspect()
    plan = await world.target.plan(wanted)
    assert plan.actions
    named = (wanted.from_version, wanted.to_version, "Run ")
    assert all(any(name in action for name in named) for action in plan.actions)
    assert plan.checks
    assert [check.name for check in plan.checks if not check.ok] == []
    assert plan.expected_s > 0
    assert await world.target.inspect() == seen
    assert await world.starts() == starts


async def test_a_plan_for_what_is_not_there_fails_a_check(world: World) -> None:
    seen = await world.target.inspect()
    plan = await world.target.plan(change(seen, "v9.9.9"))
    assert len([check for check in plan.checks if not check.ok]) == 1


async def test_a_foreign_change_makes_a_plan_void(world: World, key: str) -> None:
    wanted, third = await planned(world)
    await world.deploy(third)
    seen, starts = await world.target.inspect(), await world.starts()
    assert (seen.current, seen.running) == (third, third)
    assert seen.fingerprint != wanted.fingerprint
    plan = await world.target.plan(wanted)
    assert len([check for check in plan.checks if not check.ok]) == 1
    with pytest.raises(Conflict, match=re.escape(third)):
        await applied(world.target, wanted, key=key)
    assert await world.target.inspect() == seen
    assert await world.starts() == starts
    assert (await world.target.observe(wanted, key)).outcome is Outcome.FAILED


async def test_apply_makes_the_version_run_and_does_so_once(world: World, key: str) -> None:
    wanted, _ = await planned(world)
    done = await applied(world.target, wanted, key=key)
    assert (done.outcome, done.running) == (Outcome.SUCCEEDED, wanted.to_version)
    assert done.detail
    seen, starts = await world.target.inspect(), await world.starts()
    assert (seen.current, seen.running, seen.warnings) == (wanted.to_version, wanted.to_version, ())
    observed = await world.target.observe(wanted, key)
    assert (observed.outcome, observed.running) == (Outcome.SUCCEEDED, wanted.to_version)
    again = await applied(world.target, wanted, key=key)
    assert (again.outcome, again.running) == (Outcome.SUCCEEDED, wanted.to_version)
    assert await world.starts() == starts


async def test_before_apply_nothing_is_called_a_success(world: World, key: str) -> None:
    wanted, _ = await planned(world)
    observed = await world.target.observe(wanted, key)
    assert (observed.outcome, observed.running) == (Outcome.FAILED, wanted.from_version)


async def test_an_outdated_fingerprint_is_a_conflict(world: World, key: str) -> None:
    (wanted, _), seen = await planned(world), await world.target.inspect()
    outdated = wanted.model_copy(update={"fingerprint": "of another day"})
    with pytest.raises(Conflict):
        await applied(world.target, outdated, key=key)
    assert await world.target.inspect() == seen


async def test_someone_else_has_already_done_it(world: World, key: str) -> None:
    wanted, _ = await planned(world)
    await world.deploy(wanted.to_version)
    starts = await world.starts()
    done = await applied(world.target, wanted, key=key)
    assert (done.outcome, done.running) == (Outcome.SUCCEEDED, wanted.to_version)
    assert await world.starts() == starts


async def test_a_version_that_is_not_there_is_refused(world: World, key: str) -> None:
    seen = await world.target.inspect()
    with pytest.raises(Refused, match=r"v9\.9\.9") as refused:
        await applied(world.target, change(seen, "v9.9.9"), key=key)
    assert refused.value.remedy
    assert await world.target.inspect() == seen


@pytest.mark.parametrize("name", ["../v1.2.9", "/etc", "..", ".", "", "v1/../v2", "-rf", "v1.2.9\n"])
async def test_a_path_is_no_version(name: str) -> None:
    with pytest.raises(ValidationError):
        Change(component="shop", from_version="v1.3.0", to_version=name, fingerprint="x")


async def test_a_version_that_does_not_start_is_a_failure_and_can_be_reverted(
    own_world: World, key: str
) -> None:
    wanted = change(await own_world.target.inspect(), "v1.2.9")
    await own_world.break_release("v1.2.9")
    done = await applied(own_world.target, wanted, key=key)
    assert done.outcome is Outcome.FAILED
    assert done.running in own_world.survivors
    assert "hunter2" not in done.detail
    assert (await own_world.target.observe(wanted, key)).outcome is not Outcome.SUCCEEDED
    seen = await own_world.target.inspect()
    assert seen.current == "v1.2.9"
    assert seen.running in own_world.survivors
    assert len(seen.warnings) == 1
    back = await put_back(own_world.target, wanted, key=f"{key}/back")
    assert (back.outcome, back.running) == (Outcome.SUCCEEDED, "v1.3.0")
    assert (await own_world.target.inspect()).warnings == ()


async def test_revert_puts_back_what_was(world: World, key: str) -> None:
    wanted, _ = await planned(world)
    await applied(world.target, wanted, key=key)
    for _ in range(2):
        back = await put_back(world.target, wanted, key=f"{key}/back")
        assert (back.outcome, back.running) == (Outcome.SUCCEEDED, wanted.from_version)
    assert (await world.target.inspect()).current == wanted.from_version
    assert (await world.target.observe(wanted, key)).outcome is Outcome.FAILED


async def test_revert_of_what_was_never_applied_does_nothing(world: World, key: str) -> None:
    (wanted, _), starts = await planned(world), await world.starts()
    seen = await world.target.inspect()
    back = await put_back(world.target, wanted, key=f"{key}/back")
    assert (back.outcome, back.running) == (Outcome.SUCCEEDED, wanted.from_version)
    assert await world.target.inspect() == seen
    assert await world.starts() == starts


async def test_revert_does_not_undo_what_someone_else_did(world: World, key: str) -> None:
    wanted, third = await planned(world)
    await applied(world.target, wanted, key=key)
    await world.deploy(third)
    with pytest.raises(Conflict, match=re.escape(third)):
        await put_back(world.target, wanted, key=f"{key}/back")
    assert (await world.target.inspect()).running == third


@pytest.mark.parametrize("shared", NETWORKED, indirect=True)
async def test_an_answer_that_is_lost_is_not_taken_for_a_failure(
    world: World, faults: Faults, key: str
) -> None:
    (wanted, _), starts = await planned(world), await world.starts()
    lost = faults.lost
    await faults.lose_answers()
    try:
        seen = await world.target.apply(wanted, key)
    except OutcomeUnknown:
        pass
    else:
        assert seen.outcome is not Outcome.FAILED
    await faults.mend()
    assert faults.lost > lost
    seen = await followed(world.target, wanted, key)
    assert (seen.outcome, seen.running) == (Outcome.SUCCEEDED, wanted.to_version)
    again = await applied(world.target, wanted, key=key)
    assert (again.outcome, again.running) == (Outcome.SUCCEEDED, wanted.to_version)
    assert await world.starts() == starts + 1


@pytest.mark.parametrize("shared", NETWORKED, indirect=True)
async def test_a_write_that_never_arrives_is_done_once_by_the_next_try(
    world: World, faults: Faults, key: str
) -> None:
    (wanted, _), starts = await planned(world), await world.starts()
    lost = faults.lost
    await faults.lose_writes()
    with pytest.raises((OutcomeUnknown, Unavailable)):
        await world.target.apply(wanted, key)
    assert faults.lost > lost
    seen = await world.target.observe(wanted, key)
    assert seen.outcome is not Outcome.SUCCEEDED
    assert seen.running == wanted.from_version
    assert await world.starts() == starts
    await faults.mend()
    done = await applied(world.target, wanted, key=key)
    assert (done.outcome, done.running) == (Outcome.SUCCEEDED, wanted.to_version)
    assert await world.starts() == starts + 1


@pytest.mark.parametrize("shared", NETWORKED, indirect=True)
async def test_what_cannot_be_reached_is_neither_a_success_nor_a_failure(
    world: World, faults: Faults, key: str
) -> None:
    (wanted, _), starts = await planned(world), await world.starts()
    await faults.cut_off()
    with pytest.raises(Unavailable):
        await world.target.apply(wanted, key)
    await faults.mend()
    await world.target.apply(wanted, key)
    await faults.cut_off()
    with pytest.raises(Unavailable):
        await world.target.inspect()
    with pytest.raises(Unavailable):
        await world.target.observe(wanted, key)
    async with aclosing(world.target.follow(wanted, key)) as looks:
        with pytest.raises(Unavailable):
            await anext(looks)
    await faults.mend()
    seen = await followed(world.target, wanted, key)
    assert (seen.outcome, seen.running) == (Outcome.SUCCEEDED, wanted.to_version)
    assert await world.starts() == starts + 1
