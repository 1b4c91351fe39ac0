"""Five Deployments in two tiers on a real Kubernetes: who goes back when."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from integrations.kubernetes.scene import complete
from integrations.kubernetes.workload import Workload
from sandbox.clusters.shop_images import WEB
from tests.clusters import the_kubernetes
from tests.kubernetes.world import Json, Shop
from tests.scenarios.clusters import KubernetesSite, opened
from tests.scenarios.world import BAD, GOOD

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(300)]

FIRST, THEN = ("front", "cart"), ("stock", "price", "mail")


@dataclass
class Member(Shop):
    """Customers are answered by the pods of all of them."""

    def manifest(self, image: str, env: Mapping[str, str | None], **pod: object) -> Json:
        made: Json = super().manifest(image, env, **pod)
        made["spec"]["template"]["metadata"]["labels"]["service"] = "shop"
        return made


@dataclass
class Watcher:
    """Each look is one answer of the API server about all of them: which are set back, and which of these are done."""

    shop: Shop
    looks: list[tuple[frozenset[str], frozenset[str]]] = field(default_factory=list)

    async def watch(self) -> None:
        while True:
            found = {one["metadata"]["name"]: one for one in await self.shop.listed("deployments")}
            back = frozenset(name for name, one in found.items() if _image(one) == f"{WEB}:{GOOD}")
            done = frozenset(n for n in back if complete(Workload("deployment", found[n], "web")))
            self.looks.append((back, done))
            await asyncio.sleep(0.1)


def _image(deployment: Json) -> str:
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as made:
        yield made


async def test_a_tier_begins_when_the_one_before_it_is_done_and_goes_back_at_once(
    stack: AsyncExitStack, tmp_path: Path
) -> None:
    site = KubernetesSite(the_kubernetes(), stack, tmp_path)
    await site.open()
    members = {name: Member(site.space, site.api, name=name, replicas=1) for name in (*FIRST, *THEN)}

    async def deploy(version: str) -> None:
        await asyncio.gather(*(one.deploy(version, env={"READY_AFTER": "2"}) for one in members.values()))

    await deploy(GOOD)
    url = await site.door(service="shop")
    components = {
        name: {"target": site.target(one), "tier": 0 if name in FIRST else 1} for name, one in members.items()
    }
    world = await opened(stack, tmp_path, components, url, deploy=deploy)
    await world.known_good()
    await world.deploy(BAD)
    room = await world.declare()
    watcher = Watcher(members["front"])
    watching = asyncio.create_task(watcher.watch())
    await room.approve(to=GOOD)
    await room.status("verified")
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching

    first, then = frozenset(FIRST), frozenset(THEN)
    begun = [done for back, done in watcher.looks if back & then]
    assert begun, "nobody was looking"
    assert all(first <= done for done in begun)
    assert any(first <= back and not done & first for back, done in watcher.looks), "not at once"
    assert any(then <= back and not done & then for back, done in watcher.looks), "not at once"
    assert watcher.looks[-1][1] == first | then
