"""One more API server of the shared Kubernetes, for whoever wants to kill it: the others go on with theirs."""

import contextlib
import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.clusters import kubernetes
from sandbox.clusters.api import Api, ApiError
from sandbox.clusters.errors import ClusterError, Unavailable
from sandbox.clusters.node import NAME, KubernetesNode
from sandbox.clusters.processes import Daemon

_READY_WITHIN_S = 90
_PORTS = range(16_000, 30_000)


@dataclass(frozen=True)
class ApiServer:
    """It has the cluster's certificate, accounts and data, and a port of its own. Logs into `folder`."""

    node: KubernetesNode
    folder: Path
    port: int

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def daemon(self) -> Daemon:
        return Daemon("kube-apiserver", self.folder)

    def start(self) -> None:
        """Returns when it is ready. Raises ClusterError where it does not become so."""
        argv = self.node.api_server(self.port)
        self.daemon.start(argv, network=self.node.network.namespace(0), hostname=NAME)
        deadline = time.monotonic() + _READY_WITHIN_S
        while True:
            try:
                Api(self._server, self.node.authority, self.node.token).ask("GET", "/readyz")
            except ApiError as error:
                if self.daemon.running() is None:
                    words = self.daemon.last_words()
                    raise ClusterError(f"The API server ended. Its last words: {words}") from error
                if time.monotonic() > deadline:
                    raise ClusterError(f"The API server is not ready: {error}") from error
                time.sleep(0.1)
            else:
                return

    def kill(self) -> None:
        """At once: what it was about to answer is never answered."""
        self.daemon.stop(grace_s=0)

    @property
    def _server(self) -> str:
        return f"https://{self.node.address}:{self.port}"

    def write_kubeconfig(self) -> None:
        config = json.loads(self.node.kubeconfig.read_text())
        config["clusters"][0]["cluster"]["server"] = self._server
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(json.dumps(config))


@contextlib.contextmanager
def another_api_server(folder: Path) -> Iterator[ApiServer]:
    """Ready, and gone afterwards. Raises Unavailable where the cluster is not one of our own."""
    node = kubernetes.own_node()
    if node is None or not node.running():
        raise Unavailable(
            "One more API server can be had only of a Kubernetes of `make cluster-up`'s own making."
        )
    folder.mkdir(parents=True, exist_ok=True)
    server = ApiServer(node, folder, secrets.choice(_PORTS))
    server.write_kubeconfig()
    try:
        server.start()
        yield server
    finally:
        server.kill()
