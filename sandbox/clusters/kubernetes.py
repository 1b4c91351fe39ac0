"""The shared Kubernetes: one node, started once and used by every test process and every clone."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sandbox.clusters import build, debian, given, kind
from sandbox.clusters.api import Api, ApiError
from sandbox.clusters.commands import run
from sandbox.clusters.debian import Program
from sandbox.clusters.errors import ClusterError, Unavailable
from sandbox.clusters.images import load
from sandbox.clusters.network import Network, claim
from sandbox.clusters.node import CONTROL, NAME, ROUTES, WORKERS, KubernetesNode, kernel_settings_kept
from sandbox.clusters.places import Places, locked, places
from sandbox.clusters.shop_images import standard_images

PROGRAMS = (
    *debian.CONTAINERS,
    Program("etcd", "etcd-server"),
    Program("kubectl", "kubernetes-client"),
    Program("openssl", "openssl"),
)
LABEL = "kaeru-test"  # namespaces with it are removed by `up` when they are older than an hour
_LEFTOVER = timedelta(hours=1)
_PATIENCE_S = 180
_READY_WITHIN_S = 90


@dataclass(frozen=True)
class KubernetesCluster:
    """`address` is where node ports answer; `docker_host` is the node's Docker, None where there is none of ours."""

    kubeconfig: Path
    address: str
    docker_host: str | None
    given: bool = False

    @property
    def routed(self) -> bool:
        """Whether the addresses of pods and services answer from this machine: in a cluster of our own they do."""
        return self.docker_host is not None


def available() -> str | None:
    """Why a Kubernetes cannot be had here, as a sentence; None when it can."""
    if given.kubeconfig() or kind.usable():
        return None
    if reason := debian.why_not((*PROGRAMS, *build.TOOLS), "A Kubernetes for tests"):
        return reason
    return build.why_not(places())


def find() -> KubernetesCluster | None:
    """The Kubernetes that is given or runs already and is healthy; starts nothing."""
    if path := given.kubeconfig():
        return KubernetesCluster(path, "127.0.0.1", docker_host=None, given=True)
    where = places()
    if path := kind.running(where):
        return KubernetesCluster(path, "127.0.0.1", docker_host=None)
    node = _node(where)
    if node is None or not node.network.whole(nodes=1) or not node.running():
        return None
    return _cluster(node) if not _unready(node) else None


def own_node() -> KubernetesNode | None:
    """The node of the cluster of our own, running or not; None where there is none (it is given, or kind's)."""
    return None if given.kubeconfig() else _node(places())


def up() -> KubernetesCluster:
    """Bring the cluster up, or find it running. Compiles Kubernetes first where that has not been done.

    Raises Unavailable, or ClusterError when it does not start.
    """
    if cluster := find():
        if not cluster.given:
            _sweep(cluster)
        return cluster
    if reason := available():
        raise Unavailable(reason)
    where = places()
    if kind.usable():
        with locked(_lock(where), patience_s=_PATIENCE_S, doing="starting or stopping Kubernetes"):
            return KubernetesCluster(kind.up(where), "127.0.0.1", docker_host=None)
    # Outside of the lock: nobody has to wait for a compiler in order to stop a cluster.
    debian.install(debian.missing(PROGRAMS), where.root / "apt.log")
    build.build(where)
    with locked(_lock(where), patience_s=_PATIENCE_S, doing="starting or stopping Kubernetes"):
        if cluster := find():
            return cluster
        node = _node(where)
        if node and node.network.whole(nodes=1):
            try:
                _start(node)
            except ClusterError as error:
                print(f"Kubernetes could not be mended ({error}); starting it anew …", flush=True)
            else:
                return _cluster(node)
        _remove(where)
        for log in _home(where).glob("*.log"):
            # Of a cluster that is gone.
            log.unlink()
        name = f"kk{hashlib.sha256(str(where.root).encode()).hexdigest()[:6]}"
        network = claim(name, _network_file(where), nodes=1, routes=ROUTES)
        node = KubernetesNode(_home(where), network, where.binaries)
        _start(node)
        return _cluster(node)


