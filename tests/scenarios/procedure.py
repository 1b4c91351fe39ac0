"""The shop on everything that the written procedure names, and everybody around it: the world of one long incident.

Its code runs in a Kubernetes, in a Swarm, from a link, in one of two colours, and on nodes that a script deploys to.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from sandbox.clusters.kubernetes import KubernetesCluster
from sandbox.clusters.relay import relay, to_service
from sandbox.clusters.swarm import SwarmCluster
from sandbox.shop.control import point_current
from sandbox.shop.releases import Shop
from tests.classic.backends import two_backends
from tests.classic.colours import bluegreen_settings
from tests.classic.proxies import Nginx, nginx
from tests.contract.aws_world import CdnWorld, Cloud
from tests.contract.backup_worlds import MariadbWorld
from tests.contract.shop import PROJECT, SUPERVISOR, RunningShop, running
from tests.contract.traffic_proxies import HaproxyDoor
from tests.databases import Mariadb
from tests.postgres import Server
from tests.scenarios.clusters import WEB_PORT, KubernetesSite, opened_door
from tests.scenarios.evidence import (
    BAD_SHARE,
    GOOD_SHARE,
    Exporter,
    LogFile,
    exporting,
    failed_requests,
    measured,
    orders,
)
from tests.scenarios.procedure_nodes import Nodes, two_nodes
from tests.scenarios.schemas import RENAMES, Schema, furnish
from tests.scenarios.traffic_worlds import Street, haproxy_street
from tests.scenarios.world import BAD, GOOD
from tests.swarm.world import Service, service_on

Json = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where all of the service is. `api_url` and `worker_url` are where those two answer from outside."""

    folder: Path
    api: KubernetesSite
    api_url: str
    worker: Service
    worker_url: str
    web: RunningShop
    street: Street
    door: HaproxyDoor
    colours: Nginx
    search: Nodes
    schema: Schema
    carts: MariadbWorld
    cdn: CdnWorld
    exporter: Exporter
    prometheus: str
    log: LogFile

    async def deploy(self, version: str) -> None:
        """As a pipeline does it: the schema, and then everything."""
        await asyncio.to_thread(self.schema.alembic, BAD, *_TO_SCHEMA[version])
        await asyncio.gather(
            self.api.deploy(version),
            self.worker.deploy(version),
            asyncio.to_thread(self.web.command, "deploy", version),
            asyncio.to_thread(self.colours.turn, "green" if version == GOOD else "blue"),
            asyncio.to_thread(self.search.deploy, version),
        )

    async def runs(self) -> dict[str, set[str]]:
        """The versions that answer, of each component, asked a few times."""
        urls = {"api": self.api_url, "worker": self.worker_url, "web": self.web.url}
        urls |= {"pictures": self.colours.url, "search": self.search.url}
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            return {
                name: {str((await client.get(f"{url}/version")).json()["version"]) for _ in range(4)}
                for name, url in urls.items()
            }

    @property
    def backups(self) -> dict[str, Path]:
        """Where those of each database are."""
        return {"orders": self.folder / "backups-orders", "carts": self.carts.folder}

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """It says so in its log and in its numbers how it is."""
        self.exporter.share = lambda: BAD_SHARE if self.is_ill else GOOD_SHARE

        async def talk() -> None:
            while True:
                self.log.write("INFO", "order 8 paid")
                if self.is_ill:
                    self.log.write("ERROR", "order 9 cannot be charged: its customer has no currency")
                await asyncio.sleep(0.2)

        talking = asyncio.create_task(talk())
        try:
            yield
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)

    @property
    def is_ill(self) -> bool:
        return self.web.shop.current_version() == BAD

    @property
    def components(self) -> Json:
        urls = {"blue": f"http://127.0.0.1:{self.colours.ports['blue']}"}
        urls["green"] = f"http://127.0.0.1:{self.colours.ports['green']}"
        colours = bluegreen_settings(urls, self.colours).model_dump(mode="json", exclude_none=True)  # type: ignore[arg-type] # two colours
        web = {
            "kind": "symlink",
            "releases": str(self.web.shop.releases),
            "link": str(self.web.shop.current),
            "restart": [*SUPERVISOR, "restart", "--root", str(self.web.root)],
            "environment": {"PYTHONPATH": str(PROJECT)},
            "version_url": f"{self.web.url}/version",
        }
        worker = {"kind": "swarm", "host": self.worker.docker_host, "service": self.worker.name}
        return {
            "api": {"target": self.api.target(self.api.web), "tier": 0},
            "worker": {"target": worker, "tier": 0},
            "web": {"target": web, "tier": 1},
            "pictures": {"target": {"kind": "bluegreen", **colours}, "tier": 1},
            "search": {"target": self.search.target, "tier": 2},
        }

    @property
    def service(self) -> Json:
        """What kaeru.yml says of it, without the people around it."""
        where = self.schema.url.partition("?host=")
        database = {
            "kind": "postgresql",
            "host": where[2],
            "user": "postgres",
            "database": where[0].rpartition("/")[2],
            "directory": str(self.backups["orders"]),
        }
        health = {
            "url": self.street.wall.url,
            "version": {"path": "/version"},
            "critical": ["/health", "/products"],
            "vantages": [
                {"name": "api", "url": self.api_url},
                {"name": "worker", "url": self.worker_url},
            ],
            "consecutive": 3,
            "interval": "250ms",
            "probe_every": "500ms",
            # It is not the pods' fault how long this machine takes to answer.
            "timeout": "10s",
            "thresholds": {"latency_slack": "5s", "max_p95": "10s"},
        }
        return {
            "description": "The tea shop",
            "public_name": "Tea orders",
            "responders": ["@oncall"],
            "components": self.components,
            "changes": {"kind": "git", "repository": str(self.web.shop.repo)},
            "databases": {
                "orders": {"backup": database, "migrations": self.schema.settings()},
                "carts": {"backup": {"kind": "mariadb", **self.carts.settings()}},
            },
            "health": health,
            "traffic": {
                "through": dict(self.street.through),
                "maintenance": "when data changes",
                "stages": [10, 25, 50, 100],
                "soak": "500ms",
                "patience": "60s",
                "max_error_rate": 0.05,
            },
            "caches": {
                "cdn": {
                    "kind": "cloudfront",
                    "distribution": self.cdn.id,
                    "endpoint": self.cdn.cloud.proxy.endpoint,
                    "paths": ["/products*"],
                }
            },
            "metrics": {
                "failed requests": failed_requests(self.prometheus),
                "orders": orders(self.exporter),
            },
            "logs": {"app.log": {**self.log.configured, "required": True}},
            "watch": "12s",
            "watch_interval": "300ms",
            "watch_patience": "60s",
        }


