"""The shop as a Deployment behind a Service, in a namespace of the demo's own."""

import asyncio
import json
import secrets
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sandbox.clusters import images as container_images
from sandbox.clusters import kind, kubernetes
from sandbox.clusters.kubernetes import KubernetesCluster
from sandbox.clusters.namespaces import kubectl
from sandbox.clusters.services import service_url
from sandbox.demo.places import GOOD, images, owner
from sandbox.demo.processes import StartError, run

NAME = "shop"
REPLICAS = 3
BEFORE = "v1.2.8"
"""What was deployed before the good release: the history has one more version to choose."""
CAUSE = "kubernetes.io/change-cause"
ROLLOUT_S = 90
STOP_FIRST_S = 2
"""A pod serves for so long after it has been taken out of the Service, until every node knows."""


def ready(root: Path) -> "Kubernetes":
    """Bring the cluster up and the images into it. Raises ClusterError."""
    print("Looking for a Kubernetes, or starting one (compiled once, which takes minutes) …", flush=True)
    cluster = kubernetes.up()
    made = images.made(root)
    if cluster.docker_host is not None:
        container_images.load(cluster.docker_host, made)
    elif not cluster.given:
        kind.load_images(made)
    else:
        names = ", ".join(image.name for image in made)
        print(f"This Kubernetes is a given one; it has to know the images {names}.", flush=True)
    sweep(cluster)
    return Kubernetes(cluster)


def sweep(cluster: KubernetesCluster) -> None:
    """Delete the namespaces of demos that were killed."""
    listed = json.loads(
        kubectl(cluster.kubeconfig, "get", "namespaces", "--selector", owner.LABEL, "--output", "json")
    )
    for found in listed["items"]:
        if owner.has_ended(found["metadata"]["labels"][owner.LABEL]):
            kubectl(cluster.kubeconfig, "delete", "namespace", found["metadata"]["name"], "--wait=false")


class Kubernetes:
    """A Place."""

    def __init__(self, cluster: KubernetesCluster) -> None:
        self.url = ""
        self.namespace = f"kaeru-demo-{secrets.token_hex(3)}"
        self._cluster = cluster
        self._open = ExitStack()

    @property
    def where(self) -> str:
        return (
            f"The shop runs as {REPLICAS} pods. Look at them: "
            f"kubectl --kubeconfig {self._cluster.kubeconfig} --namespace {self.namespace} get pods"
        )

    @property
    def farewell(self) -> str:
        return "" if self._cluster.given else "Kubernetes goes on running; make cluster-down stops it."

    def target(self) -> Mapping[str, Any]:
        return {
            "kind": "kubernetes",
            "kubeconfig": str(self._cluster.kubeconfig),
            "namespace": self.namespace,
            "name": NAME,
            "surge": "100%",
        }

    async def start(self) -> None:
        await self._kubectl("create", "--filename", "-", text=json.dumps(_listed(self.namespace)))
        # The first revision starts no pods: it is there to have been.
        await self._rolled_out()
        await self._set_image(GOOD)
        await self._kubectl("scale", f"deployment/{NAME}", f"--replicas={REPLICAS}")
        await self._rolled_out()
        door = service_url(self._cluster, self.namespace, NAME, 80)
        self.url = await asyncio.to_thread(self._open.enter_context, door)

    async def deploy(self, version: str) -> None:
        await self._set_image(version)
        await self._rolled_out()

    def dead(self) -> Sequence[str]:
        return []

    async def stop(self) -> None:
        await asyncio.to_thread(self._open.close)
        try:
            await self._kubectl("delete", "namespace", self.namespace, "--ignore-not-found", "--wait=false")
        except StartError as error:
            print(f"The namespace {self.namespace} was not removed: {error}", file=sys.stderr, flush=True)

    async def _set_image(self, version: str) -> None:
        change = ("set", "image", f"deployment/{NAME}", f"{NAME}={images.name(version)}")
        await self._kubectl(*change)
        # What --record wrote down before it was deprecated: `kubectl rollout history` shows it.
        cause = f"{CAUSE}=kubectl {' '.join(change)}"
        await self._kubectl("annotate", f"deployment/{NAME}", cause, "--overwrite")

    async def _rolled_out(self) -> None:
        await self._kubectl("rollout", "status", f"deployment/{NAME}", f"--timeout={ROLLOUT_S}s")

    async def _kubectl(self, *words: str, text: str | None = None) -> None:
        argv = ["kubectl", "--kubeconfig", str(self._cluster.kubeconfig), "--namespace", self.namespace]
        code, printed = await run([*argv, *words], text=text, timeout_s=ROLLOUT_S + 10)
        if code != 0:
            raise StartError(f"`kubectl {' '.join(words)}` failed: {printed.strip()}")


def _listed(namespace: str) -> dict[str, Any]:
    """The namespace with the shop in it, not a pod yet."""
    made = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": namespace, "labels": {owner.LABEL: owner.mine()}},
    }
    return {"apiVersion": "v1", "kind": "List", "items": [made, _deployment(), _service()]}


def _deployment() -> dict[str, Any]:
    """Its first revision starts no pods: it is there to have been."""
    container = {
        "name": NAME,
        "image": images.name(BEFORE),
        "ports": [{"name": "http", "containerPort": images.PORT}],
        "readinessProbe": {
            "httpGet": {"path": "/version", "port": "http"},
            "periodSeconds": 1,
            "timeoutSeconds": 2,
        },
        # A pod is taken out of the Service while it is told to stop; who is on the way to it is still served.
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(STOP_FIRST_S)]}}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "annotations": {CAUSE: f"kubectl create, with {BEFORE}"}},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": NAME}},
            "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {
                "metadata": {"labels": {"app": NAME}},
                "spec": {
                    "automountServiceAccountToken": False,
                    "terminationGracePeriodSeconds": 20,
                    "containers": [container],
                },
            },
        },
    }


def _service() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME},
        "spec": {"selector": {"app": NAME}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    }
