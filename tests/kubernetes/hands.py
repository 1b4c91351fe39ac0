"""Other people's hands: what they change past kaeru, under the names that kubectl writes down for them.

A process of kubectl takes half a second of a processor, and a test has many changes to make.
"""

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from integrations.kubernetes.api import Api
from integrations.kubernetes.errors import Doing
from integrations.kubernetes.settings import KubernetesSettings
from sandbox.clusters.kubernetes import LABEL, KubernetesCluster
from sandbox.clusters.namespaces import RUNNING, Namespace
from tests.clusters import kubernetes_ends

Json = dict[str, Any]

_STRATEGIC = "application/strategic-merge-patch+json"
_MERGE = "application/merge-patch+json"
_APPLY = "application/apply-patch+yaml"  # JSON is YAML


@dataclass(frozen=True)
class Hands:
    """They reach the cluster as `api` does, and raise what it raises; what they are bound to is said in each call."""

    api: Api

    async def create(self, *objects: Json, namespace: str) -> None:
        """As `kubectl create` does, one after the other."""
        for one in objects:
            await self.post(await self._collection(one, namespace), one)

    async def post(self, path: str, body: Json, *, by: str = "kubectl-create") -> Json:
        """Create what is in `body`, and return what the server made of it."""
        return await self._written("POST", path, body, "application/json", by)

    async def strategic(self, path: str, change: Json, *, by: str = "kubectl-patch") -> Json:
        """A strategic merge patch, as `kubectl patch` sends it."""
        return await self._written("PATCH", path, change, _STRATEGIC, by)

    async def merge(self, path: str, change: Json, *, by: str = "kubectl-patch") -> Json:
        """A merge patch, as `kubectl patch --type=merge`, `annotate`, `label` and `scale` send it."""
        return await self._written("PATCH", path, change, _MERGE, by)

    async def apply(self, *objects: Json, namespace: str, by: str, force: bool = False) -> None:
        """As `kubectl apply --server-side` does: each owns only the fields that it names."""
        for one in objects:
            path = f"{await self._collection(one, namespace)}/{one['metadata']['name']}"
            await self._written("PATCH", path, one, _APPLY, by, **({"force": "true"} if force else {}))

    async def delete(self, path: str) -> None:
        """Nothing where it is gone already; it may take its time to go."""
        await self.api.delete(path)

    async def end_all(self, namespace: str) -> None:
        """Delete what runs in a namespace, and nothing else."""
        for plural, group in RUNNING.items():
            path = f"{group}/namespaces/{namespace}/{plural}"
            if plural == "services":  # which have to be deleted one by one
                for one in (await self.api.get(path))["items"]:
                    await self.delete(f"{path}/{one['metadata']['name']}")
            else:
                await self.delete(path)

    async def _written(
        self, method: str, path: str, body: Json, content_type: str, by: str, **query: str
    ) -> Json:
        doing = Doing("create" if method == "POST" else "patch", path, changes=True)
        return await self.api._json(
            method,
            doing,
            query={"fieldManager": by, **query},
            body=json.dumps(body).encode(),
            content_type=content_type,
        )

    async def _collection(self, one: Json, namespace: str) -> str:
        group_version = one["apiVersion"]
        served = await self.api.resources(group_version)
        (plural,) = (name for name, what in served.items() if what["kind"] == one["kind"] and "/" not in name)
        base = "/apis" if "/" in group_version else "/api"
        where = f"/namespaces/{namespace}" if served[plural]["namespaced"] else ""
        return f"{base}/{group_version}{where}/{plural}"


@asynccontextmanager
async def hands_on(cluster: KubernetesCluster) -> AsyncIterator[Hands]:
    """Those of whoever runs the cluster."""
    settings = KubernetesSettings(kubeconfig=cluster.kubeconfig, namespace="default", name="web")
    async with aclosing(Api(settings)) as api:
        yield Hands(api)


@asynccontextmanager
async def fresh_namespace(cluster: KubernetesCluster) -> AsyncIterator[Namespace]:
    """As `sandbox.clusters.namespaces.namespace` makes it; it goes on being deleted after this has returned."""
    name = f"kaeru-test-{secrets.token_hex(4)}"
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {LABEL: "true"}}}
    async with hands_on(cluster) as hands:
        await hands.post("/api/v1/namespaces", made)
        try:
            yield Namespace(name, cluster)
        finally:
            if kubernetes_ends():
                await hands.end_all(name)
            else:
                await hands.delete(f"/api/v1/namespaces/{name}")
