"""An autoscaler that changes the number of pods while a rollback is under way."""

import pytest

from bot.domain.evidence import Outcome
from integrations.kubernetes.target import KubernetesTarget
from tests.kubernetes.steps import Once, change_to, images, released, walk
from tests.kubernetes.world import Json, Shop, until

pytestmark = pytest.mark.kubernetes

AUTOSCALERS = "/apis/autoscaling/v1/namespaces/{}/horizontalpodautoscalers"
AUTOSCALER: Json = {
    "apiVersion": "autoscaling/v1",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "web"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "minReplicas": 2,
        "maxReplicas": 5,
    },
}


async def test_the_autoscaler_scales_in_the_middle_and_nobody_takes_its_pods_away(
    target: KubernetesTarget, shop: Shop
) -> None:
    shop.replicas = 2
    await released(shop, "v1.2.9", "v1.3.0", first={"READY_AFTER": "3"})
    await shop.create(AUTOSCALER)
    change = await change_to(target, "v1.2.9")
    seen: list[int] = []

    async def scaled() -> bool:
        return bool((await shop.workload())["spec"]["replicas"] == 3)

    async def more() -> None:
        """By the controller, which enforces its bounds also where there are no metrics."""
        assert not await scaled()
        autoscaler = f"{AUTOSCALERS.format(shop.space.name)}/web"
        await shop.hands.merge(autoscaler, {"spec": {"minReplicas": 3}})
        await until(scaled, "scaled to 3")
        seen.append(len({p["spec"]["containers"][0]["image"] for p in await shop.pods()}))

    walked = await walk(target, change, meanwhile=Once(more))
    assert seen == [2], "both versions still ran when it was scaled"
    assert (walked.end.outcome, walked.end.running) == (Outcome.SUCCEEDED, "v1.2.9")
    assert walked.end.detail == "3 of 3 ready, all of them v1.2.9."
    assert await images(shop) == {"kaeru-test/web:v1.2.9"}
    workload = await shop.workload()
    assert workload["spec"]["replicas"] == 3
    # Who scaled: its status says so. (A Deployment names who used its scale subresource from 1.22 on.)
    autoscaler = await shop.api.get(f"{AUTOSCALERS.format(shop.space.name)}/web")
    assert autoscaler["status"]["lastScaleTime"]
    assert autoscaler["status"]["desiredReplicas"] == 3
    assert _sets(autoscaler, "f:status", "f:lastScaleTime") == {"kube-controller-manager"}
    assert _sets(workload, "f:spec", "f:template") >= {"kaeru"}
    # Whoever owned the number before goes on owning it in 1.20.
    assert _sets(workload, "f:spec", "f:replicas") <= {"kube-controller-manager", "kubectl-create", "kubectl"}


def _sets(found: Json, *path: str) -> set[str]:
    """Who set this field, by managedFields."""
    owners = set()
    for entry in found["metadata"]["managedFields"]:
        fields = entry["fieldsV1"]
        for step in path:
            fields = (fields or {}).get(step)
        if fields is not None:
            owners.add(entry["manager"])
    return owners
