"""A namespace with a workload in it on the real cluster, and what people do to it past kaeru."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from integrations.kubernetes.api import Api
from integrations.kubernetes.errors import Missing
from integrations.kubernetes.kind import Kind
from integrations.kubernetes.settings import KubernetesSettings
from sandbox.clusters.kubernetes import KubernetesCluster
from sandbox.clusters.namespaces import Namespace
from sandbox.clusters.shop_images import WEB
from tests.clusters import namespace
from tests.kubernetes.hands import Hands

Json = dict[str, Any]

PATIENCE_S = 180.0
POLL_S = 0.2
APPS = (*(kind.resource for kind in Kind), "replicasets", "controllerrevisions")
UNPLACED: Json = {"nodeSelector": {"kaeru.dev/no-such": "node"}}
"""For the spec of pods that are only there: no node takes them, so they take no processor."""


async def until(condition: Callable[[], Awaitable[Any]], what: str, *, patience_s: float = PATIENCE_S) -> Any:
    """Ask again and again until `condition` is true, and return what it is. Fails after `patience_s`."""
    deadline = time.monotonic() + patience_s
    while not (found := await condition()):
        assert time.monotonic() < deadline, f"after {patience_s:.0f} s: not {what}"
        await asyncio.sleep(POLL_S)
    return found


def api_of(space: Namespace) -> Api:
    """A client with the rights of whoever runs the cluster. It is not bound to the workload that its settings name."""
    return Api(KubernetesSettings(kubeconfig=space.cluster.kubeconfig, namespace=space.name, name="web"))


@dataclass
class Shop:
    """One workload, `web`, in a namespace of its own. `extra` is merged into its spec when it is made.

    What is written stands there as kubectl's, by other people's hands.
    """

    space: Namespace
    api: Api
    kind: str = "deployment"
    name: str = "web"
    replicas: int = 2
    extra: Json = field(default_factory=dict)

    @property
    def hands(self) -> Hands:
        return Hands(self.api)

    @property
    def path(self) -> str:
        return Kind(self.kind).path(self.space.name, self.name)

    def settings(self, **changed: Any) -> KubernetesSettings:
        """What kaeru.yml would say of it."""
        told = {
            "kubeconfig": self.space.cluster.kubeconfig,
            "namespace": self.space.name,
            "name": self.name,
            "workload": self.kind,
        }
        return KubernetesSettings.model_validate(told | changed)

    async def kubectl(self, *arguments: str, text: str | None = None, timeout_s: float = 60) -> str:
        """What kubectl prints, in this namespace. Raises ClusterError."""
        return await asyncio.to_thread(self.space.kubectl, *arguments, text=text, timeout_s=timeout_s)

    async def get(self, resource: str, name: str) -> Json:
        """One object, by its plural (`replicasets`) and name."""
        return await self.api.get(f"{self._base(resource)}/{name}")

    async def listed(self, resource: str, *, labels: str = "") -> list[Json]:
        found: list[Json] = (await self.api.list(self._base(resource), labels=labels))["items"]
        return found

    async def workload(self) -> Json:
        return await self.api.get(self.path)

    async def pods(self) -> list[Json]:
        """All pods of the workload, those included that are about to end."""
        return await self.listed("pods", labels=f"app={self.name}")

    async def create(self, *objects: Json) -> None:
        await self.hands.create(*objects, namespace=self.space.name)

    async def deploy(
        self,
        version: str,
        *,
        env: Mapping[str, str | None] | None = None,
        image: str | None = None,
        wait: bool = True,
        **pod: Any,
    ) -> None:
        """Set version and environment (None takes a variable away), as a pipeline would. `pod` goes into the pod's spec.

        Waits until the rollout is complete, unless `wait` is False.
        """
        image = image or f"{WEB}:{version}"
        if await self._exists():
            variables = [
                {"name": name, "$patch": "delete"} if value is None else {"name": name, "value": value}
                for name, value in (env or {}).items()
            ]
            container = {"name": "web", "image": image} | ({"env": variables} if variables else {})
            change = {"spec": {"template": {"spec": {"containers": [container], **pod}}}}
            await self.patch(change)
        else:
            await self.create(self.manifest(image, env or {}, **pod))
        if wait:
            await self.rolled_out()

    async def patch(self, change: Json) -> None:
        """A strategic merge patch of the workload."""
        await self.hands.strategic(self.path, change)

    async def scale(self, replicas: int) -> None:
        await self.hands.merge(f"{self.path}/scale", {"spec": {"replicas": replicas}}, by="kubectl")

    async def annotate(self, **annotations: str) -> None:
        """Names of annotations as they are: `**{"a.b/c": "d"}`."""
        await self.hands.merge(self.path, {"metadata": {"annotations": annotations}}, by="kubectl-annotate")

    async def rolled_out(self, *, patience_s: float = PATIENCE_S) -> None:
        """Wait until the controller says that it has replaced all pods, and the old ones have ended."""

        async def done() -> bool:
            workload, pods = await self.workload(), await self.pods()
            status, spec = workload.get("status", {}), workload["spec"]
            if status.get("observedGeneration", 0) < workload["metadata"]["generation"]:
                return False
            if self.kind == "daemonset":
                count = status["desiredNumberScheduled"]
                updated, ready = status.get("updatedNumberScheduled", 0), status.get("numberReady", 0)
            else:
                count = spec["replicas"]
                updated, ready = status.get("updatedReplicas", 0), status.get("readyReplicas", 0)
                # A StatefulSet that has come to its end counts its updated pods as current ones.
                if self.kind == "statefulset" and status.get("currentRevision") == status.get(
                    "updateRevision"
                ):
                    updated = count
            # What has ended is cleared away by the kubelet every ten seconds only.
            alive = sum(not _has_ended(pod) for pod in pods)
            return bool(updated == ready == count == alive)

        await until(done, f"rolled out: {self.name}", patience_s=patience_s)

    async def restart(self) -> None:
        await self.kubectl("rollout", "restart", f"{self.kind}/{self.name}")
        await self.rolled_out()

    async def recorded(self, *versions: str, **pod: Any) -> None:
        """Deploy one after the other, each as soon as the controller has seen the one before."""

        async def seen() -> bool:
            workload = await self.workload()
            observed = workload.get("status", {}).get("observedGeneration", 0)
            return bool(observed >= workload["metadata"]["generation"])

        async with self.without_pods():
            for version in versions:
                await self.deploy(version, wait=False, **pod)
                await until(seen, f"seen by its controller: {version}")

    @asynccontextmanager
    async def without_pods(self) -> AsyncIterator[None]:
        """A workload that is new has no pods before the end of this: starting and stopping them takes its time."""
        new = self.kind != "daemonset" and not await self._exists()
        replicas, self.replicas = self.replicas, 0 if new else self.replicas
        try:
            yield
        finally:
            self.replicas = replicas
        if new and replicas:
            await self.scale(replicas)

    async def second_over(self) -> None:
        """Wait until what is made next is younger than all ReplicaSets there are.

        The API's times are whole seconds, and of two of the same second the cluster prunes either.
        """
        last = max(one["metadata"]["creationTimestamp"] for one in await self.listed("replicasets"))

        async def over() -> bool:
            return datetime.now(UTC) >= datetime.fromisoformat(last) + timedelta(seconds=1)

        await until(over, f"over: the second {last}")

    async def let_go(self, pod: Json) -> None:
        """Delete a pod for good, without asking what it still does."""
        path = f"{self._base('pods')}/{pod['metadata']['name']}"
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
        with suppress(Missing):
            await self.api._write("DELETE", "delete", path, options, "application/json", dry_run=False)

    def manifest(self, image: str, env: Mapping[str, str | None], **pod: Any) -> Json:
        labels = {"app": self.name}
        spec: Json = {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "terminationGracePeriodSeconds": 2,
                    "containers": [
                        {
                            "name": "web",
                            "image": image,
                            "env": [{"name": k, "value": v} for k, v in env.items()],
                            "ports": [{"containerPort": 8080}],
                            "readinessProbe": {
                                "httpGet": {"path": "/ready", "port": 8080},
                                "periodSeconds": 1,
                            },
                        }
                    ],
                }
                | pod,
            },
        }
        if self.kind != "daemonset":
            spec["replicas"] = self.replicas
        if self.kind == "statefulset":
            spec["serviceName"] = self.name
        return {
            "apiVersion": "apps/v1",
            "kind": Kind(self.kind).title,
            "metadata": {"name": self.name},
            "spec": spec | self.extra,
        }

    async def _exists(self) -> bool:
        try:
            await self.workload()
        except Missing:
            return False
        return True

    def _base(self, resource: str) -> str:
        group = "/apis/apps/v1" if resource in APPS else "/api/v1"
        return f"{group}/namespaces/{self.space.name}/{resource}"


class FragileShop(Shop):
    """Its versions can be broken from outside: each looks for its own name in a ConfigMap, and ends if it is there."""

    COMMAND = (
        "if [ -e /broken/$VERSION ]; then "
        "echo 'web: the payment account is missing, API_KEY=hunter2 was not enough'; exit 1; fi; exec /shop/start"
    )
    BROKEN: ClassVar[Json] = {"name": "broken", "configMap": {"name": "broken", "optional": True}}

    async def break_release(self, version: str) -> None:
        """Pods of it that start from now on do not stay."""
        metadata = {"name": "broken"}
        await self.create(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {version: "yes"}}
        )

    def manifest(self, image: str, env: Mapping[str, str | None], **pod: Any) -> Json:
        made = super().manifest(image, env, **pod, volumes=[self.BROKEN])
        made["spec"]["template"]["spec"]["containers"][0] |= {
            "command": ["/bin/sh", "-c", self.COMMAND],
            "volumeMounts": [{"name": "broken", "mountPath": "/broken"}],
        }
        return made


@dataclass
class Started:
    """Counts the pods of a workload, those included that were seen at an earlier call and are gone."""

    shop: Shop
    seen: set[tuple[str, int]] = field(default_factory=set)

    async def count(self) -> int:
        for pod in await self.shop.pods():
            statuses = pod.get("status", {}).get("containerStatuses") or [{}]
            restarts = sum(status.get("restartCount", 0) for status in statuses)
            self.seen |= {(pod["metadata"]["uid"], number) for number in range(restarts + 1)}
        return len(self.seen)


@asynccontextmanager
async def shop_on(cluster: KubernetesCluster) -> AsyncIterator[FragileShop]:
    """v1.3.0 runs, v1.2.8 and v1.2.9 did before, in a namespace of its own."""
    with namespace(cluster) as space:
        async with aclosing(api_of(space)) as api:
            shop = FragileShop(space, api, replicas=1)
            await shop.recorded("v1.2.8", "v1.2.9", "v1.3.0")
            await shop.rolled_out()
            async with tidied(shop):
                yield shop


@asynccontextmanager
async def tidied(shop: Shop) -> AsyncIterator[None]:
    """Take away the pods that have ended, as the kubelet does itself, but only every ten seconds."""

    async def tidy() -> None:
        while True:
            for pod in await shop.pods():
                if _has_ended(pod):
                    await shop.let_go(pod)
            await asyncio.sleep(POLL_S)

    tidying = asyncio.create_task(tidy())
    try:
        yield
    finally:
        tidying.cancel()
        await asyncio.wait({tidying})
    if not tidying.cancelled():
        tidying.result()


def _has_ended(pod: Json) -> bool:
    states = [status["state"] for status in pod.get("status", {}).get("containerStatuses", ())]
    return "deletionTimestamp" in pod["metadata"] and not any("running" in state for state in states)
