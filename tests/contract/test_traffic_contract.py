"""What everything that steers traffic promises, held against each adapter and against the one in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
import pytest_asyncio

from bot.domain.evidence import Outcome
from bot.domain.served import between, judge_share
from bot.ports import Conflict, Refused
from bot.ports.traffic import Traffic
from tests.contract.traffic_load import Load
from tests.contract.traffic_worlds import HaproxyWorld, NginxWorld, World, opened, shifted

pytestmark = pytest.mark.asyncio(loop_scope="module")

KINDS = ("memory", "nginx", "haproxy", "command", "alb")
STAGES = (0.1, 0.25, 0.5, 1.0)


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=KINDS,
)
async def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    async with opened(request.param, tmp_path_factory.mktemp(request.param)) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def world(shared: World) -> World:
    """As it is before anything happens: healthy, and everything goes to the service."""
    await shared.heal()
    if (await shared.bot().inspect()).share != 1:
        await shared.set_by_hand(1.0)
    return shared


@pytest_asyncio.fixture(loop_scope="module")
async def traffic(world: World) -> AsyncIterator[Traffic]:
    async with aclosing(world.bot()) as found:
        yield found


async def test_it_is_seen_as_it_is(world: World, traffic: Traffic) -> None:
    seen = await traffic.inspect()
    assert (seen.share, seen.ready, seen.wanted, seen.warnings) == (1.0, 2, 2, ())
    assert (await traffic.inspect()).fingerprint == seen.fingerprint
    await world.set_by_hand(0.25)
    after = await traffic.inspect()
    assert after.share == pytest.approx(0.25, abs=0.005)
    assert after.fingerprint != seen.fingerprint
    async with aclosing(world.bot()) as other:
        assert (await other.inspect()).fingerprint == after.fingerprint
        assert other.identity == traffic.identity


async def test_a_plan_changes_nothing(world: World, traffic: Traffic) -> None:
    before, shifts = await traffic.inspect(), await world.shifts()
    plan = await traffic.plan(0.25)
    assert plan.share == 0.25
    assert plan.actions
    assert [check for check in plan.checks if not check.ok] == []
    assert (await traffic.inspect(), await world.shifts()) == (before, shifts)


async def test_every_stage_is_set_and_seen_by_others(world: World, traffic: Traffic) -> None:
    async with aclosing(world.bot()) as other:
        for share in (0.0, *STAGES, 0.0, 1.0):
            await shifted(traffic, share)
            assert (await other.inspect()).share == pytest.approx(share, abs=0.005)


async def test_nothing_and_everything_are_exact(world: World, traffic: Traffic) -> None:
    for share in (0.0, 1.0):
        await shifted(traffic, share)
        before = await traffic.served()
        assert await world.visit(60) == 0
        window = between(before, await traffic.served())
        assert window is not None
        assert (window.total, window.share) == (60, share)


async def test_the_same_shift_again_does_nothing(world: World, traffic: Traffic) -> None:
    plan = await traffic.plan(0.5)
    shifts = await world.shifts()
    first = await traffic.shift(plan, "k")
    assert await world.shifts() == shifts + 1
    async with aclosing(world.bot()) as other:
        assert (await other.shift(plan, "k")).share == first.share
    assert await world.shifts() == shifts + 1


async def test_somebody_elses_shift_is_a_conflict(world: World, traffic: Traffic) -> None:
    plan = await traffic.plan(0.5)
    await world.set_by_hand(0.1)
    with pytest.raises(Conflict) as caught:
        await traffic.shift(plan, "k")
    assert caught.value.remedy
    assert (await traffic.inspect()).share == pytest.approx(0.1, abs=0.005)


async def test_a_retry_does_not_undo_what_came_after_it(world: World, traffic: Traffic) -> None:
    plan = await traffic.plan(0.5)
    await traffic.shift(plan, "k")
    await world.set_by_hand(0.1)
    with pytest.raises(Conflict):
        await traffic.shift(plan, "k")
    assert (await traffic.inspect()).share == pytest.approx(0.1, abs=0.005)


async def test_nobody_is_sent_to_what_is_not_healthy(world: World, traffic: Traffic) -> None:
    await shifted(traffic, 0.25)
    fine = await traffic.plan(0.5)
    await world.sicken()
    assert (await traffic.inspect()).ready == 0
    assert [c.name for c in (await traffic.plan(0.5)).checks if not c.ok] == ["a backend is healthy"]
    with pytest.raises(Refused) as caught:
        await traffic.shift(fine, "k")
    assert caught.value.remedy
    assert (await traffic.inspect()).share == pytest.approx(0.25, abs=0.005)
    # The other way is not barred: that is when it is needed.
    await shifted(traffic, 0.0)


async def test_what_was_served_is_measured(world: World, traffic: Traffic) -> None:
    assert traffic.capabilities.measures
    await shifted(traffic, 0.25)
    before = await traffic.served()
    assert await world.visit(500) == 0
    window = between(before, await traffic.served())
    assert window is not None
    assert (window.total, window.errors) == (500, 0)
    # 0.25 is 4 standard deviations away from what is not within the tolerance.
    assert judge_share(window, 0.25, 0.1).outcome is Outcome.SUCCEEDED
    assert judge_share(window, 0.5, 0.1).outcome is Outcome.FAILED


async def test_another_bot_counts_the_same(world: World, traffic: Traffic) -> None:
    await world.visit(20)
    mine = await traffic.served()
    async with aclosing(world.bot()) as other:
        theirs = await other.served()
    assert mine is not None
    assert theirs is not None
    assert (mine.to_service, mine.total) == (theirs.to_service, theirs.total)


@pytest.mark.parametrize("share", [-0.1, 1.1])
async def test_a_share_is_between_nothing_and_everything(traffic: Traffic, share: float) -> None:
    with pytest.raises(Refused):
        await traffic.plan(share)


async def test_two_at_once_end_well(world: World, traffic: Traffic) -> None:
    plan, shifts = await traffic.plan(0.25), await world.shifts()
    async with aclosing(world.bot()) as other:
        done = await asyncio.gather(traffic.shift(plan, "k"), other.shift(plan, "k"), return_exceptions=True)
    well = [seen for seen in done if not isinstance(seen, BaseException)]
    assert well, done
    assert all(seen.share == pytest.approx(0.25, abs=0.005) for seen in well)
    assert (await traffic.inspect()).share == pytest.approx(0.25, abs=0.005)
    assert 1 <= await world.shifts() - shifts <= 2


async def test_nobody_notices_from_good_to_good(world: World, traffic: Traffic) -> None:
    if isinstance(world, NginxWorld | HaproxyWorld):
        load = Load(world.door.url)
        running = asyncio.create_task(load.run())
        try:
            for share in (*STAGES, *reversed(STAGES), 1.0):
                done = load.done
                await shifted(traffic, share, f"to {share}")
                await load.more_than(done + 15)
        finally:
            load.stopped.set()
            await running
        assert load.done > 100
        assert load.failed == []
    else:
        for share in (*STAGES, *reversed(STAGES), 1.0):
            await shifted(traffic, share, f"to {share}")
            assert await world.visit(100) == 0


async def test_interrupted_on_the_way_the_retry_finishes(world: World, traffic: Traffic) -> None:
    for number, where in enumerate(world.interruptions):
        await shifted(traffic, 1.0)
        plan, key, shifts = await traffic.plan(0.25), f"k{number}", await world.shifts()
        await world.interrupt(plan, key, number)
        seen = await traffic.shift(plan, key)
        assert seen.share == pytest.approx(0.25, abs=0.005), where
        assert seen.warnings == (), where
        assert await world.shifts() - shifts in (1, 2), where
        before = await traffic.served()
        assert await world.visit(200) == 0
        window = between(before, await traffic.served())
        assert window is not None
        assert judge_share(window, 0.25, 0.12).outcome is not Outcome.FAILED, where
