"""The shared Docker Swarm: one node, started once and used by every test process and every clone."""

import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from sandbox.clusters import debian, given
from sandbox.clusters.dockerd import Dockerd
from sandbox.clusters.engine import Engine, EngineError
from sandbox.clusters.errors import ClusterError, Unavailable
from sandbox.clusters.images import load
from sandbox.clusters.network import Network, claim
from sandbox.clusters.places import Places, locked, places
from sandbox.clusters.shop_images import standard_images

PATIENCE_S = 120
LABEL = "kaeru-test"  # services with it are removed by `up` when they are older than an hour
_LEFTOVER = timedelta(hours=1)


@dataclass(frozen=True)
class SwarmCluster:
    """`address` is where published ports answer; `ingress` whether ports published in ingress mode do.

    Without it (the kernel has no IPVS) publish with mode=host, or use `sandbox.clusters.relay`.
    """

    docker_host: str
    address: str
    ingress: bool
    given: bool = False


def available() -> str | None:
    """Why a Swarm cannot be had here, as a sentence; None when it can."""
    if given.docker_host():
        return None
    return debian.why_not(debian.CONTAINERS, "A Docker Swarm for tests")


def find() -> SwarmCluster | None:
    """The Swarm that is given or runs already and answers; starts nothing."""
    if host := given.docker_host():
        return _given(host)
    folder = _home(places())
    network = Network.load(folder / "network.json")
    if network is None or not network.whole(nodes=1):
        return None
    node = _node(folder, network)
    if node.daemon.running() is None or _state(node.engine) != "active" or not _has_leader(node.engine):
        return None
    return _cluster(node, network)


def up() -> SwarmCluster:
    """Bring the Swarm up, or find it running. Raises Unavailable, or ClusterError when it does not start."""
    if cluster := find():
        if not cluster.given:
            _sweep(Engine(cluster.docker_host))
        return cluster
    if reason := available():
        raise Unavailable(reason)
    where = places()
    folder = _home(where)
    with locked(_lock(where), patience_s=PATIENCE_S, doing="starting or stopping the Swarm"):
        if cluster := find():
            return cluster
        debian.install(debian.missing(debian.CONTAINERS), where.root / "apt.log")
        network = Network.load(folder / "network.json")
        if network and network.whole(nodes=1):
            try:
                return _start(folder, network)
            except ClusterError as error:
                print(f"The Swarm could not be mended ({error}); starting it anew …", flush=True)
        _remove(folder, network)
        name = f"ks{hashlib.sha256(str(where.root).encode()).hexdigest()[:6]}"
        network = claim(name, folder / "network.json", nodes=1, routes=[(1, 1, 0), (2, 1, 0)])
        return _start(folder, network)


def _start(folder: Path, network: Network) -> SwarmCluster:
    node = _node(folder, network)
    node.start()
    engine = node.await_ready()
    if _state(engine) != "active":
        initialize(engine, network.address(0))
    await_leader(engine)
    load(node.docker_host, standard_images())
    return _cluster(node, network)


def down() -> None:
    """Stop the Swarm and leave nothing of it behind. A given one is left alone."""
    where = places()
    if not where.run.exists():
        return
    folder = _home(where)
    with locked(_lock(where), patience_s=PATIENCE_S, doing="starting or stopping the Swarm"):
        _remove(folder, Network.load(folder / "network.json"))


def initialize(engine: Engine, address: str) -> None:
    """Make the daemon the first manager of a new Swarm."""
    engine.ask("POST", "/swarm/init", body={"ListenAddr": f"{address}:2377", "AdvertiseAddr": address})


def await_leader(engine: Engine, within_s: float = 30) -> None:
    """Return once the manager answers: right after a start it has no leader for a moment."""
    deadline = time.monotonic() + within_s
    while not _has_leader(engine):
        if time.monotonic() > deadline:
            raise ClusterError(f"The Swarm at {engine.docker_host} has no leader after {within_s:.0f} s.")
        time.sleep(0.05)


def _has_leader(engine: Engine) -> bool:
    try:
        engine.ask("GET", "/nodes", timeout_s=10)
    except EngineError:
        return False
    return True


def _home(where: Places) -> Path:
    return where.run / "swarm"


def _lock(where: Places) -> Path:
    return where.run / "swarm.lock"


def _node(folder: Path, network: Network) -> Dockerd:
    bridge = network.subnet(1).replace(".0/24", ".1/24")
    return Dockerd(folder / "node", network.namespace(0), bridge, pool=network.subnet(2), hostname="swarm-1")


def _cluster(node: Dockerd, network: Network) -> SwarmCluster:
    return SwarmCluster(node.docker_host, network.address(0), ingress=has_ipvs())


def has_ipvs() -> bool:
    """Whether the kernel has IPVS, which carries ingress ports and virtual addresses; dockerd loads the module."""
    return Path("/proc/net/ip_vs").exists()


def _given(host: str) -> SwarmCluster:
    state = _state(Engine(host))
    if state != "active":
        raise ClusterError(
            f"{given.docker_variable()} names {host}, which is {state}: name a daemon that is a Swarm manager, "
            "or unset it."
        )
    return SwarmCluster(host, urlsplit(host).hostname or "127.0.0.1", ingress=True, given=True)


def _state(engine: Engine) -> str:
    try:
        return str(engine.ask("GET", "/info", timeout_s=10)["Swarm"]["LocalNodeState"])
    except EngineError:
        return "not answering"


def _remove(folder: Path, network: Network | None) -> None:
    if network:
        _node(folder, network).remove()
        network.remove()
        (folder / "network.json").unlink()


def _sweep(engine: Engine) -> None:
    """Remove services that a test left behind."""
    now = datetime.now(UTC)
    for service in engine.ask("GET", "/services", query={"filters": f'{{"label": ["{LABEL}"]}}'}):
        created = datetime.fromisoformat(service["CreatedAt"][:19] + "+00:00")
        if now - created > _LEFTOVER:
            engine.ask("DELETE", f"/services/{service['ID']}")
