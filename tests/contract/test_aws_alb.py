"""Traffic through an Application Load Balancer by weights: moto's server is the balancer's API.

What moto cannot do, changes of health among it, is told by a proxy in AWS's own words.
"""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.plan import Level
from bot.ports.errors import AuthFailed, Conflict, Gone, OutcomeUnknown, Refused, Unavailable
from bot.ports.traffic import Split
from integrations.aws import actions as act
from integrations.aws.alb import AlbTraffic
from tests.contract.aws_proxy import Fault, declined
from tests.contract.aws_world import AlbWorld, Cloud, own_keys, started, states

__all__ = ["own_keys"]

pytestmark = pytest.mark.usefixtures("own_keys")
KEY = "inc-20261124-shop-1:traffic:1"
DENIED = (
    "User: arn:aws:sts::123456789012:assumed-role/kaeru/kaeru is not authorized to perform: "
    "elasticloadbalancing:ModifyListener on resource: arn:aws:elasticloadbalancing:eu-central-1:123456789012:"
    "listener/app/shop/1/2 because no identity-based policy allows the elasticloadbalancing:ModifyListener action"
)
MODIFY = ("ModifyListener", "ModifyRule")


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    yield from started()


@pytest.fixture
def world(cloud: Cloud) -> AlbWorld:
    return AlbWorld(cloud)


@pytest.fixture
async def traffic(world: AlbWorld) -> AsyncIterator[AlbTraffic]:
    made = world.traffic()
    yield made
    await made.aclose()


def texts(split: Split, level: Level | None = None) -> str:
    return " ".join(w.text for w in split.warnings if level in (None, w.level))


def changes(world: AlbWorld) -> list[str]:
    return [call for call in world.cloud.proxy.calls if call in MODIFY]


async def test_a_share_is_set_on_every_listener_and_rule(world: AlbWorld, traffic: AlbTraffic) -> None:
    before = await traffic.inspect()
    assert (before.share, before.ready, before.wanted) == (0.0, 2, 2)
    for share, weights in (
        (0.1, (10, 90)),
        (0.25, (25, 75)),
        (0.125, (125, 875)),
        (1.0, (100, 0)),
        (0.0, (0, 100)),
    ):
        plan = await traffic.plan(share)
        assert [a for a in plan.actions if f"{weights[0]}, " in a], plan.actions
        assert [world.weights(p) for p in world.places] != [weights] * 3, "planning has changed something"
        after = await traffic.shift(plan, KEY)
        assert after.share == pytest.approx(share)
        assert [world.weights(p) for p in world.places] == [weights] * 3
        assert after.fingerprint == (await traffic.inspect()).fingerprint != plan.fingerprint


async def test_the_same_again_changes_nothing(world: AlbWorld, traffic: AlbTraffic) -> None:
    plan = await traffic.plan(0.5)
    first = await traffic.shift(plan, KEY)
    world.cloud.proxy.calls.clear()
    assert await traffic.shift(plan, KEY) == first
    assert (await traffic.plan(0.5)).actions == ()
    assert changes(world) == []
    # Weights that say the same in other numbers are the same.
    for place in world.places:
        world.set(place, world.weighted(2, 2))
    assert (await traffic.shift(await traffic.plan(0.5), KEY)).share == 0.5
    assert changes(world) == []


