"""What setting another template does to a real Deployment, and what it leaves alone."""

import asyncio
import json
from contextlib import aclosing

import pytest

from bot.domain.evidence import Outcome
from bot.ports import Conflict, Refused, Target
from integrations.kubernetes.payload import Payload
from integrations.kubernetes.target import KubernetesTarget
from tests.fakes.memory import FakeMemory
from tests.kubernetes.steps import KEY, Once, annotations, change_to, generation, images, released, walk
from tests.kubernetes.world import Shop, until

pytestmark = pytest.mark.kubernetes


async def test_the_version_runs_alone_and_the_history_says_whose_work_it_is(
    target: Target, shop: Shop
) -> None:
    shop.replicas = 2
    await released(shop, "v1.2.9", "v1.3.0")
    change = await change_to(target, "v1.2.9")
    walked = await walk(target, change)
    assert (walked.end.outcome, walked.end.running) == (Outcome.SUCCEEDED, "v1.2.9")
    assert walked.end.detail == "2 of 2 ready, all of them v1.2.9."
    # Nobody has to wait for old pods any more when it is called a success.
    assert await images(shop) == {"kaeru-test/web:v1.2.9"}
    workload = await shop.workload()
    assert annotations(workload)["kubernetes.io/change-cause"] == f"kaeru: back to v1.2.9 ({KEY})"
    owner = [f["manager"] for f in workload["metadata"]["managedFields"] if f["manager"] == "kaeru"]
    assert owner == ["kaeru"]
    assert any(detail.endswith(" of 2 ready, 1 terminating.") for detail in walked.details)


async def test_a_second_undo_does_nothing_and_says_so(target: Target, shop: Shop) -> None:
    await released(shop, "v1.2.9", "v1.3.0")
    change = await change_to(target, "v1.2.9")
    await walk(target, change)
    before = await generation(shop)
    again = await target.apply(change, "INC-2/run-1/apply:web")
    assert (again.outcome, again.running) == (Outcome.SUCCEEDED, "v1.2.9")
    assert "already was set to v1.2.9, so nothing was changed" in again.detail
    taken_up = await target.apply(change, KEY)
    assert "was set to v1.2.9 by this run already, before kaeru was interrupted" in taken_up.detail
    assert await generation(shop) == before


async def test_two_at_once_make_one_rollback(shop: Shop, memory: FakeMemory) -> None:
    await released(shop, "v1.2.8", "v1.2.9", "v1.3.0")
    async with (
        aclosing(KubernetesTarget(shop.settings(), memory)) as one,
        aclosing(KubernetesTarget(shop.settings(), memory)) as other,
    ):
        change = await change_to(one, "v1.2.9")
        before = await generation(shop)
        ends = await asyncio.gather(
            walk(one, change, key="INC-1/a"), walk(other, change, key="INC-2/b"), return_exceptions=False
        )
    assert [walked.end.outcome for walked in ends] == [Outcome.SUCCEEDED] * 2
    assert await generation(shop) == before + 1
    assert await images(shop) == {"kaeru-test/web:v1.2.9"}


async def test_two_who_want_different_versions_do_not_toggle(shop: Shop, memory: FakeMemory) -> None:
    shop.replicas = 0
    await released(shop, "v1.2.8", "v1.2.9", "v1.3.0", wait=False)
    async with (
        aclosing(KubernetesTarget(shop.settings(), memory)) as one,
        aclosing(KubernetesTarget(shop.settings(), memory)) as other,
    ):
        changes = await change_to(one, "v1.2.9"), await change_to(one, "v1.2.8")
        before = await generation(shop)
        ends = await asyncio.gather(
            one.apply(changes[0], "INC-1/a"), other.apply(changes[1], "INC-2/b"), return_exceptions=True
        )
    assert sum(isinstance(end, Conflict) for end in ends) == 1
    assert await generation(shop) == before + 1


async def test_what_others_have_added_survives(target: Target, shop: Shop) -> None:
    await released(shop, "v1.2.9", "v1.3.0")
    change = await change_to(target, "v1.2.9")
    await shop.annotate(**{"argocd.argoproj.io/tracking-id": "shop:web", "a.b/c_d": "e"})
    await shop.hands.merge(shop.path, {"metadata": {"labels": {"team": "shop"}}}, by="kubectl-label")
    await shop.scale(2)
    walked = await walk(target, change)
    assert walked.end.outcome is Outcome.SUCCEEDED
    workload = await shop.workload()
    kept = annotations(workload)
    assert (kept["argocd.argoproj.io/tracking-id"], kept["a.b/c_d"]) == ("shop:web", "e")
    assert workload["metadata"]["labels"]["team"] == "shop"
    # How many there are belongs to whoever scales.
    assert workload["spec"]["replicas"] == 2
    assert walked.end.detail == "2 of 2 ready, all of them v1.2.9."