_TO_SCHEMA: Mapping[str, tuple[str, str]] = {GOOD: ("downgrade", "0001"), BAD: ("upgrade", "head")}


@asynccontextmanager
async def built(
    folder: Path,
    shop: Shop,
    *,
    kubernetes: KubernetesCluster,
    swarm: SwarmCluster,
    postgres: Server,
    mariadb: Mariadb,
    cloud: Cloud,
) -> AsyncIterator[Place]:
    """v1.2.9 runs everywhere."""
    async with AsyncExitStack() as stack:
        schema = furnish(shop, postgres.url(postgres.create_database()), folder, RENAMES)
        schema.alembic(BAD, *_TO_SCHEMA[GOOD])
        schema.runs.write_text("", encoding="ascii")
        point_current(shop.root, GOOD)
        site = KubernetesSite(kubernetes, stack, folder)
        await site.open()
        worker = await stack.enter_async_context(service_on(swarm.docker_host))
        await asyncio.gather(site.deploy(GOOD), worker.create(GOOD))
        api_url = await site.door(app=site.web.name)
        worker_url = await opened_door(stack, relay(to_service([worker.docker_host], worker.name, WEB_PORT)))
        web = stack.enter_context(running(shop))
        for name in ("door", "nginx", "search"):
            (folder / name).mkdir()
        street = stack.enter_context(haproxy_street(folder / "door"))
        street.wall.target = web.url
        assert isinstance(street.door, HaproxyDoor)
        backends = stack.enter_context(two_backends())
        colours = stack.enter_context(nginx(folder / "nginx", {c: b.port for c, b in backends.items()}))
        await asyncio.to_thread(colours.turn, "green")
        exporter = stack.enter_context(exporting())
        log = LogFile(folder / "app.log")
        log.begin()
        yield Place(
            folder,
            site,
            api_url,
            worker,
            worker_url,
            web,
            street,
            street.door,
            colours,
            stack.enter_context(two_nodes(folder / "search")),
            schema,
            MariadbWorld(mariadb, folder / "backups-carts"),
            CdnWorld(cloud),
            exporter,
            stack.enter_context(measured(exporter)),
            log,
        )
