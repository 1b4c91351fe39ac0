"""What every deploy target promises, held against each adapter and against the one in memory."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import pytest
from pydantic import ValidationError

from bot.domain.evidence import Outcome
from bot.ports import Conflict, Refused
from bot.ports.target import Change
from bot.workflows.applying import applied, put_back
from sandbox.shop.releases import Shop, build
from tests.clusters import the_kubernetes
from tests.contract.shop import copied, running
from tests.contract.symlinks import symlink_target
from tests.contract.worlds import KubernetesWorld, MemoryWorld, SwarmWorld, SymlinkWorld, World, change
from tests.kubernetes.world import shop_on
from tests.swarm.world import service_on, the_swarm


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return build(tmp_path_factory.mktemp("built"), current="v1.3.0")


@pytest.fixture(
    params=[
        "memory",
        "symlink",
        pytest.param("swarm", marks=pytest.mark.swarm),
        pytest.param("kubernetes", marks=pytest.mark.kubernetes),
    ]
)
async def world(request: pytest.FixtureRequest, built: Shop, tmp_path: Path) -> AsyncIterator[World]:
    if request.param == "memory":
        yield MemoryWorld()
        return
    if request.param == "swarm":
        async with service_on(the_swarm().docker_host) as service:
            await service.create("v1.3.0", replicas=1)
            await service.recorded("v1.2.8", "v1.2.9")
            async with aclosing(service.target()) as swarm:
                yield SwarmWorld(swarm, service)
        return
    if request.param == "kubernetes":
        async with shop_on(the_kubernetes()) as (deployment, shop_target):
            yield KubernetesWorld(shop_target, deployment)
        return
    async with AsyncExitStack() as stack:
        shop = stack.enter_context(running(copied(built, tmp_path / "shop")))
        target = await stack.enter_async_context(aclosing(symlink_target(shop)))
        yield SymlinkWorld(target, shop)


async def test_it_says_what_runs_and_what_could(world: World) -> None:
    seen = await world.target.inspect()
    assert (seen.current, seen.running, seen.warnings) == ("v1.3.0", "v1.3.0", ())
    assert {available.version for available in seen.available} == {"v1.2.8", "v1.2.9", "v1.3.0"}
    assert (await world.target.inspect()).fingerprint == seen.fingerprint
    assert 0 < len(seen.fingerprint) <= 64


async def test_the_fingerprint_follows_the_world(world: World) -> None:
    before = (await world.target.inspect()).fingerprint
    await world.deploy("v1.2.8")
    seen = await world.target.inspect()
    assert (seen.current, seen.running) == ("v1.2.8", "v1.2.8")
    assert seen.fingerprint != before


async def test_a_plan_changes_nothing(world: World) -> None:
    seen, starts = await world.target.inspect(), await world.starts()
    plan = await world.target.plan(change(seen, "v1.2.9"))
    assert plan.actions
    assert all("v1.3.0" in action or "v1.2.9" in action or "Run " in action for action in plan.actions)
    assert plan.checks
    assert [check.name for check in plan.checks if not check.ok] == []
    assert plan.expected_s > 0
    assert await world.target.inspect() == seen
    assert await world.starts() == starts


async def test_a_plan_for_what_is_not_there_fails_a_check(world: World) -> None:
    seen = await world.target.inspect()
    plan = await world.target.plan(change(seen, "v9.9.9"))
    assert len([check for check in plan.checks if not check.ok]) == 1


async def test_a_plan_made_too_late_fails_a_check(world: World) -> None:
    planned = change(await world.target.inspect(), "v1.2.9")
    await world.deploy("v1.2.8")
    plan = await world.target.plan(planned)
    assert len([check for check in plan.checks if not check.ok]) == 1


async def test_apply_makes_the_version_run(world: World) -> None:
    planned = change(await world.target.inspect(), "v1.2.9")
    done = await applied(world.target, planned, key="INC-1/apply")
    assert (done.outcome, done.running) == (Outcome.SUCCEEDED, "v1.2.9")
    assert done.detail
    seen = await world.target.inspect()
    assert (seen.current, seen.running, seen.warnings) == ("v1.2.9", "v1.2.9", ())
    observed = await world.target.observe(planned, "INC-1/apply")
    assert (observed.outcome, observed.running) == (Outcome.SUCCEEDED, "v1.2.9")


async def test_apply_again_does_nothing_again(world: World) -> None:
    planned = change(await world.target.inspect(), "v1.2.9")
    await applied(world.target, planned, key="INC-1/apply")
    starts = await world.starts()
    again = await applied(world.target, planned, key="INC-1/apply")
    assert (again.outcome, again.running) == (Outcome.SUCCEEDED, "v1.2.9")
    assert await world.starts() == starts


async def test_before_apply_nothing_is_called_a_success(world: World) -> None:
    planned = change(await world.target.inspect(), "v1.2.9")
    observed = await world.target.observe(planned, "INC-1/apply")
    assert (observed.outcome, observed.running) == (Outcome.FAILED, "v1.3.0")


async def test_a_foreign_change_is_a_conflict(world: World) -> None:
    planned = change(await world.target.inspect(), "v1.2.9")
    await world.deploy("v1.2.8")
    seen, starts = await world.target.inspect(), await world.starts()
    with pytest.raises(Conflict, match=r"v1\.2\.8"):
        await applied(world.target, planned, key="INC-1/apply")
    assert await world.target.inspect() == seen
    assert await world.starts() == starts
    assert (await world.target.observe(planned, "INC-1/apply")).outcome is Outcome.FAILED


async def test_an_outdated_fingerprint_is_a_conflict(world: World) -> None:
    seen = await world.target.inspect()
    with pytest.raises(Conflict):
        await applied(world.target, change(seen, "v1.2.9", fingerprint="of another day"), key="INC-1/apply")
    assert await world.target.inspect() == seen


async def test_someone_else_has_already_done_it(world: World) -> None:
    planned = change(await world.target.inspect(), "v1.2.9")
    await world.deploy("v1.2.9")
    starts = await world.starts()
    done = await applied(world.target, planned, key="INC-1/apply")
    assert (done.outcome, done.running) == (Outcome.SUCCEEDED, "v1.2.9")
    assert await world.starts() == starts


async def test_a_version_that_is_not_there_is_refused(world: World) -> None:
    seen = await world.target.inspect()
    with pytest.raises(Refused, match=r"v9\.9\.9") as refused:
        await applied(world.target, change(seen, "v9.9.9"), key="INC-1/apply")
    assert refused.value.remedy
    assert await world.target.inspect() == seen


@pytest.mark.parametrize("name", ["../v1.2.9", "/etc", "..", ".", "", "v1/../v2", "-rf", "v1.2.9\n"])
async def test_a_path_is_no_version(name: str) -> None:
    with pytest.raises(ValidationError):
        Change(component="shop", from_version="v1.3.0", to_version=name, fingerprint="x")


async def test_a_version_that_does_not_start_is_a_failure_and_can_be_reverted(world: World) -> None:
    planned = change(await world.target.inspect(), "v1.2.9")
    await world.break_release("v1.2.9")
    done = await applied(world.target, planned, key="INC-1/apply")
    assert done.outcome is Outcome.FAILED
    assert done.running in world.survivors
    assert "hunter2" not in done.detail
    assert (await world.target.observe(planned, "INC-1/apply")).outcome is not Outcome.SUCCEEDED
    seen = await world.target.inspect()
    assert seen.current == "v1.2.9"
    assert seen.running in world.survivors
    assert len(seen.warnings) == 1
    back = await put_back(world.target, planned, key="INC-1/revert")
    assert (back.outcome, back.running) == (Outcome.SUCCEEDED, "v1.3.0")
    assert (await world.target.inspect()).warnings == ()


async def test_revert_puts_back_what_was(world: World) -> None:
    planned = change(await world.target.inspect(), "v1.2.9")
    await applied(world.target, planned, key="INC-1/apply")
    for _ in range(2):
        back = await put_back(world.target, planned, key="INC-1/revert")
        assert (back.outcome, back.running) == (Outcome.SUCCEEDED, "v1.3.0")
    assert (await world.target.inspect()).current == "v1.3.0"
    assert (await world.target.observe(planned, "INC-1/apply")).outcome is Outcome.FAILED


async def test_revert_of_what_was_never_applied_does_nothing(world: World) -> None:
    seen, starts = await world.target.inspect(), await world.starts()
    back = await put_back(world.target, change(seen, "v1.2.9"), key="INC-1/revert")
    assert (back.outcome, back.running) == (Outcome.SUCCEEDED, "v1.3.0")
    assert await world.target.inspect() == seen
    assert await world.starts() == starts


async def test_revert_does_not_undo_what_someone_else_did(world: World) -> None:
    planned = change(await world.target.inspect(), "v1.2.9")
    await applied(world.target, planned, key="INC-1/apply")
    await world.deploy("v1.2.8")
    with pytest.raises(Conflict, match=r"v1\.2\.8"):
        await put_back(world.target, planned, key="INC-1/revert")
    assert (await world.target.inspect()).running == "v1.2.8"