async def test_an_annotation_that_comes_between_the_read_and_the_write_survives(
    target: Target, shop: Shop
) -> None:
    """There were none when it was read, so the whole map is added: that must not happen over others."""
    from integrations.kubernetes.patch import to_template  # noqa: PLC0415 - this test alone goes below the target

    stateful = Shop(shop.space, shop.api, kind="statefulset", name="db", replicas=0)
    await stateful.deploy("v1.2.9")
    api = target._api  # type: ignore[attr-defined]  # the write itself is looked at
    path = stateful.settings().path
    read = await api.get(path)
    assert not read["metadata"].get("annotations")
    operations = to_template(read, read["spec"]["template"], cause="kaeru")
    await stateful.annotate(team="shop")
    with pytest.raises(Conflict):
        await api.patch(path, operations)
    assert annotations(await stateful.workload()) == {"team": "shop"}
    await api.patch(path, to_template(await api.get(path), read["spec"]["template"], cause="kaeru"))
    assert annotations(await stateful.workload()) == {"team": "shop", "kubernetes.io/change-cause": "kaeru"}


async def test_a_restart_between_the_deploys_is_not_a_version(target: Target, shop: Shop) -> None:
    await released(shop, "v1.2.9", "v1.3.0")
    await shop.restart()
    walked = await walk(target, await change_to(target, "v1.2.9"))
    assert (walked.end.outcome, walked.end.running) == (Outcome.SUCCEEDED, "v1.2.9")


async def test_a_deploy_since_the_plan_is_a_conflict_that_names_whoever_did_it(
    target: Target, shop: Shop
) -> None:
    shop.replicas = 0
    await released(shop, "v1.2.9", "v1.3.0", wait=False)
    change = await change_to(target, "v1.2.9")
    await shop.deploy("v1.3.1", wait=False)
    before = await generation(shop)
    with pytest.raises(
        Conflict, match=r"set to v1\.3\.1 meanwhile by kubectl.*planned when it was set to v1\.3\.0"
    ):
        await target.apply(change, KEY)
    assert await generation(shop) == before


async def test_a_pause_since_the_plan_is_a_conflict(target: Target, shop: Shop) -> None:
    shop.replicas = 0
    await released(shop, "v1.2.9", "v1.3.0", wait=False)
    change = await change_to(target, "v1.2.9")
    await shop.kubectl("rollout", "pause", "deployment/web")
    with pytest.raises(Conflict, match="paused") as conflict:
        await target.apply(change, KEY)
    assert "Resume it" in conflict.value.remedy


async def test_one_that_was_made_anew_is_a_conflict(target: Target, shop: Shop) -> None:
    shop.replicas = 0
    await released(shop, "v1.2.9", "v1.3.0", wait=False)
    change = await change_to(target, "v1.2.9")
    await shop.kubectl("delete", "deployment/web", "--wait=true")
    await shop.deploy("v1.3.0", wait=False)
    with pytest.raises(Conflict, match="made anew"):
        await target.apply(change, KEY)


async def test_a_shape_that_nobody_knows_is_refused_with_those_that_are_known(
    target: Target, shop: Shop
) -> None:
    shop.replicas = 0
    await released(shop, "v1.2.9", "v1.3.0", wait=False)
    change = await change_to(target, "v1.2.9")
    with pytest.raises(Refused, match="Neither the cluster nor kaeru") as refused:
        await target.apply(change.model_copy(update={"to_ref": "0123456789abcdef"}), KEY)
    assert "v1.2.9" in refused.value.remedy


async def test_a_killed_bot_finds_its_own_work_and_writes_nothing_again(
    shop: Shop, memory: FakeMemory
) -> None:
    await released(shop, "v1.2.9", "v1.3.0")
    async with aclosing(KubernetesTarget(shop.settings(), memory)) as first:
        change = await change_to(first, "v1.2.9")
        await first.apply(change, KEY)  # and is gone before anything of it is written down
    written = await generation(shop)
    async with aclosing(KubernetesTarget(shop.settings(), memory)) as second:
        walked = await walk(second, change)
    assert (walked.end.outcome, walked.end.running) == (Outcome.SUCCEEDED, "v1.2.9")
    assert await generation(shop) == written


