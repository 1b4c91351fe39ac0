"""Traffic through an Application Load Balancer by registering and deregistering targets."""

from collections.abc import Iterator
from typing import Any

import pytest

from bot.domain.plan import Level
from bot.ports.errors import AuthFailed, Conflict, OutcomeUnknown, Refused
from integrations.aws.alb import AlbTraffic
from tests.contract.aws_proxy import Fault, declined
from tests.contract.aws_world import AlbWorld, Cloud, host, own_keys, started, states

__all__ = ["own_keys"]

pytestmark = pytest.mark.usefixtures("own_keys")
KEY = "inc-20261124-shop-1:traffic:1"
DENIED = "User: arn:aws:iam::123456789012:user/kaeru is not authorized to perform: "
CHANGES = ("RegisterTargets", "DeregisterTargets")


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    yield from started()


@pytest.fixture
def world(cloud: Cloud) -> AlbWorld:
    """Its listeners send users to the group `other`, in which hosts 11 and 12 are."""
    return AlbWorld(cloud)


def steering(world: AlbWorld, **more: Any) -> AlbTraffic:
    return AlbTraffic(world.by_targets(**more))


def hosts(*numbers: int) -> set[str]:
    return {host(n) for n in numbers}


def changes(world: AlbWorld) -> list[str]:
    return [call for call in world.cloud.proxy.calls if call in CHANGES]


async def test_the_share_follows_from_the_targets(world: AlbWorld) -> None:
    traffic = steering(world)
    assert (await traffic.inspect()).share == 0
    for share, registered, got in (
        (0.5, (1, 2, 11, 12), 0.5),
        (0.3, (1, 11, 12), 1 / 3),
        (0.7, (1, 2, 11), 2 / 3),
        (1.0, (1, 2), 1.0),
        (0.0, (11, 12), 0.0),
    ):
        plan = await traffic.plan(share)
        inexact = [w.text for w in plan.warnings if "whole targets" in w.text]
        assert bool(inexact) is (abs(share - got) > 0.005)
        split = await traffic.shift(plan, KEY)
        assert world.registered(world.other) == hosts(*registered)
        assert split.share == pytest.approx(got)
        assert split.ready == split.wanted == len(hosts(*registered) & hosts(1, 2))
        world.cloud.proxy.calls.clear()
        assert await traffic.shift(plan, KEY) == split
        assert changes(world) == []
    await traffic.aclose()


async def test_new_ones_come_before_old_ones_go_and_only_if_they_are_healthy(world: AlbWorld) -> None:
    traffic = steering(world)
    plan = await traffic.plan(1)
    world.cloud.proxy.calls.clear()
    with (
        world.cloud.proxy.faults(Fault("DescribeTargetHealth", alter=states(h1="initial", h2="unhealthy"))),
        pytest.raises(Refused, match=r"0 of 10.0.0.1, 10.0.0.2 are healthy, and 1 .*deregistered again"),
    ):
        await traffic.shift(plan, KEY)
    assert changes(world) == ["RegisterTargets", "DeregisterTargets"]
    assert world.registered(world.other) == hosts(11, 12)
    world.cloud.proxy.calls.clear()
    await traffic.shift(plan, KEY)
    assert changes(world) == ["RegisterTargets", "DeregisterTargets"]
    assert world.registered(world.other) == hosts(1, 2)
    await traffic.aclose()


