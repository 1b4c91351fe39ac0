"""StatefulSets, which stay stuck on a pod that never gets ready even when their template is right again."""

from contextlib import aclosing
from pathlib import Path

import pytest

from bot.domain.evidence import Outcome
from bot.workflows.applying import followed
from integrations.kubernetes import payload, rollout, stuck
from integrations.kubernetes.api import Api
from integrations.kubernetes.payload import Payload, StuckPod
from integrations.kubernetes.target import KubernetesTarget
from sandbox.clusters.namespaces import Namespace
from tests.fakes.memory import FakeMemory
from tests.kubernetes.fault_proxy import altered, asking, fault_proxy
from tests.kubernetes.steps import BACK, change_to, generation, images, released, walk, walk_back
from tests.kubernetes.world import Json, Shop, until

pytestmark = pytest.mark.kubernetes


@pytest.fixture
def shop(space: Namespace, api: Api) -> Shop:
    return Shop(space, api, kind="statefulset", replicas=1)


async def test_it_goes_back_pod_by_pod(target: KubernetesTarget, shop: Shop) -> None:
    shop.replicas = 2
    await released(shop, "v1.2.9", "v1.3.0")
    walked = await walk(target, await change_to(target, "v1.2.9"))
    assert (walked.end.outcome, walked.end.running) == (Outcome.SUCCEEDED, "v1.2.9")
    assert walked.end.detail == "2 of 2 ready, all of them v1.2.9."
    assert await images(shop) == {"kaeru-test/web:v1.2.9"}
    before = await generation(shop)
    again = await target.apply(await change_to(target, "v1.2.9"), "INC-2/apply:web")
    assert again.outcome is Outcome.SUCCEEDED
    assert await generation(shop) == before


async def test_the_stuck_pod_is_deleted_as_it_was_planned_and_approved(
    target: KubernetesTarget, shop: Shop
) -> None:
    stuck = await _stuck_on_a_bad_version(shop)
    change = await change_to(target, "v1.2.9")
    plan = await target.plan(change)
    assert any(stuck["metadata"]["name"] in action for action in plan.actions)
    approved = change.model_copy(update={"payload": plan.payload})
    assert [pod.uid for pod in payload.read(plan.payload).delete_pods] == [stuck["metadata"]["uid"]]
    walked = await walk(target, approved)
    assert (walked.end.outcome, walked.end.running) == (Outcome.SUCCEEDED, "v1.2.9")
    assert await images(shop) == {"kaeru-test/web:v1.2.9"}


async def test_without_approval_it_stays_and_the_way_out_is_said(
    target: KubernetesTarget, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollout, "STUCK_S", 2.0)
    stuck = await _stuck_on_a_bad_version(shop)
    walked = await walk(target, await change_to(target, "v1.2.9"))
    assert walked.end.outcome is Outcome.FAILED
    assert f"kubectl -n {shop.space.name} delete pod web-0" in walked.end.detail
    assert stuck["metadata"]["uid"] in {pod["metadata"]["uid"] for pod in await shop.pods()}


async def test_another_pod_of_that_name_is_left_alone(target: KubernetesTarget, shop: Shop) -> None:
    await released(shop, "v1.2.9", "v1.3.0")
    approved = Payload(delete_pods=(StuckPod(name="web-0", uid="of-another-day"),)).text
    first = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in await shop.pods()}
    await target.apply(await change_to(target, "v1.3.0", payload=approved), "INC-1/apply:web")
    async with aclosing(
        target.follow(await change_to(target, "v1.3.0", payload=approved), "INC-1/apply:web")
    ) as looks:
        assert (await anext(looks)).outcome is Outcome.SUCCEEDED
    assert {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in await shop.pods()} == first


async def test_the_way_back_is_not_blocked_by_the_pods_of_the_way_there(
    target: KubernetesTarget, shop: Shop
) -> None:
    await released(shop, "v1.2.9", "v1.3.0", first={"NEVER_READY": "1"})
    approved = Payload(delete_pods=(StuckPod(name="web-0", uid="gone-since"),)).text
    change = await change_to(target, "v1.2.9", payload=approved)
    await target.apply(change, "INC-1/apply:web")
    await until(lambda: _not_ready(shop, "v1.2.9"), "a pod of v1.2.9 that is not ready")
    back = await walk_back(target, change)
    assert (back.end.outcome, back.end.running) == (Outcome.SUCCEEDED, "v1.3.0")


