"""A rollback of a service of a real Docker Swarm: kaeru beside the daemon's own."""

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path

from sandbox.clusters.commands import run
from sandbox.clusters.relay import relay, to_service
from sandbox.workspace.model import Json
from tests.bench.clusters import ILL, PATIENCE_S, WELL, Clusters, Rounds, Side, crew, opened, service
from tests.bench.result import Result, at_most
from tests.swarm.world import DEFAULT_PACE, OWN_PACE, Service, service_on

NAMES = ("swarm_over_rollback",)
REPLICAS = 3
RUNS = 3
BUDGET_S = 100.0


async def measure(clusters: Clusters, data: Path) -> list[Result]:
    cluster = clusters.swarm()
    async with AsyncExitStack() as stack:
        shop = await stack.enter_async_context(service_on(cluster.docker_host))
        await shop.create(WELL, replicas=REPLICAS, pace=OWN_PACE)
        url = await opened(stack, relay(to_service([cluster.docker_host], shop.name, 8080)))
        target = {"kind": "swarm", "service": shop.name, "host": cluster.docker_host}
        team = await stack.enter_async_context(crew(data, [service("shop", {"shop": target}, url)]))

        async def spoil() -> None:
            await _spoil(shop)

        await spoil()
        await team.rolled_back("shop")  # warms up
        sides = [
            Side("docker", lambda: _by_docker(shop), spoil),
            Side("kaeru", lambda: team.rolled_back("shop"), spoil),
        ]
        rounds = await Rounds(sides, most=RUNS, budget_s=BUDGET_S).run()
    note = (
        f"{REPLICAS} replicas; last approval to mitigated (proven from outside) {rounds.told('kaeru')} ÷ docker "
        f"service update --rollback with the default update config until it has converged {rounds.told('docker')}"
    )
    return [Result(NAMES[0], rounds.ratio("kaeru", "docker"), "×", at_most(0.2), note)]


async def _spoil(shop: Service) -> None:
    """Deploy the bad version, quickly; what the daemon returns to has the pace of a service that nobody has tuned."""
    await shop.tag(ILL)

    def untuned(spec: Json) -> None:
        spec["UpdateConfig"] = spec["RollbackConfig"] = DEFAULT_PACE

    def ill(spec: Json) -> None:
        spec["UpdateConfig"] = OWN_PACE
        spec["TaskTemplate"]["ContainerSpec"]["Image"] = f"{shop.repository}:{ILL}"

    await shop.change(untuned)
    await shop.change(ill)
    await shop.settled()


async def _by_docker(shop: Service) -> float:
    """What people do without kaeru: seconds until the command says that it is done."""
    argv = ["docker", "--host", shop.docker_host, "service", "update", "--rollback", "--quiet", shop.name]
    began = time.monotonic()
    await asyncio.to_thread(run, argv, timeout_s=PATIENCE_S)
    took = time.monotonic() - began
    if await shop.running() != [WELL] * REPLICAS:
        raise RuntimeError(f"the daemon rolled back to {await shop.running()}")
    return took
