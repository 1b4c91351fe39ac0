"""The way back to where it was, on a real Deployment."""

import pytest

from bot.domain.evidence import Outcome
from bot.ports import Conflict
from integrations.kubernetes import pods
from integrations.kubernetes.target import KubernetesTarget
from tests.fakes.memory import FakeMemory
from tests.kubernetes.steps import (
    BACK,
    KEY,
    annotations,
    change_to,
    generation,
    images,
    released,
    walk,
    walk_back,
)
from tests.kubernetes.world import Shop

pytestmark = pytest.mark.kubernetes


async def test_a_failed_change_is_put_back_once(
    target: KubernetesTarget, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pods, "LOOP_S", 1.0)
    await released(shop, "v1.2.7", "v1.3.0")
    change = await change_to(target, "v1.2.7")
    failed = await walk(target, change)
    assert failed.end.outcome is Outcome.FAILED
    back = await walk_back(target, change)
    assert (back.end.outcome, back.end.running) == (Outcome.SUCCEEDED, "v1.3.0")
    assert await images(shop) == {"kaeru-test/web:v1.3.0"}
    workload = await shop.workload()
    assert annotations(workload)["kubernetes.io/change-cause"] == f"kaeru: back to v1.3.0 ({BACK})"
    again = await target.revert(change, BACK)
    assert (again.outcome, again.running) == (Outcome.SUCCEEDED, "v1.3.0")
    assert await generation(shop) == workload["metadata"]["generation"]
    assert (await target.observe(change, KEY)).outcome is Outcome.FAILED


async def test_in_the_middle_of_it_there_is_a_way_back(target: KubernetesTarget, shop: Shop) -> None:
    await released(shop, "v1.2.9", "v1.3.0", first={"READY_AFTER": "60"})
    change = await change_to(target, "v1.2.9")
    assert (await target.apply(change, KEY)).outcome is Outcome.UNKNOWN
    back = await walk_back(target, change)
    assert (back.end.outcome, back.end.running) == (Outcome.SUCCEEDED, "v1.3.0")
    # It tells live counts as the way there does.
    assert any(" of 1 ready" in detail for detail in back.details)


async def test_what_never_was_applied_is_not_put_back(target: KubernetesTarget, shop: Shop) -> None:
    await released(shop, "v1.2.9", "v1.3.0")
    before = await generation(shop)
    back = await target.revert(await change_to(target, "v1.2.9"), BACK)
    assert (back.outcome, back.running) == (Outcome.SUCCEEDED, "v1.3.0")
    assert await generation(shop) == before


async def test_what_somebody_else_did_is_not_undone(target: KubernetesTarget, shop: Shop) -> None:
    await released(shop, "v1.2.9", "v1.3.0")
    change = await change_to(target, "v1.2.9")
    await target.apply(change, KEY)
    await shop.deploy("v1.3.1", wait=False)
    before = await generation(shop)
    with pytest.raises(
        Conflict, match=r"was set to v1\.3\.1 meanwhile by kubectl patch .*v1\.2\.9 nor"
    ) as said:
        await target.revert(change, BACK)
    assert "It was left as it is, not put back to v1.3.0." in str(said.value)
    assert "plan a rollback from what is set now" in said.value.remedy
    assert await generation(shop) == before


async def test_a_shape_that_the_cluster_has_forgotten_comes_back_from_memory(
    target: KubernetesTarget, shop: Shop, memory: FakeMemory
) -> None:
    shop.extra = {"revisionHistoryLimit": 0}
    async with shop.without_pods():
        await released(shop, "v1.3.0", wait=False)
        await target.inspect()
        await shop.recorded("v1.3.1")
    await shop.rolled_out()
    assert len(await shop.listed("replicasets")) == 1
    walked = await walk(target, await change_to(target, "v1.3.0"))
    assert (walked.end.outcome, walked.end.running) == (Outcome.SUCCEEDED, "v1.3.0")