async def test_a_controller_that_sleeps_on_the_way_back_is_told_and_the_rest_is_done_when_it_wakes(
    target: KubernetesTarget, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stuck, "SEEN_WITHIN_S", 0.5)
    await released(shop, "v1.2.9", "v1.3.0", first={"NEVER_READY": "1"})
    approved = Payload(delete_pods=(StuckPod(name="web-0", uid="gone-since"),)).text
    change = await change_to(target, "v1.2.9", payload=approved)
    await target.apply(change, "INC-1/apply:web")
    pod = await until(lambda: _not_ready(shop, "v1.2.9"), "a pod of v1.2.9 that is not ready")

    def asleep(workload: Json) -> None:
        workload["status"]["observedGeneration"] = 1

    async with fault_proxy(shop.space.cluster.kubeconfig) as proxy:
        proxy.always(asking("GET", "/statefulsets/web"), altered(asleep))
        settings = shop.settings(kubeconfig=proxy.kubeconfig(tmp_path))
        async with aclosing(KubernetesTarget(settings, FakeMemory())) as through:
            begun = await through.revert(change, BACK)
            assert begun.outcome is Outcome.UNKNOWN
            assert "StatefulSet" in begun.detail
            assert "is set to v1.3.0" in begun.detail
            assert "The pods that are in its way could not be deleted yet. The controller has not seen" in (
                begun.detail
            )
            assert "kube-controller-manager runs" in begun.detail
            assert pod["metadata"]["uid"] in {one["metadata"]["uid"] for one in await shop.pods()}
            proxy.mend()
            end = await followed(through, change.backwards, BACK)
    assert (end.outcome, end.running) == (Outcome.SUCCEEDED, "v1.3.0")


async def test_what_the_controller_says_in_its_events_is_passed_on(
    target: KubernetesTarget, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That it can make no pod, and why, stands in no status of a StatefulSet."""
    monkeypatch.setattr(rollout, "BLOCKED_S", 3.0)
    await released(shop, "v1.2.9", "v1.3.0")
    quota = {"metadata": {"name": "closed"}, "spec": {"hard": {"pods": "0"}}}
    await shop.create({"apiVersion": "v1", "kind": "ResourceQuota", **quota})

    async def counted() -> bool:
        found = await shop.get("resourcequotas", "closed")
        return bool(((found.get("status") or {}).get("used") or {}).get("pods") == "1")

    await until(counted, "counted by the quota")
    walked = await walk(target, await change_to(target, "v1.2.9"))
    (uid,) = {(await shop.workload())["metadata"]["uid"]}
    events = [e for e in await shop.listed("events") if e["involvedObject"].get("uid") == uid]
    refused = [e for e in events if e["reason"] == "FailedCreate"]
    assert {e["source"]["component"] for e in refused} == {"statefulset-controller"}
    assert walked.end.outcome is Outcome.FAILED
    assert walked.end.detail.startswith("No new pods can be made: create Pod web-0 in StatefulSet web failed")
    assert "exceeded quota: closed" in walked.end.detail
    assert "exceeded quota: closed" in refused[0]["message"]


async def _stuck_on_a_bad_version(shop: Shop) -> Json:
    async with shop.without_pods():
        await released(shop, "v1.2.9", wait=False)
        await shop.deploy("v1.3.0", env={"NEVER_READY": "1"}, wait=False)
    found: Json = await until(lambda: _not_ready(shop, "v1.3.0"), "a pod of v1.3.0 that is not ready")
    return found


async def _not_ready(shop: Shop, version: str) -> Json | None:
    for pod in await shop.pods():
        status = pod.get("status") or {}
        runs = any((c.get("state") or {}).get("running") for c in status.get("containerStatuses") or ())
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
        ours = pod["spec"]["containers"][0]["image"].endswith(version)
        if ours and runs and not ready and "deletionTimestamp" not in pod["metadata"]:
            return pod
    return None