async def test_health_is_waited_for(world: AlbWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.aws.health.PACE_S", 0.05)
    traffic = steering(world, healthy_within="20s", min_healthy_percent=100)
    plan = await traffic.plan(1)
    world.cloud.proxy.calls.clear()
    with world.cloud.proxy.faults(Fault("DescribeTargetHealth", alter=states(h2="initial"), times=4)):
        await traffic.shift(plan, KEY)
    calls = world.cloud.proxy.calls
    first, last = calls.index("RegisterTargets"), calls.index("DeregisterTargets")
    assert calls[first:last].count("DescribeTargetHealth") >= 4
    assert world.registered(world.other) == hosts(1, 2)
    await traffic.aclose()


async def test_one_that_drains_is_not_registered(world: AlbWorld) -> None:
    traffic = steering(world)
    world.register(world.other, 1, 2)
    with world.cloud.proxy.faults(
        Fault("DescribeTargetHealth", alter=states(h11="draining", h12="draining"))
    ):
        split = await traffic.inspect()
        assert split.share == 1
        assert "2 draining" in split.detail
        again = await traffic.plan(0.5)
        assert again.actions[0].startswith("Register 10.0.0.11, 10.0.0.12")
    await traffic.aclose()


async def test_a_lost_answer_is_unknown_and_the_same_step_ends_it(world: AlbWorld) -> None:
    traffic = steering(world)
    plan = await traffic.plan(1)
    for operation in CHANGES:
        with (
            world.cloud.proxy.faults(Fault(operation, lost=True, times=1)),
            pytest.raises(OutcomeUnknown, match="may have happened"),
        ):
            await traffic.shift(plan, KEY)
    world.cloud.proxy.calls.clear()
    assert (await traffic.shift(plan, KEY)).share == 1
    assert changes(world) == []
    assert world.registered(world.other) == hosts(1, 2)
    await traffic.aclose()


async def test_where_old_ones_cannot_go_new_ones_go_again(world: AlbWorld) -> None:
    traffic = steering(world)
    plan = await traffic.plan(1)
    no = (403, declined("AccessDenied", f"{DENIED}elasticloadbalancing:DeregisterTargets"))
    with (
        world.cloud.proxy.faults(Fault("DeregisterTargets", answer=no, times=1)),
        pytest.raises(AuthFailed, match=r"lacks the right elasticloadbalancing:DeregisterTargets.*again"),
    ):
        await traffic.shift(plan, KEY)
    assert world.registered(world.other) == hosts(11, 12)
    with (
        world.cloud.proxy.faults(Fault("DeregisterTargets", answer=no)),
        pytest.raises(OutcomeUnknown, match="both serve now"),
    ):
        await traffic.shift(plan, KEY)
    assert world.registered(world.other) == hosts(1, 2, 11, 12)
    assert (await traffic.shift(plan, KEY)).share == 1
    await traffic.aclose()


async def test_what_somebody_else_registers_is_a_conflict(world: AlbWorld) -> None:
    traffic = steering(world)
    plan = await traffic.plan(0.3)  # 1 of the new ones, and both others
    world.register(world.other, 2)
    with pytest.raises(Conflict):
        await traffic.shift(plan, KEY)
    world.deregister(world.other, 2)
    world.register(world.other, 77)
    with pytest.raises(Conflict, match="other targets"):
        await traffic.shift(plan, KEY)
    split = await traffic.inspect()
    assert split.share is None
    assert split.fingerprint != plan.fingerprint
    with pytest.raises(Refused, match=r"10.0.0.77:8080"):
        await traffic.plan(1)
    await traffic.aclose()


async def test_without_others_it_is_open_or_shut(world: AlbWorld) -> None:
    traffic = steering(world, mine=(11, 12), others=())
    assert not traffic.capabilities.stages
    assert not traffic.capabilities.measures
    assert await traffic.served() is None
    split = await traffic.inspect()
    assert split.share == 1
    assert any("does not count targets" in w.text for w in split.warnings)
    with pytest.raises(Refused, match="nothing between"):
        await traffic.plan(0.5)
    shut = await traffic.plan(0)
    assert any("503" in w.text and w.level is Level.WARNING for w in shut.warnings)
    assert (await traffic.shift(shut, KEY)).share == 0
    assert world.registered(world.other) == set()
    assert (await traffic.shift(await traffic.plan(1), KEY)).ready == 2
    await traffic.aclose()
