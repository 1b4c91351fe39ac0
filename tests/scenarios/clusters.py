"""Stories on real clusters: kaeru and the people as in every story, the service in Kubernetes or in a Swarm."""

import asyncio
import json
import time
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from integrations.kubernetes.api import Api
from sandbox.clusters.kubernetes import KubernetesCluster
from sandbox.clusters.namespaces import Namespace
from sandbox.clusters.relay import relay, to_service
from sandbox.clusters.services import service_url
from sandbox.workspace.local import LocalWorkspace
from tests.clusters import namespace
from tests.contract.shop import RunningShop
from tests.kubernetes.world import Shop, api_of
from tests.scenarios import services
from tests.scenarios.world import BAD, GOOD, MANIFEST, World
from tests.swarm.world import Service

Json = dict[str, Any]
T = TypeVar("T")

WEB_PORT = 8080
PATIENCE_S = 120.0
"""For what takes seconds on an idle machine."""
HEALTH: Json = {
    "version": {"path": "/version"},
    "critical": ["/products"],
    "consecutive": 3,
    "interval": "250ms",
    "probe_every": "400ms",
    # It is not the pods' fault how long this machine takes to start them.
    "thresholds": {"latency_slack": "10s", "max_p95": "20s"},
}


@dataclass
class ClusterWorld(World):
    """`to_deploy` is what an engineer does past kaeru, until it is complete; `url` is where customers ask."""

    shop: RunningShop = field(init=False, repr=False)  # there is none: the service is in the cluster
    url: str = ""
    to_deploy: Callable[[str], Awaitable[None]] | None = None

    async def until(
        self,
        look: Callable[[], Awaitable[T | None]],
        what: str,
        *,
        timeout_s: float = PATIENCE_S,
        every_s: float = 0.1,
    ) -> T:
        """As in every world, with the patience that clusters need."""
        deadline = time.monotonic() + max(timeout_s, PATIENCE_S)
        while not (seen := await look()):
            assert time.monotonic() < deadline, f"waited {timeout_s:g} s in vain for {what}"
            await asyncio.sleep(every_s)
        return seen

    async def deploy(self, version: str) -> None:
        assert self.to_deploy is not None, "this story deploys by itself"
        await self.to_deploy(version)

    async def serves(self) -> str:
        return await asyncio.to_thread(_version, self.url)

    async def known_good(self, version: str = GOOD) -> None:
        """Until kaeru has seen `version` serve well, and knows which shape of each component that was."""

        async def seen() -> bool:
            await self.running.survey.sweep()
            ledger = await self.read(lambda uow: uow.releases.all("shop"))
            if version not in ledger or ledger[version].last_good_at is None:
                return False
            names = self.fleet.hands("shop").targets
            shapes = [await self.read(lambda uow, n=name: uow.shapes.all("shop", n)) for name in names]  # type: ignore[misc]  # binds the loop's value
            return all(any(s.version == version and s.good_at for s in known) for known in shapes)

        await self.until(seen, f"kaeru to see {version} serve well", every_s=0.4)

    async def bad_deploy(self) -> None:
        await self.known_good()
        await self.deploy(BAD)


def _version(url: str) -> str:
    with urllib.request.urlopen(f"{url}/version", timeout=10) as answer:  # noqa: S310 - 127.0.0.1, by the test itself
        return str(json.load(answer)["version"])


async def opened(
    stack: AsyncExitStack,
    folder: Path,
    components: Mapping[str, Json],
    url: str,
    *,
    deploy: Callable[[str], Awaitable[None]] | None = None,
    changes: Mapping[str, Any] | None = None,
) -> ClusterWorld:
    """Let kaeru look after the service `shop` with these components; stopped at the end of the stack."""
    service: Json = {
        "responders": ["@oncall"],
        "components": components,
        "health": {"url": url, **HEALTH},
        "watch": "1s",
        "watch_interval": "250ms",
    }
    text = services.whole_file({"shop": service}, changes or {})
    (folder / "kaeru.yml").write_text(text, encoding="utf-8")
    ws = await stack.enter_async_context(LocalWorkspace(manifest=MANIFEST, rate_limits=False))
    world = ClusterWorld(ws, folder, url=url, to_deploy=deploy)
    stack.push_async_callback(world.stop)
    await world.start()
    return world


async def opened_door(stack: AsyncExitStack, door: AbstractContextManager[str]) -> str:
    """Where it leads in. Doors have event loops of their own, hence the threads."""
    url = await asyncio.to_thread(door.__enter__)
    stack.push_async_callback(asyncio.to_thread, door.__exit__, None, None, None)
    return url


class KubernetesSite:
    """A namespace, and `web`, the Deployment that most stories are about."""

    def __init__(self, cluster: KubernetesCluster, stack: AsyncExitStack, folder: Path) -> None:
        self.cluster = cluster
        self.stack = stack
        self.folder = folder

    async def open(self) -> None:
        self.space: Namespace = self.stack.enter_context(namespace(self.cluster))
        self.api: Api = await self.stack.enter_async_context(aclosing(api_of(self.space)))
        self.web = Shop(self.space, self.api)

    async def deploy(self, version: str, **more: Any) -> None:
        """As `Shop.deploy`, with the patience that busy machines need."""
        await self.web.deploy(version, wait=False, **more)
        await self.web.rolled_out(patience_s=PATIENCE_S)

    def target(self, shop: Shop, **more: Any) -> Json:
        """What kaeru.yml says of a workload."""
        place = {
            "namespace": self.space.name,
            "name": shop.name,
            "kubeconfig": str(self.cluster.kubeconfig),
        }
        return {"kind": "kubernetes", **place, **more}

    async def door(self, **selector: str) -> str:
        """Where the pods with these labels answer as one service."""
        spec = {"selector": selector, "ports": [{"port": 80, "targetPort": WEB_PORT}]}
        await self.web.create(
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop"}, "spec": spec}
        )
        return await opened_door(self.stack, service_url(self.cluster, self.space.name, "shop", 80))

    async def world(self, *, changes: Mapping[str, Any] | None = None, **target: Any) -> ClusterWorld:
        """kaeru, for `web`; `target` is what kaeru.yml says of it in addition."""
        url = await self.door(app=self.web.name)
        components = {"web": {"target": self.target(self.web, **target)}}
        return await opened(self.stack, self.folder, components, url, deploy=self.deploy, changes=changes)


async def swarm_world(stack: AsyncExitStack, folder: Path, service: Service) -> ClusterWorld:
    """kaeru, for a service of a Swarm of one node."""
    hosts = [service.docker_host]
    url = await opened_door(stack, relay(to_service(hosts, service.name, WEB_PORT)))
    target = {"kind": "swarm", "host": service.docker_host, "service": service.name}
    return await opened(stack, folder, {"web": {"target": target}}, url, deploy=service.deploy)
