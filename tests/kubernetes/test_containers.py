"""Pods of several containers, and of some that run before the others."""

import asyncio
import re
from typing import Any

import pytest

from bot.domain.evidence import Outcome
from integrations.kubernetes import pods
from integrations.kubernetes.api import Api
from integrations.kubernetes.target import KubernetesTarget
from sandbox.clusters.namespaces import Namespace
from sandbox.clusters.shop_images import WEB
from tests.kubernetes.steps import change_to, walk
from tests.kubernetes.world import Json, Shop, until

pytestmark = pytest.mark.kubernetes

OLD: Json = {"init": "v1.2.8", "web": "v1.2.9", "proxy": "v1.2.8"}
NEW: Json = {"init": "v1.3.1", "web": "v1.3.0", "proxy": "v1.3.0"}


@pytest.fixture
def shop(space: Namespace, api: Api) -> Shop:
    return Shop(space, api, replicas=1)


def containers(images: Json, *, schema: str = "exit 0") -> Json:
    """A pod's spec with a sidecar before the main container, and one that has to end before both start."""
    env = [{"name": "PORT", "value": "8081"}]
    return {
        "initContainers": [
            {"name": "schema", "image": f"{WEB}:{images['init']}", "command": ["/bin/sh", "-c", schema]}
        ],
        "containers": [
            {"name": "proxy", "image": f"{WEB}:{images['proxy']}", "env": env},
            {"name": "web", "image": f"{WEB}:{images['web']}"},
        ],
    }


async def release(shop: Shop, images: Json, **more: Any) -> None:
    """All three change with it."""
    await shop.patch({"spec": {"template": {"spec": containers(images, **more)}}})


async def begun(shop: Shop, images: Json, **more: Any) -> None:
    """The first release; nothing of it is waited for but its place in the history."""
    made = shop.manifest(f"{WEB}:{images['web']}", {})
    (web,) = made["spec"]["template"]["spec"]["containers"]
    spec = containers(images, **more)
    spec["containers"][1] |= web
    made["spec"]["template"]["spec"] |= spec
    await shop.create(made)
    await until(lambda: shop.listed("replicasets"), "the first revision")


async def running(shop: Shop) -> list[Json]:
    """The images of each pod, by container, as they were asked for."""
    return [
        {
            one["name"]: one["image"].removeprefix(f"{WEB}:")
            for one in (*pod["spec"]["initContainers"], *pod["spec"]["containers"])
        }
        for pod in await shop.pods()
        if "deletionTimestamp" not in pod["metadata"]
    ]


async def test_sidecar_and_init_container_go_back_with_the_version(
    target: KubernetesTarget, shop: Shop
) -> None:
    async with shop.without_pods():
        await begun(shop, OLD)
        await release(shop, NEW)
    await shop.rolled_out()
    assert await running(shop) == [{"schema": "v1.3.1", "proxy": "v1.3.0", "web": "v1.3.0"}]
    change = await change_to(target, "v1.2.9")
    plan = await target.plan(change)
    assert set(plan.diff) == {
        f"image of schema: {WEB}:v1.3.1 → {WEB}:v1.2.8",
        f"image of proxy: {WEB}:v1.3.0 → {WEB}:v1.2.8",
        f"image of web: {WEB}:v1.3.0 → {WEB}:v1.2.9",
    }
    walked = await walk(target, change)
    assert (walked.end.outcome, walked.end.running) == (Outcome.SUCCEEDED, "v1.2.9")
    assert await running(shop) == [{"schema": "v1.2.8", "proxy": "v1.2.8", "web": "v1.2.9"}]
    # Not only asked for: what the kubelet says that it started.
    (pod,) = [pod for pod in await shop.pods() if "deletionTimestamp" not in pod["metadata"]]
    status = pod["status"]
    started = {
        one["name"]: one["image"] for one in (*status["initContainerStatuses"], *status["containerStatuses"])
    }
    assert {name: image.rpartition(":")[2] for name, image in started.items()} == (await running(shop))[0]
    (schema,) = status["initContainerStatuses"]
    assert schema["state"]["terminated"]["exitCode"] == 0


async def test_an_init_container_that_ends_badly_is_named_with_its_last_words(
    target: KubernetesTarget, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pods, "LOOP_S", 1.0)
    async with shop.without_pods():
        await begun(shop, OLD, schema="echo 'schema: column price is gone' >&2; exit 1")
        await release(shop, NEW)
    await shop.rolled_out()
    async with asyncio.timeout(150):
        walked = await walk(target, await change_to(target, "v1.2.9"))
    assert (walked.end.outcome, walked.end.running) == (Outcome.FAILED, "v1.3.0")
    assert re.match(
        r"web-[0-9a-z-]+ \(init container schema\) ended \d times, with exit code 1 ", walked.end.detail
    )
    assert "Its log ends with: schema: column price is gone" in walked.end.detail
