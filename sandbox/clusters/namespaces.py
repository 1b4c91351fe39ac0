"""A Kubernetes namespace of one's own for a test, and an account in it that may do no more than it is told."""

import contextlib
import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.clusters.commands import run
from sandbox.clusters.errors import ClusterError
from sandbox.clusters.kubernetes import LABEL, KubernetesCluster

_TOKEN_S = 3600
RUNNING = {
    "horizontalpodautoscalers": "/apis/autoscaling/v1",
    "deployments": "/apis/apps/v1",
    "statefulsets": "/apis/apps/v1",
    "daemonsets": "/apis/apps/v1",
    "replicasets": "/apis/apps/v1",
    "pods": "/api/v1",
    "services": "/api/v1",
}
"""What makes work for a cluster, and where its API has it; owners before what they own."""


@dataclass(frozen=True)
class Namespace:
    """`name` is unique in the cluster, so that tests may run side by side."""

    name: str
    cluster: KubernetesCluster

    def kubectl(self, *arguments: str, text: str | None = None, timeout_s: float = 60) -> str:
        """Run kubectl in this namespace and return what it prints. Raises ClusterError."""
        return kubectl(
            self.cluster.kubeconfig, "--namespace", self.name, *arguments, text=text, timeout_s=timeout_s
        )

    def apply(self, *objects: dict[str, Any]) -> None:
        """Create or change objects, given as plain dictionaries."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "--filename", "-", text=json.dumps(listed))

    def account(self, name: str, rules: Sequence[dict[str, Any]], where: Path) -> Path:
        """Make a ServiceAccount with a Role of these rules; returns a kubeconfig for it, written into `where`.

        Its token ends after an hour.
        """
        self.apply(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}},
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "Role",
                "metadata": {"name": name},
                "rules": list(rules),
            },
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": {"name": name},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": self.name}],
            },
        )
        path = f"/api/v1/namespaces/{self.name}/serviceaccounts/{name}/token"
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": _TOKEN_S},
        }
        answer = json.loads(
            self.kubectl("create", "--raw", path, "--filename", "-", text=json.dumps(request))
        )
        return self._kubeconfig(name, answer["status"]["token"], where)

    def _kubeconfig(self, account: str, token: str, where: Path) -> Path:
        config = json.loads(
            kubectl(
                self.cluster.kubeconfig,
                *("config", "view", "--raw", "--minify", "--flatten", "--output", "json"),
            )
        )
        config["users"] = [{"name": account, "user": {"token": token}}]
        config["contexts"][0]["context"] |= {"user": account, "namespace": self.name}
        where.mkdir(parents=True, exist_ok=True)
        path = where / f"{account}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(json.dumps(config))
        return path


def kubectl(kubeconfig: Path, *arguments: str, text: str | None = None, timeout_s: float = 60) -> str:
    """Run kubectl and return what it prints. Raises ClusterError with its words when it fails."""
    return run(["kubectl", "--kubeconfig", str(kubeconfig), *arguments], text=text, timeout_s=timeout_s)


@contextlib.contextmanager
def namespace(
    cluster: KubernetesCluster, prefix: str = "kaeru-test", *, left: bool = False
) -> Iterator[Namespace]:
    """A fresh namespace; at the end it is deleted, which goes on after this has returned.

    For that a cluster asks after every kind of object, some hundred and fifty requests. With `left` only what runs is
    deleted: for a cluster that soon ends itself.
    """
    name = f"{prefix}-{secrets.token_hex(4)}"
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {LABEL: "true"}}}
    # As they are: otherwise kubectl asks for all that the API offers, each time.
    raw = ("--raw", "/api/v1/namespaces")
    kubectl(cluster.kubeconfig, "create", *raw, "--filename", "-", text=json.dumps(made))
    own = Namespace(name, cluster)
    try:
        yield own
    finally:
        with contextlib.suppress(_Gone):
            if left:
                own.kubectl("delete", ",".join(RUNNING), "--all", "--wait=false")
            else:
                _delete(cluster, name)


class _Gone(ClusterError):
    pass


def _delete(cluster: KubernetesCluster, name: str) -> None:
    try:
        kubectl(cluster.kubeconfig, "delete", "--raw", f"/api/v1/namespaces/{name}")
    except ClusterError as error:
        if "NotFound" in str(error):
            raise _Gone(str(error)) from error
        raise