async def test_what_else_an_action_says_stays(world: AlbWorld, traffic: AlbTraffic) -> None:
    sticky = world.weighted(0, 1)
    sticky[0]["ForwardConfig"]["TargetGroupStickinessConfig"] = {"Enabled": True, "DurationSeconds": 600}
    idle = world.group("idle")
    sticky[0]["ForwardConfig"]["TargetGroups"].append({"TargetGroupArn": idle, "Weight": 0})
    world.set(world.rule, sticky)
    await traffic.shift(await traffic.plan(0.5), KEY)
    (action,) = world.actions(world.rule)
    assert action["ForwardConfig"]["TargetGroupStickinessConfig"] == {"Enabled": True, "DurationSeconds": 600}
    assert {"TargetGroupArn": idle, "Weight": 0} in action["ForwardConfig"]["TargetGroups"]
    assert "TargetGroupArn" not in action


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((403, declined("AccessDenied", DENIED)), AuthFailed),
        ((400, declined("Throttling", "Rate exceeded")), Unavailable),
        ((400, declined("TooManyTargets", "no")), Refused),
    ],
)
@pytest.mark.parametrize("fails", [1, 2])
async def test_where_a_later_one_fails_the_earlier_ones_are_put_back(
    world: AlbWorld, traffic: AlbTraffic, answer: tuple[int, str], error: type[Exception], fails: int
) -> None:
    before = {p: world.actions(p) for p in world.places}
    plan = await traffic.plan(0.5)
    operation = ("ModifyListener", "ModifyRule")[fails - 1]
    world.cloud.proxy.calls.clear()
    with (
        world.cloud.proxy.faults(Fault(operation, answer=answer, times=1, after=2 - fails)),
        pytest.raises(error, match="put back as it was") as raised,
    ):
        await traffic.shift(plan, KEY)
    assert type(raised.value) is error
    assert len(changes(world)) == fails * 2 + 1, "as many are put back as were changed, and one failed"
    assert {p: world.weights(p) for p in world.places} == dict.fromkeys(world.places, (0, 1))
    after = {p: world.actions(p) for p in world.places}
    assert {p: act.groups(a) for p, a in after.items()} == {p: act.groups(a) for p, a in before.items()}
    # It may be done later by the very same plan.
    assert (await traffic.shift(plan, KEY)).share == 0.5


async def test_where_putting_back_fails_too_it_is_said_and_goes_on_later(
    world: AlbWorld, traffic: AlbTraffic
) -> None:
    plan = await traffic.plan(0.5)
    no = (400, declined("Throttling", "Rate exceeded"))
    with (
        world.cloud.proxy.faults(Fault("ModifyListener", answer=no, after=1)),
        pytest.raises(OutcomeUnknown, match=r":81 .*could not be changed.*:80 .*put back"),
    ):
        await traffic.shift(plan, KEY)
    assert [world.weights(p) for p in world.places] == [(50, 50), (0, 1), (0, 1)]
    split = await traffic.inspect()
    assert split.share is None
    assert "do not send the same share" in texts(split, Level.WARNING)
    assert (await traffic.shift(plan, KEY)).share == 0.5


@pytest.mark.parametrize(
    ("operation", "after"), [("ModifyListener", 0), ("ModifyListener", 1), ("ModifyRule", 0)]
)
async def test_a_lost_answer_is_unknown_and_the_same_step_ends_it(
    world: AlbWorld, traffic: AlbTraffic, operation: str, after: int
) -> None:
    plan = await traffic.plan(0.25)
    world.cloud.proxy.calls.clear()
    with (
        world.cloud.proxy.faults(Fault(operation, lost=True, times=1, after=after)),
        pytest.raises(OutcomeUnknown, match="may have happened"),
    ):
        await traffic.shift(plan, KEY)
    done = after + 1 if operation == "ModifyListener" else 3
    assert len(changes(world)) == done, "a change whose answer was lost is not sent again unseen"
    assert [world.weights(p) for p in world.places] == [(25, 75)] * done + [(0, 1)] * (3 - done)
    assert (await traffic.shift(plan, KEY)).share == 0.25
    assert len(changes(world)) == 3, "what had happened is not done again"


async def test_an_answer_of_500_to_a_change_is_unknown(world: AlbWorld, traffic: AlbTraffic) -> None:
    plan = await traffic.plan(0.25)
    broken = (500, declined("InternalFailure", "try again"))
    with (
        world.cloud.proxy.faults(Fault("ModifyListener", answer=broken, times=1)),
        pytest.raises(OutcomeUnknown, match="InternalFailure"),
    ):
        await traffic.shift(plan, KEY)