def down() -> None:
    """Stop the cluster and leave nothing of it behind. A given one is left alone."""
    where = places()
    if not where.run.exists():
        return
    with locked(_lock(where), patience_s=_PATIENCE_S, doing="starting or stopping Kubernetes"):
        kind.down(where)
        _remove(where)


def _home(where: Places) -> Path:
    return where.run / "kubernetes"


def _network_file(where: Places) -> Path:
    return _home(where) / "network.json"


def _lock(where: Places) -> Path:
    return where.run / "kubernetes.lock"


def _node(where: Places) -> KubernetesNode | None:
    network = Network.load(_network_file(where))
    return KubernetesNode(_home(where), network, where.binaries) if network else None


def _cluster(node: KubernetesNode) -> KubernetesCluster:
    return KubernetesCluster(node.kubeconfig, node.address, node.docker.docker_host)


def _api(node: KubernetesNode) -> Api:
    return Api(node.server, node.authority, node.token)


def _start(node: KubernetesNode) -> None:
    """Start what does not run, and wait until pods can be scheduled."""
    deadline = time.monotonic() + _READY_WITHIN_S
    node.prepare()
    with ThreadPoolExecutor() as pool:
        docker = pool.submit(_start_docker, node)
        node.start(CONTROL)
        _await(lambda: _api_silent(node), node, CONTROL, deadline)
        node.write_kubeconfig()
        docker.result()
    with kernel_settings_kept():
        node.start(WORKERS)
        _await(lambda: _unready(node), node, [*CONTROL, *WORKERS], deadline)


def _start_docker(node: KubernetesNode) -> None:
    node.docker.start()
    node.docker.await_ready()
    load(node.docker.docker_host, standard_images())


def _await(
    lacking: Callable[[], str | None], node: KubernetesNode, names: Sequence[str], deadline: float
) -> None:
    """Return once nothing is lacking; raises ClusterError at the deadline or when one of the processes ends."""
    while reason := lacking():
        for daemon in [node.daemon(name) for name in names]:
            if daemon.running() is None:
                raise ClusterError(f"{daemon.name} ended. Its last words: {daemon.last_words()}")
        if time.monotonic() > deadline:
            raise ClusterError(f"Kubernetes is not ready after {_READY_WITHIN_S} s: {reason}")
        time.sleep(0.05)


def _api_silent(node: KubernetesNode) -> str | None:
    """What the API server lacks; None when it answers and its own start is through."""
    if not node.authority.exists():
        return "the API server has made no certificate yet"
    try:
        _api(node).ask("GET", "/readyz")
    except ApiError as error:
        return str(error)
    return None


def _unready(node: KubernetesNode) -> str | None:
    """What the cluster lacks; None when it is healthy."""
    if silent := _api_silent(node):
        return silent
    try:
        conditions = _api(node).ask("GET", f"/api/v1/nodes/{NAME}")["status"].get("conditions", [])
        _api(node).ask("GET", "/api/v1/namespaces/default/serviceaccounts/default")
    except ApiError as error:
        return str(error)
    ready = [one for one in conditions if one["type"] == "Ready"]
    if not ready or ready[0]["status"] != "True":
        return f"the node is not ready: {ready[0]['message'] if ready else 'no word from it'}"
    return None


def _sweep(cluster: KubernetesCluster) -> None:
    """Delete namespaces that a test left behind."""
    kubectl = ["kubectl", "--kubeconfig", str(cluster.kubeconfig)]
    listed = json.loads(run([*kubectl, "get", "namespaces", "--selector", LABEL, "--output", "json"]))
    now = datetime.now(UTC)
    old = [
        namespace["metadata"]["name"]
        for namespace in listed["items"]
        if now - datetime.fromisoformat(namespace["metadata"]["creationTimestamp"]) > _LEFTOVER
    ]
    if old:
        run([*kubectl, "delete", "namespaces", "--wait=false", *old])


def _remove(where: Places) -> None:
    if node := _node(where):
        node.remove()
        node.network.remove()
        _network_file(where).unlink()
