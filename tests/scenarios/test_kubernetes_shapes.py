"""On a real Kubernetes only the settings of a Deployment are bad: what people live through, and what stays left."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from bot.domain import events as e
from bot.domain.releases import shape_name
from integrations.kubernetes.workload import Workload
from sandbox.clusters.kubernetes import KubernetesCluster
from tests.clusters import the_kubernetes
from tests.scenarios.clusters import KubernetesSite
from tests.scenarios.world import GENERAL, GOOD, whispered

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def cluster() -> KubernetesCluster:
    return the_kubernetes()


@pytest.fixture
async def site(cluster: KubernetesCluster, tmp_path: Path) -> AsyncIterator[KubernetesSite]:
    async with AsyncExitStack() as stack:
        made = KubernetesSite(cluster, stack, tmp_path)
        await made.open()
        yield made


async def settings(site: KubernetesSite) -> dict[str, Any]:
    (container,) = (await site.web.workload())["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: entry["value"] for entry in container.get("env") or ()}


async def exact(site: KubernetesSite) -> str:
    """The exact name of what is set now."""
    return shape_name(GOOD, Workload("deployment", await site.web.workload()).shape_ref)


async def test_bad_settings_of_a_good_image_go_back_to_the_ones_that_served_well(
    site: KubernetesSite,
) -> None:
    """Good, bad, worse, and all of one image; what was left is not gone back to under any name."""
    await site.deploy(GOOD)
    world = await site.world()
    await world.known_good()
    good = await exact(site)
    await site.deploy(GOOD, env={"BAD_PRODUCTS": "1"})
    await site.deploy(GOOD, env={"BAD_PRODUCTS": "2"})
    worse = await exact(site)
    room = await world.declare()
    await room.approve(to=GOOD)
    await room.status("verified")
    assert (await settings(site), await exact(site)) == ({}, good)
    (planned,) = await room.events(e.PlanReady)
    assert (planned.plan.from_version, planned.plan.to_version) == (worse, GOOD)
    assert planned.plan.why == "the last version that was seen serving well"

    bad = await world.read(lambda uow: uow.bad_shapes.all("shop"))
    assert [(one.shape.component, one.shape.version, one.quarantined_by) for one in bad] == [
        ("web", worse, room.id)
    ]
    ledger = await world.read(lambda uow: uow.releases.all("shop"))
    assert [version for version, known in ledger.items() if known.quarantined_at] == []
    await room.close()
    for wish in (worse, f"{GOOD}+r3"):  # by its name, and by the cluster's revision
        answer = await whispered(
            world.alice, GENERAL, lambda wish=wish: world.alice.command(GENERAL, f"/rollback shop {wish}")
        )
        assert f"{worse} is quarantined by {room.id}: it was rolled back before." in answer
    assert len(await world.incidents()) == 1

    # Somebody deploys it again.
    await site.deploy(GOOD, env={"BAD_PRODUCTS": "2"})
    again = await world.declare()
    await again.approve(to=GOOD)
    await again.status("verified")
    assert await settings(site) == {}
    (planned,) = await again.events(e.PlanReady)
    said = f"{worse} is quarantined by {room.id}, and is what is deployed all the same."
    assert said in [warning.text for warning in planned.plan.warnings]