async def test_somebody_elses_weights_are_a_conflict(world: AlbWorld, traffic: AlbTraffic) -> None:
    plan = await traffic.plan(0.5)
    world.set(world.rule, world.weighted(33, 67))
    world.cloud.proxy.calls.clear()
    with pytest.raises(Conflict, match="weights of rule 10"):
        await traffic.shift(plan, KEY)
    assert (await traffic.inspect()).fingerprint != plan.fingerprint
    fresh = await traffic.plan(0.5)
    world.set(world.listeners[1], [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}])
    with pytest.raises(Conflict, match=r"actions of shop-\d+:81"):
        await traffic.shift(fresh, KEY)
    assert changes(world) == []


async def test_somebody_who_is_quick_while_health_is_awaited_is_a_conflict(
    world: AlbWorld, traffic: AlbTraffic
) -> None:
    plan = await traffic.plan(0.5)
    seen = []

    def meddle(content: bytes) -> bytes:
        seen.append(content)
        if len(seen) == 3:  # the two of the first look were before
            world.set(world.rule, world.weighted(33, 67))
        return content

    world.cloud.proxy.calls.clear()
    with (
        world.cloud.proxy.faults(Fault("DescribeTargetHealth", alter=meddle)),
        pytest.raises(Conflict, match="weights of rule 10"),
    ):
        await traffic.shift(plan, KEY)
    assert changes(world) == []


async def test_a_group_of_somebody_else_is_left_alone(world: AlbWorld, traffic: AlbTraffic) -> None:
    stranger = world.group("canary", 21)
    actions = world.weighted(1, 1)
    actions[0]["ForwardConfig"]["TargetGroups"].append({"TargetGroupArn": stranger, "Weight": 1})
    world.set(world.rule, actions)
    split = await traffic.inspect()
    assert split.share is None
    assert "canary" in split.detail
    with pytest.raises(Refused, match="canary"):
        await traffic.plan(1)
    world.set(world.rule, [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}])
    assert (await traffic.inspect()).share is None
    with pytest.raises(Refused, match=r"sends nothing on.*fixed-response"):
        await traffic.plan(1)


@pytest.mark.parametrize(
    "state", ["draining", "initial", "unhealthy", "unhealthy.draining", "unused", "unavailable"]
)
async def test_users_are_not_sent_to_targets_that_are_not_healthy(
    world: AlbWorld, traffic: AlbTraffic, state: str
) -> None:
    plan = await traffic.plan(0.5)
    world.cloud.proxy.calls.clear()
    with world.cloud.proxy.faults(Fault("DescribeTargetHealth", alter=states(h1=state, h2=state))):
        split = await traffic.inspect()
        assert split.ready == 0
        assert split.wanted == (0 if "draining" in state else 2)
        assert state in split.detail
        assert not (await traffic.plan(0.5)).checks[0].ok
        with pytest.raises(Refused, match=f"0 of . targets of .*new healthy, 2 {state}"):
            await traffic.shift(plan, KEY)
    assert changes(world) == []
    assert [world.weights(p) for p in world.places] == [(0, 1)] * 3


async def test_a_group_without_targets_gets_nobody(world: AlbWorld, traffic: AlbTraffic) -> None:
    world.deregister(world.service, 1, 2)
    plan = await traffic.plan(1)
    assert any("no targets" in w.text and w.level is Level.DANGER for w in plan.warnings)
    with pytest.raises(Refused, match="0 of 0 targets"):
        await traffic.shift(plan, KEY)


