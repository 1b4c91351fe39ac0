"""A Docker Swarm of one's own for a test: nodes that may be stopped, killed and started again."""

import contextlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from sandbox.clusters import debian, swarm
from sandbox.clusters.dockerd import Dockerd, remove_folder
from sandbox.clusters.engine import Engine
from sandbox.clusters.errors import ClusterError, Unavailable
from sandbox.clusters.images import Image, load
from sandbox.clusters.network import Network, claim
from sandbox.clusters.places import locked, places
from sandbox.clusters.processes import Identity, identity, is_running
from sandbox.clusters.shop_images import standard_images

MOST_NODES = 3  # two subnets each, in a block of eight; the first joins the nodes


@dataclass(frozen=True)
class Node:
    """`address` is where its published ports answer; `name` is what `docker node ls` calls it."""

    name: str
    address: str
    daemon: Dockerd

    @property
    def docker_host(self) -> str:
        return self.daemon.docker_host

    @property
    def engine(self) -> Engine:
        return self.daemon.engine

    def stop(self) -> None:
        """Shut the node down; its containers are stopped."""
        self.daemon.stop()

    def kill(self) -> None:
        """Cut its power: daemon and containers are gone at once."""
        self.daemon.kill()

    def start(self) -> None:
        """Start it again, with the data that it had; returns when its daemon answers."""
        self.daemon.start()
        self.daemon.await_ready()

    def restart_daemon(self) -> None:
        """Shut the daemon down and start it again."""
        self.stop()
        self.start()


@dataclass(frozen=True)
class ThrowawaySwarm:
    """`nodes[0]` is the only manager; the others are workers."""

    nodes: tuple[Node, ...]

    @property
    def manager(self) -> Node:
        return self.nodes[0]

    @property
    def docker_host(self) -> str:
        return self.manager.docker_host

    def node_states(self) -> dict[str, str]:
        """The state of each node as the manager sees it: ready, down, unknown or disconnected."""
        listed = self.manager.engine.ask("GET", "/nodes")
        return {node["Description"]["Hostname"]: node["Status"]["State"] for node in listed}


@contextlib.contextmanager
def throwaway_swarm(nodes: int = 1, images: Sequence[Image] | None = None) -> Iterator[ThrowawaySwarm]:
    """Start a Swarm of `nodes` daemons, each in its own network namespace; all of it is gone afterwards.

    `images` are in every node, by default those of `shop_images`. The daemons outlive neither this context nor,
    for longer than until the next one, a killed process that held it. Raises Unavailable where there is no root.
    """
    if not 1 <= nodes <= MOST_NODES:
        raise ValueError(f"A throw-away Swarm has 1 to {MOST_NODES} nodes, not {nodes}.")
    if reason := debian.why_not(debian.CONTAINERS, "A throw-away Docker Swarm"):
        raise Unavailable(reason)
    debian.install(debian.missing(debian.CONTAINERS), places().root / "apt.log")
    remove_orphans()
    name = f"kt{secrets.token_hex(3)}"
    folder = _all() / name
    folder.mkdir(parents=True)
    owner = identity(os.getpid())
    if owner is None:
        raise ClusterError("/proc does not know this process: this is no Linux that can run containers.")
    written = folder / "owner.json.new"
    written.write_text(json.dumps(asdict(owner)))
    written.rename(folder / "owner.json")
    try:
        routes = [(number, 1, (number - 1) // 2) for number in range(1, 2 * nodes + 1)]
        network = claim(name, folder / "network.json", nodes, routes)
        made = tuple(_node(folder, network, number) for number in range(nodes))
        _start(made, standard_images() if images is None else images)
        yield ThrowawaySwarm(made)
    finally:
        _remove(folder)


def remove_orphans() -> None:
    """Remove the throw-away Swarms whose process has ended without doing so."""
    if not _all().exists():
        return
    with locked(_all() / "orphans.lock", patience_s=120, doing="removing throw-away Swarms"):
        for owner in _all().glob("*/owner.json"):
            if not is_running(Identity(**json.loads(owner.read_text()))):
                _remove(owner.parent)


def _all() -> Path:
    return places().run / "throwaway"


def _node(folder: Path, network: Network, number: int) -> Node:
    name = f"node-{number + 1}"
    bridge = network.subnet(1 + 2 * number).replace(".0/24", ".1/24")
    pool = network.subnet(2 + 2 * number)
    daemon = Dockerd(folder / str(number), network.namespace(number), bridge, pool, hostname=name)
    return Node(name, network.address(number), daemon)


def _start(nodes: tuple[Node, ...], images: Sequence[Image]) -> None:
    manager, *workers = nodes

    def prepare(node: Node) -> None:
        node.start()
        load(node.docker_host, images)

    with ThreadPoolExecutor() as pool:
        list(pool.map(prepare, nodes))
    swarm.initialize(manager.engine, manager.address)
    swarm.await_leader(manager.engine)
    if not workers:
        return
    token = manager.engine.ask("GET", "/swarm")["JoinTokens"]["Worker"]
    for worker in workers:
        order = {
            "ListenAddr": f"{worker.address}:2377",
            "AdvertiseAddr": worker.address,
            "RemoteAddrs": [f"{manager.address}:2377"],
            "JoinToken": token,
        }
        worker.engine.ask("POST", "/swarm/join", body=order)
    whole = ThrowawaySwarm(nodes)
    await_that(lambda: list(whole.node_states().values()) == ["ready"] * len(nodes), "every node is ready")


def await_that(condition: Callable[[], bool], what: str, within_s: float = 90) -> None:
    """Return once the condition holds; raises ClusterError when it does not within `within_s` seconds."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise ClusterError(f"It did not come about within {within_s:.0f} s that {what}.")
        time.sleep(0.05)


def _remove(folder: Path) -> None:
    network = Network.load(folder / "network.json")
    if network:
        for number in range(MOST_NODES):
            _node(folder, network, number).daemon.remove()
        network.remove()
    remove_folder(folder)
