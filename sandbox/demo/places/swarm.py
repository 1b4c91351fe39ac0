"""The shop as a replicated service of a Docker Swarm, with a published port."""

import asyncio
import secrets
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sandbox.clusters import images as container_images
from sandbox.clusters import swarm
from sandbox.clusters.engine import Engine, EngineError
from sandbox.clusters.errors import ClusterError
from sandbox.clusters.relay import relay, to_address, to_service
from sandbox.clusters.swarm import SwarmCluster
from sandbox.demo.places import GOOD, images, owner
from sandbox.demo.processes import StartError, run

REPLICAS = 3
ROLLOUT_S = 90
SECOND_NS = 1_000_000_000


def ready(root: Path) -> "Swarm":
    """Bring the Swarm up and the images into it. Raises ClusterError."""
    print("Looking for a Docker Swarm, or starting one …", flush=True)
    cluster = swarm.up()
    if shutil.which("docker") is None:
        raise ClusterError(
            "The demo deploys with the docker command, which is not installed: as root on Debian, "
            "apt-get install docker.io (or docker-cli, where that is a package of its own)."
        )
    container_images.load(cluster.docker_host, images.made(root))
    sweep(Engine(cluster.docker_host))
    return Swarm(cluster)


def sweep(engine: Engine) -> None:
    """Remove the services of demos that were killed."""
    query = {"filters": f'{{"label": ["{owner.LABEL}"]}}'}
    for service in engine.ask("GET", "/services", query=query):
        if owner.has_ended(service["Spec"]["Labels"][owner.LABEL]):
            engine.ask("DELETE", f"/services/{service['ID']}")


class Swarm:
    """A Place."""

    def __init__(self, cluster: SwarmCluster) -> None:
        self.url = ""
        self.service = f"kaeru-demo-{secrets.token_hex(3)}_shop"
        self._cluster = cluster
        self._engine = Engine(cluster.docker_host)
        self._open = ExitStack()

    @property
    def where(self) -> str:
        return (
            f"The shop runs as {REPLICAS} tasks. Look at them: "
            f"docker --host {self._cluster.docker_host} service ps {self.service}"
        )

    @property
    def farewell(self) -> str:
        return "" if self._cluster.given else "The Swarm goes on running; make cluster-down stops it."

    def target(self) -> Mapping[str, Any]:
        return {"kind": "swarm", "host": self._cluster.docker_host, "service": self.service}

    async def start(self) -> None:
        await self._ask("POST", "/services/create", body=_spec(self.service))
        await self._docker("service", "scale", f"{self.service}={REPLICAS}")
        self.url = await asyncio.to_thread(self._open.enter_context, relay(await self._addresses()))

    async def deploy(self, version: str) -> None:
        # Without a registry there is no digest to resolve.
        change = ("--image", images.name(version), "--no-resolve-image")
        await self._docker("service", "update", "--quiet", *change, self.service)

    def dead(self) -> Sequence[str]:
        return []

    async def stop(self) -> None:
        await asyncio.to_thread(self._open.close)
        try:
            await self._ask("DELETE", f"/services/{self.service}")
        except EngineError as error:
            if error.status != 404:
                print(f"The service {self.service} was not removed: {error}", file=sys.stderr, flush=True)

    async def _addresses(self) -> Any:
        """The published port; where the kernel cannot serve it, what it would spread connections over."""
        if not self._cluster.ingress:
            return to_service([self._cluster.docker_host], self.service, images.PORT)
        service = await self._ask("GET", f"/services/{self.service}")
        return to_address(self._cluster.address, service["Endpoint"]["Ports"][0]["PublishedPort"])

    async def _ask(self, method: str, path: str, *, body: Any = None) -> Any:
        return await asyncio.to_thread(self._engine.ask, method, path, body=body)

    async def _docker(self, *words: str) -> None:
        argv = ["docker", "--host", self._cluster.docker_host, *words]
        code, printed = await run(argv, timeout_s=ROLLOUT_S)
        if code != 0:
            raise StartError(f"`docker {' '.join(words)}` failed: {printed.strip()}")


def _spec(name: str) -> dict[str, Any]:
    """The service of the good release, not a task yet."""
    asks = f"wget -q -O /dev/null http://127.0.0.1:{images.PORT}/version"
    container = {
        "Image": images.name(GOOD),
        # A task counts as running, and gets its first customer, once it is healthy.
        "Healthcheck": {
            "Test": ["CMD-SHELL", asks],
            "Interval": SECOND_NS,
            "Timeout": 3 * SECOND_NS,
            "Retries": 5,
        },
        "StopGracePeriod": 20 * SECOND_NS,
    }
    return {
        "Name": name,
        "Labels": {owner.LABEL: owner.mine()},
        "Mode": {"Replicated": {"Replicas": 0}},
        "TaskTemplate": {"ContainerSpec": container},
        "UpdateConfig": {
            "Parallelism": 1,
            "FailureAction": "pause",
            "Monitor": SECOND_NS,
            "Order": "start-first",
        },
        "EndpointSpec": {"Ports": [{"Protocol": "tcp", "TargetPort": images.PORT}]},
    }
