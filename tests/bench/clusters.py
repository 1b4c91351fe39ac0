"""The clusters for the benchmarks that need one, and a rollback in them as people live through it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import yaml

from sandbox.clusters import build, kind, kubernetes, swarm
from sandbox.clusters.errors import Unavailable
from sandbox.clusters.kubernetes import KubernetesCluster
from sandbox.clusters.places import places
from sandbox.clusters.shop_images import BAD, GOOD
from sandbox.clusters.swarm import SwarmCluster
from sandbox.workspace.model import Json
from sandbox.workspace.person import Person
from tests.bench.database import Looking
from tests.bench.result import median
from tests.bench.world import BotWorld, Incident

WELL, ILL = GOOD[-1], BAD[0]
"""What is returned to, and what is left."""
CONSECUTIVE, INTERVAL = 3, "200ms"
PATIENCE_S = 180.0
LOOK_EVERY_S = 0.01
"""For what takes seconds: looking costs the processors that the cluster needs."""

_POSTED = "SELECT 1 FROM kaeru_timeline WHERE incident_id = ? AND body LIKE '%\"postmortem_posted\"%'"


class Clusters:
    """Found, or brought up by the first benchmark that asks; what was brought up is taken down by `close`."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()

    def kubernetes(self) -> KubernetesCluster:
        """Raises Unavailable where there can be none, or only after minutes of compiling; ClusterError otherwise."""
        if found := kubernetes.find():
            return found
        if kubernetes.available() is None and not kind.usable() and build.missing(places()):
            raise Unavailable("Kubernetes is not compiled yet: run `make cluster-up` once.")
        cluster = kubernetes.up()
        self._stack.callback(kubernetes.down)
        return cluster

    def swarm(self) -> SwarmCluster:
        """Raises Unavailable where there can be none; ClusterError otherwise."""
        if found := swarm.find():
            return found
        cluster = swarm.up()
        self._stack.callback(swarm.down)
        return cluster

    def close(self) -> None:
        self._stack.close()


async def opened(stack: AsyncExitStack, door: AbstractContextManager[str]) -> str:
    """Where the door leads in, for as long as the stack lasts. It has an event loop of its own, hence the threads."""
    url = await asyncio.to_thread(door.__enter__)
    stack.push_async_callback(asyncio.to_thread, door.__exit__, None, None, None)
    return url


def service(name: str, targets: Mapping[str, Json], url: str) -> str:
    """An entry of kaeru.yml. `targets` are by component; `url` is where it is seen from outside, empty for nowhere."""
    entry: Json = {
        "responders": ["@oncall"],
        "watch": "1s",
        "watch_interval": "200ms",
        "components": {component: {"target": target} for component, target in targets.items()},
    }
    if url:
        entry["health"] = {
            "url": url,
            "version": {"path": "/version", "field": "version"},
            "critical": ["/products"],
            "consecutive": CONSECUTIVE,
            "interval": INTERVAL,
            "probe_every": "1m",
            # The rollback is measured, and not how this machine bears fifty pods that start at once.
            "thresholds": {"latency_slack": "1s"},
        }
    text = yaml.safe_dump({name: entry}, sort_keys=False)
    return "".join(f"  {line}\n" for line in text.splitlines())


class Crew:
    """The people of a running world, and what they see."""

    def __init__(self, alice: Person, bob: Person, database: Looking) -> None:
        self.alice = alice
        self.bob = bob
        self.database = database

    async def rolled_back(
        self,
        name: str,
        *,
        approved: Callable[[], object] = lambda: None,
        mitigated: Callable[[], object] = lambda: None,
    ) -> float:
        """A whole incident of the service. Returns the seconds from the last approval's click to `mitigated`.

        `approved` and `mitigated` are called at these moments.
        """
        incident = Incident(self.alice, self.database, name, version=WELL)
        await incident.declare()
        await incident.say_how_bad()
        card = await incident.plan_card()
        approved()
        clicked = time.monotonic()
        await self.bob.click(card, "Approve")
        took = await incident.reached("mitigated", timeout_s=PATIENCE_S, every_s=LOOK_EVERY_S) - clicked
        mitigated()
        await incident.reached("verified", every_s=LOOK_EVERY_S)
        await self.alice.command(incident.channel, "/incident close accept Taken back.")
        # So that the postmortem is not made while the next one is measured.
        await self.database.until(_POSTED, incident.id, timeout_s=PATIENCE_S, every_s=LOOK_EVERY_S)
        return took


@asynccontextmanager
async def crew(data: Path, services: Sequence[str]) -> AsyncIterator[Crew]:
    """A bot that looks after `services`, entries of kaeru.yml, with alice and bob before their screens."""
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(BotWorld(data, "".join(services)))
        await world.start_bot()
        database = Looking(world.database)
        stack.callback(database.close)
        alice = await stack.enter_async_context(await Person.at(world.url, "alice"))
        bob = await stack.enter_async_context(await Person.at(world.url, "bob"))
        await bob.listen()
        yield Crew(alice, bob, database)


@dataclass(frozen=True)
class Side:
    """One way to take something back. `go` does and times it; `spoil` deploys the bad version again."""

    name: str
    go: Callable[[], Awaitable[float]]
    spoil: Callable[[], Awaitable[object]]


class Rounds:
    """Runs all sides in alternation, as often as there is time for. `took` are the seconds by side."""

    def __init__(self, sides: Sequence[Side], *, most: int, budget_s: float) -> None:
        self._sides = sides
        self._most = most
        self._budget_s = budget_s
        self.took: dict[str, list[float]] = {side.name: [] for side in sides}

    async def run(self) -> Self:
        began, longest = time.monotonic(), 0.0
        for number in range(self._most):
            started = time.monotonic()
            if number and started - began + longest > self._budget_s:
                break
            for side in self._sides if number % 2 else self._sides[::-1]:
                await side.spoil()
                self.took[side.name].append(await side.go())
            longest = max(longest, time.monotonic() - started)
        return self

    def told(self, name: str) -> str:
        """`3.21 s (3.10, 3.21, 3.40)`: the median, and all of them."""
        values = self.took[name]
        return f"{median(values):.2f} s ({', '.join(f'{value:.2f}' for value in values)})"

    def ratio(self, above: str, below: str) -> float:
        return median(self.took[above]) / median(self.took[below])