async def test_health_is_waited_for(world: AlbWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.aws.health.PACE_S", 0.05)
    traffic = world.traffic(healthy_within="20s", min_healthy_percent=100)
    plan = await traffic.plan(0.5)
    # Two looks at the two groups, and three while it waits.
    starting = Fault("DescribeTargetHealth", alter=states(h1="initial", h2="healthy"), times=5)
    with world.cloud.proxy.faults(starting):
        assert (await traffic.shift(plan, KEY)).share == 0.5
    assert starting.seen > 5
    await traffic.aclose()


async def test_how_many_have_to_be_healthy_can_be_said(world: AlbWorld) -> None:
    one_of_two = Fault("DescribeTargetHealth", alter=states(h1="unhealthy"))
    for percent, enough in ((50, True), (51, False)):
        traffic = world.traffic(min_healthy_percent=percent)
        with world.cloud.proxy.faults(one_of_two):
            plan = await traffic.plan(0.5)
            assert plan.checks[0].ok is enough
            if enough:
                assert (await traffic.shift(plan, KEY)).ready == 1
                await traffic.shift(await traffic.plan(0), KEY)
            else:
                with pytest.raises(Refused, match=r"1 of 2 .* and 2 have to be"):
                    await traffic.shift(plan, KEY)
        await traffic.aclose()


async def test_on_the_way_back_the_others_have_to_be_healthy(world: AlbWorld, traffic: AlbTraffic) -> None:
    await traffic.shift(await traffic.plan(1), KEY)
    plan = await traffic.plan(0)
    with (
        world.cloud.proxy.faults(
            Fault("DescribeTargetHealth", alter=states(h11="unhealthy", h12="unhealthy"))
        ),
        pytest.raises(Refused, match=r"0 of 2 targets of .*old"),
    ):
        await traffic.shift(plan, KEY)
    # What takes nobody in does not have to be healthy: users leave it.
    with world.cloud.proxy.faults(
        Fault("DescribeTargetHealth", alter=states(h1="unhealthy", h2="unhealthy"))
    ):
        assert (await traffic.shift(plan, KEY)).share == 0


async def test_a_group_that_no_balancer_uses_is_put_in_with_weight_0_first(
    world: AlbWorld, traffic: AlbTraffic
) -> None:
    plan = await traffic.plan(0.5)
    unused = states(h1="unused/Target.NotInUse", h2="unused/Target.NotInUse")
    seen: list[tuple[int, int]] = []

    def until_attached(content: bytes) -> bytes:
        attached = all(world.service in str(world.actions(place)) for place in world.places)
        if attached:
            seen.append(world.weights(world.rule))
        return content if attached else unused(content)

    with world.cloud.proxy.faults(Fault("DescribeTargetHealth", alter=until_attached)):
        assert (await traffic.shift(plan, KEY)).share == 0.5
    assert seen[0] == (0, 1), "it got traffic before its health was known"
    assert seen[-1] == (50, 50)


async def test_stickiness_slow_start_and_failing_open_are_warned_about(
    world: AlbWorld, traffic: AlbTraffic
) -> None:
    assert texts(await traffic.inspect()) == ""
    sticky = world.weighted(1, 1)
    sticky[0]["ForwardConfig"]["TargetGroupStickinessConfig"] = {"Enabled": True, "DurationSeconds": 600}
    for place in world.places:
        world.set(place, world.weighted(1, 1))
    world.set(world.rule, sticky)
    world.elb.modify_target_group_attributes(
        TargetGroupArn=world.service,
        Attributes=[
            {"Key": "stickiness.enabled", "Value": "true"},
            {"Key": "slow_start.duration_seconds", "Value": "90"},
        ],
    )
    with world.cloud.proxy.faults(
        Fault("DescribeTargetHealth", alter=states(h11="unhealthy", h12="initial"))
    ):
        split = await traffic.inspect()
        plan = await traffic.plan(1)
    assert "rule 10" in texts(split, Level.WARNING)
    assert "600 s: weights do not move" in texts(split, Level.WARNING)
    assert "by a cookie" in texts(split, Level.WARNING)
    assert "90 s" in texts(split, Level.INFO)
    danger = texts(split, Level.DANGER)
    assert "fails open" in danger
    assert "old has 0 healthy" in danger
    assert set(split.warnings) <= set(plan.warnings)


async def test_where_the_group_fails_open_early_it_is_said_early(
    world: AlbWorld, traffic: AlbTraffic
) -> None:
    world.elb.modify_target_group_attributes(
        TargetGroupArn=world.other,
        Attributes=[
            {"Key": "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "Value": "2"}
        ],
    )
    with world.cloud.proxy.faults(Fault("DescribeTargetHealth", alter=states(h11="unhealthy"))):
        assert "fails open below 2" in texts(await traffic.inspect(), Level.DANGER)


async def test_a_group_whose_health_nobody_checks_is_known_as_that(
    world: AlbWorld, traffic: AlbTraffic
) -> None:
    off = "unavailable/Target.HealthCheckDisabled"
    with world.cloud.proxy.faults(Fault("DescribeTargetHealth", alter=states(h11=off, h12=off))):
        await traffic.shift(await traffic.plan(1), KEY)
        back = await traffic.plan(0)
        assert "Nobody checks" in " ".join(w.text for w in back.warnings)
        assert (await traffic.shift(back, KEY)).share == 0


async def test_what_was_served_is_counted(world: AlbWorld, traffic: AlbTraffic) -> None:
    now = datetime.now(UTC)
    empty = await traffic.served()
    assert empty is not None
    assert (empty.to_service, empty.total, empty.errors, empty.service_errors) == (0, 0, 0, 0)
    assert timedelta(minutes=2) <= now - empty.at < timedelta(minutes=4)
    earlier, minute = now - timedelta(hours=3), now - timedelta(minutes=4)
    world.metric("RequestCount", world.service, 30, earlier)
    world.metric("RequestCount", world.service, 70, minute)
    world.metric("RequestCount", world.other, 300, minute)
    world.metric("HTTPCode_Target_5XX_Count", world.service, 2, minute)
    world.metric("HTTPCode_Target_5XX_Count", world.other, 250, minute)
    world.metric("HTTPCode_ELB_5XX_Count", None, 3, minute)
    world.metric("TargetConnectionErrorCount", world.service, 1, minute)
    world.metric("RequestCount", world.service, 5000, now)  # of a minute that is not whole yet
    for balancer_errors, failed in ((True, 5), (False, 3)):
        other = world.traffic(balancer_errors=balancer_errors)
        served = await other.served()
        assert served is not None
        assert (served.to_service, served.total) == (100, 400)
        assert (served.service_errors, served.errors) == (failed, failed + 250)
        await other.aclose()


async def test_without_the_right_to_read_cloudwatch_it_is_said_that_nothing_is_measured(
    world: AlbWorld, traffic: AlbTraffic
) -> None:
    denied = DENIED.replace("elasticloadbalancing:ModifyListener", "cloudwatch:GetMetricData")
    assert traffic.capabilities.measures
    refusal = (403, json.dumps({"__type": "AccessDenied", "message": denied}))
    headers = {"Content-Type": "application/x-amz-json-1.0", "x-amzn-query-error": "AccessDenied;Sender"}
    with world.cloud.proxy.faults(Fault("GetMetricData", answer=refusal, headers=headers)):
        plan = await traffic.plan(0.5)
        assert await traffic.served() is None
    assert not traffic.capabilities.measures
    assert any("not measured" in w.text and "cloudwatch:GetMetricData" in w.text for w in plan.warnings)
    assert "not measured" in texts(await traffic.inspect(), Level.WARNING)
    unwanted = world.traffic(measure=False)
    assert not unwanted.capabilities.measures
    assert await unwanted.served() is None
    assert "not measured" in texts(await unwanted.inspect(), Level.INFO)
    await unwanted.aclose()


async def test_what_does_not_exist_is_gone(world: AlbWorld) -> None:
    lost = world.group("lost")
    world.elb.delete_target_group(TargetGroupArn=lost)
    listener = f"{world.listeners[0][:-4]}0000"
    rule = f"{world.rule[:-4]}0000"
    for more in ({"other_group": lost}, {"listeners": (listener,)}, {"rules": (rule,)}):
        traffic = world.traffic(**more)
        with pytest.raises(Gone):
            await traffic.inspect()
        await traffic.aclose()


async def test_shares_are_between_nothing_and_all(traffic: AlbTraffic) -> None:
    for share in (-0.1, 1.1):
        with pytest.raises(Refused, match="0 to 1"):
            await traffic.plan(share)


def test_identity_is_the_same_for_all_that_steer_the_same(world: AlbWorld) -> None:
    turned = world.traffic(listeners=tuple(reversed(world.listeners)), timeout="1s")
    assert turned.identity == world.traffic().identity != AlbWorld(world.cloud).traffic().identity