async def test_somebody_scales_while_it_is_under_way(target: Target, shop: Shop) -> None:
    await released(shop, "v1.2.9", "v1.3.0")
    scale = Once(lambda: shop.scale(2))
    walked = await walk(target, await change_to(target, "v1.2.9"), meanwhile=scale)
    assert scale.done
    assert walked.end.detail == "2 of 2 ready, all of them v1.2.9."
    assert (await shop.workload())["spec"]["replicas"] == 2


async def test_the_surge_makes_one_wave_and_is_given_back(target: Target, shop: Shop) -> None:
    shop.replicas = 3
    await released(shop, "v1.2.9", "v1.3.0")
    before = (await shop.workload())["spec"]["strategy"]
    change = await change_to(target, "v1.2.9", payload=Payload(surge="100%").text)
    most = 0

    async def count(_seen: object) -> None:
        nonlocal most
        most = max(most, len([pod for pod in await shop.pods() if "v1.2.9" in json.dumps(pod["spec"])]))

    await target.apply(change, KEY)
    during = await shop.workload()
    assert during["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": "100%", "maxUnavailable": "25%"}
    assert json.loads(annotations(during)["kaeru.dev/strategy-before"])["before"] == before
    walked = await walk(target, change, meanwhile=count)
    assert walked.end.outcome is Outcome.SUCCEEDED
    assert most == 3
    after = await shop.workload()
    assert after["spec"]["strategy"] == before
    assert "kaeru.dev/strategy-before" not in annotations(after)


async def test_the_surge_is_given_back_after_a_crash_too(shop: Shop, memory: FakeMemory) -> None:
    await released(shop, "v1.2.9", "v1.3.0")
    before = (await shop.workload())["spec"]["strategy"]
    async with aclosing(KubernetesTarget(shop.settings(), memory)) as first:
        change = await change_to(first, "v1.2.9", payload=Payload(surge="100%").text)
        await first.apply(change, KEY)
    await shop.rolled_out()  # all over while nobody looked
    async with aclosing(KubernetesTarget(shop.settings(), memory)) as second:
        assert [debt.id for debt in (await second.inspect()).debts] == [
            f"surge:deployment/{shop.space.name}/web"
        ]
        walked = await walk(second, change)
        assert walked.end.outcome is Outcome.SUCCEEDED
        assert (await second.inspect()).debts == ()
    assert (await shop.workload())["spec"]["strategy"] == before


async def test_a_surge_that_nobody_follows_is_a_debt_and_not_taken_for_the_real_one(
    target: Target, shop: Shop
) -> None:
    shop.replicas = 0
    await released(shop, "v1.2.8", "v1.2.9", "v1.3.0")
    before = (await shop.workload())["spec"]["strategy"]
    wide = Payload(surge="100%").text
    await target.apply(await change_to(target, "v1.2.9", payload=wide), KEY)
    await shop.rolled_out()
    await target.apply(await change_to(target, "v1.2.8", payload=wide), "INC-2/run-1/apply:web")
    (debt,) = (await target.inspect()).debts
    for _ in range(2):
        await target.repay(debt, "INC-2/repay")
    assert (await shop.workload())["spec"]["strategy"] == before
    assert (await target.inspect()).debts == ()


async def test_a_strategy_that_somebody_has_set_since_stays(target: Target, shop: Shop) -> None:
    await released(shop, "v1.2.9", "v1.3.0")
    change = await change_to(target, "v1.2.9", payload=Payload(surge="100%").text)
    await target.apply(change, KEY)
    await shop.patch({"spec": {"strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}})
    walked = await walk(target, change)
    assert walked.end.outcome is Outcome.SUCCEEDED
    after = await shop.workload()
    assert after["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert "kaeru.dev/strategy-before" not in annotations(after)


async def test_a_quota_that_has_filled_up_since_the_plan_costs_the_surge_and_nothing_else(
    target: Target, shop: Shop
) -> None:
    shop.replicas = 2
    await released(shop, "v1.2.9", "v1.3.0")
    change = await change_to(target, "v1.2.9", payload=Payload(surge="100%").text)
    await shop.create(
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "few"},
            "spec": {"hard": {"pods": "3"}},
        }
    )

    async def counted() -> bool:
        quota = await shop.get("resourcequotas", "few")
        return bool(quota.get("status", {}).get("used", {}).get("pods") == "2")

    await until(counted, "counted by the quota")
    begun = await target.apply(change, KEY)
    assert "Without the planned surge" in begun.detail
    walked = await walk(target, change)
    assert walked.end.outcome is Outcome.SUCCEEDED
    assert (await shop.workload())["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == "25%"
