"""A URL on 127.0.0.1 for a Service in Kubernetes, whoever's cluster it is."""

import contextlib
import subprocess
from collections.abc import Iterator

from sandbox.clusters.commands import run
from sandbox.clusters.errors import ClusterError
from sandbox.clusters.kubernetes import KubernetesCluster
from sandbox.clusters.relay import relay, to_address


@contextlib.contextmanager
def service_url(cluster: KubernetesCluster, namespace: str, service: str, port: int) -> Iterator[str]:
    """Yield a URL, to which paths may be added, that reaches the Service's ready pods while the context lasts.

    In a cluster of our own connections go straight to the Service's address; in another one through kubectl and
    the API server, which is slower and not for load.
    """
    if cluster.routed:
        named = [
            "get",
            "service",
            service,
            "--namespace",
            namespace,
            "--output",
            "jsonpath={.spec.clusterIP}",
        ]
        address = run(["kubectl", "--kubeconfig", str(cluster.kubeconfig), *named])
        with relay(to_address(address, port)) as url:
            yield url
    else:
        with _proxy(cluster) as url:
            yield f"{url}/api/v1/namespaces/{namespace}/services/{service}:{port}/proxy"


@contextlib.contextmanager
def _proxy(cluster: KubernetesCluster) -> Iterator[str]:
    argv = ["kubectl", "--kubeconfig", str(cluster.kubeconfig), "proxy", "--port", "0"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            said = process.stdout.readline() if process.stdout else ""
            host, colon, port = said.strip().rpartition(" ")[2].rpartition(":")
            if not (colon and port.isdigit()):
                raise ClusterError(f"kubectl proxy did not start: {said.strip() or 'it said nothing'}")
            yield f"http://{host}:{port}"
        finally:
            process.terminate()
