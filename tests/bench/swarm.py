"""A rollback of a service of a real Docker Swarm: kaeru beside the daemon's own."""

import time
from contextlib import AsyncExitStack
from pathlib import Path

from sandbox.clusters.relay import relay, to_service
from sandbox.workspace.model import Json
from tests.bench.clusters import ILL, PATIENCE_S, WELL, Clusters, Rounds, Side, crew, opened, service
from tests.bench.result import Result, at_most
from tests.swarm.world import DEFAULT_PACE, OWN_PACE, Service, eventually, service_on

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
    """Deploy the bad version, quickly; a rollback by the daemon goes at the pace that nobody has changed."""
    await shop.tag(ILL)

    def edit(spec: Json) -> None:
        spec["UpdateConfig"], spec["RollbackConfig"] = OWN_PACE, DEFAULT_PACE
        spec["TaskTemplate"]["ContainerSpec"]["Image"] = f"{shop.repository}:{ILL}"

    await shop.change(edit)
    await shop.settled()


async def _by_docker(shop: Service) -> float:
    """Asks the daemon as `docker service update --rollback` does. Returns the seconds until it has converged."""
    began = time.monotonic()
    await shop.change(lambda _spec: None, rollback="previous")

    async def converged() -> bool:
        state = ((await shop.get()).get("UpdateStatus") or {}).get("State")
        return state == "rollback_completed"

    await eventually(converged, "the daemon has rolled back", within_s=PATIENCE_S)
    took = time.monotonic() - began
    if await shop.running() != [WELL] * REPLICAS:
        raise RuntimeError(f"the daemon rolled back to {await shop.running()}")
    return took
