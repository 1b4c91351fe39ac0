"""Killed while a Deployment of a real Kubernetes goes back: it is written once, and the run ends well."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from integrations.kubernetes.workload import REVISION
from sandbox.clusters.shop_images import WEB
from tests.clusters import the_kubernetes
from tests.crash.cluster_scene import cluster_scene
from tests.crash.cluster_story import BAD, GOOD, ended_once, goes_back
from tests.kubernetes.steps import images
from tests.kubernetes.world import Shop
from tests.scenarios.clusters import KubernetesSite

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(300)]

# Where it matters that the world is a cluster; the boundaries of the steps themselves are killed at elsewhere.
PLACES = ("written", "followed:shop", "commit:step_finished:apply:shop")


async def counted(shop: Shop) -> tuple[int, int]:
    """How often its spec was changed, and which revision its pod template is."""
    workload = await shop.workload()
    return workload["metadata"]["generation"], int(workload["metadata"]["annotations"][REVISION])


@pytest.mark.parametrize("place", PLACES)
async def test_killed_while_a_deployment_goes_back(place: str, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        site = KubernetesSite(the_kubernetes(), stack, tmp_path)
        await site.open()
        await site.deploy(GOOD, env={"READY_AFTER": "1"})
        url = await site.door(app="web")
        stage = await stack.enter_async_context(
            cluster_scene(tmp_path, site.target(site.web), url, die_at=(place,))
        )
        await stage.knows(GOOD)
        await site.deploy(BAD)
        generation, revision = await counted(site.web)
        story = await goes_back(stage)
        assert await images(site.web) == {f"{WEB}:{GOOD}"}
        assert await counted(site.web) == (generation + 1, revision + 1)
        await ended_once(stage, story)
