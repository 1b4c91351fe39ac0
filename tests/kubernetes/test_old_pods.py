"""Pods of the version that is left: how long their end is waited for, and what is said where nobody tells it."""

import re
import secrets
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime

import pytest

from bot.domain.evidence import Outcome
from bot.ports.target import Observation
from bot.workflows.applying import followed
from integrations.kubernetes import scene
from integrations.kubernetes.scene import complete
from integrations.kubernetes.target import KubernetesTarget
from integrations.kubernetes.workload import Workload
from tests.fakes.memory import FakeMemory
from tests.kubernetes.eyes import notes
from tests.kubernetes.steps import KEY, change_to, images, released, walk
from tests.kubernetes.world import Json, Shop, until

pytestmark = pytest.mark.kubernetes


async def is_complete(shop: Shop) -> bool:
    """As the controller sees it, which counts no pod that was told to end."""
    return complete(Workload("deployment", await shop.workload()))


async def test_those_that_still_serve_are_waited_for(target: KubernetesTarget, shop: Shop) -> None:
    async with shop.without_pods():
        await released(shop, "v1.2.9", wait=False)
        await shop.deploy("v1.3.0", env={"STOP_AFTER": "10"}, terminationGracePeriodSeconds=5, wait=False)
    await shop.rolled_out()
    early: list[set[str]] = []

    async def look(seen: Observation) -> None:
        if not early and "1 of 1 ready, 1 terminating" in seen.detail:
            await until(lambda: is_complete(shop), "complete", patience_s=8)
            early.append(await images(shop))

    walked = await walk(target, await change_to(target, "v1.2.9"), meanwhile=look)
    assert walked.end.outcome is Outcome.SUCCEEDED
    # The controller calls it complete while v1.3.0 goes on answering.
    assert any("kaeru-test/web:v1.3.0" in found for found in early)
    assert await images(shop) == {"kaeru-test/web:v1.2.9"}
    assert "1 of 1 ready, 1 terminating." in walked.details


async def test_those_that_may_take_longer_than_the_rollback_do_not_make_it_a_failure(
    target: KubernetesTarget, shop: Shop, memory: FakeMemory
) -> None:
    """A failed rollback is put back: to the version whose pods are merely slow to end."""
    async with shop.without_pods():
        await released(shop, "v1.2.9", wait=False)
        await shop.deploy("v1.3.0", env={"STOP_AFTER": "90"}, terminationGracePeriodSeconds=90, wait=False)
    await shop.rolled_out()
    change = await change_to(target, "v1.2.9")
    assert "may take 90 s to end (terminationGracePeriodSeconds)" in notes(await target.plan(change))
    await target.apply(change, KEY)
    await until(lambda: is_complete(shop), "complete")
    async with aclosing(KubernetesTarget(shop.settings(timeout="1s"), memory)) as hurried:
        end = await followed(hurried, change, KEY)
    assert (end.outcome, end.running) == (Outcome.SUCCEEDED, "v1.2.9")
    assert re.fullmatch(
        r"1 of 1 ready, all of them v1\.2\.9; web-\S+ on node \S+ has up to 90 s to end, and was not waited for "
        r"any longer\.",
        end.detail,
    )
    (slow,) = await ending(shop)
    await shop.let_go(slow)


async def test_one_on_a_node_that_does_not_answer_is_not_waited_for_without_end(
    target: KubernetesTarget, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scene, "OVERDUE_S", 2.0)
    async with silent_node(shop) as node:
        async with shop.without_pods():
            await released(shop, "v1.2.9", wait=False)
            await shop.deploy("v1.3.0", nodeName=node, wait=False)
        (lost,) = await until(shop.pods, "a pod on the silent node")
        await said_to_run(shop, lost)
        await shop.rolled_out()
        walked = await walk(target, await change_to(target, "v1.2.9"))
        left = await ending(shop)
        for pod in left:
            await shop.let_go(pod)
    assert (walked.end.outcome, walked.end.running) == (Outcome.SUCCEEDED, "v1.2.9")
    assert "1 of 1 ready, 1 terminating." in walked.details
    assert re.fullmatch(
        rf"1 of 1 ready, all of them v1\.2\.9; {lost['metadata']['name']} on node {node} should have ended \d+ s ago "
        r"and nothing says that it has: see whether its node answers\.",
        walked.end.detail,
    )
    assert [pod["metadata"]["uid"] for pod in left] == [lost["metadata"]["uid"]]


async def ending(shop: Shop) -> list[Json]:
    return [pod for pod in await shop.pods() if "deletionTimestamp" in pod["metadata"]]


@asynccontextmanager
async def silent_node(shop: Shop) -> AsyncIterator[str]:
    """A node without a kubelet: nobody starts what is bound to it, nobody ends it. Nothing comes to it by itself."""
    name = f"silent-{secrets.token_hex(4)}"
    taint = {"key": "kaeru.dev/silent", "value": "true", "effect": "NoSchedule"}
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "spec": {"unschedulable": True, "taints": [taint]},
    }
    await shop.hands.post("/api/v1/nodes", node)
    try:
        yield name
    finally:
        await shop.hands.delete(f"/api/v1/nodes/{name}")


async def said_to_run(shop: Shop, pod: Json) -> None:
    """The last that was heard of it, in the kubelet's words."""
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    (container,) = pod["spec"]["containers"]
    told = {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "ready": True,
        "started": True,
        "restartCount": 0,
        "lastState": {},
        "state": {"running": {"startedAt": at}},
    }
    held = [
        {"type": kind, "status": "True", "lastTransitionTime": at}
        for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    ]
    status = {"phase": "Running", "startTime": at, "conditions": held, "containerStatuses": [told]}
    path = f"/api/v1/namespaces/{shop.space.name}/pods/{pod['metadata']['name']}/status"
    await shop.hands.merge(path, {"status": status}, by="kubelet")
