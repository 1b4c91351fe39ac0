"""What a raw Deployment, StatefulSet or DaemonSet says about itself. Pure: nothing here talks to a cluster.

`Json` is an object as the API gives it; typed models would drop the fields of other API versions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.domain.base import Version
from integrations.images import version_of
from integrations.kubernetes.kind import Kind
from integrations.kubernetes.template import Json, image_of, shape_ref, short_hash

REVISION = "deployment.kubernetes.io/revision"


@dataclass(frozen=True)
class Counts:
    """Pods by what the controller last saw of them. `desired` is what the spec asks for now."""

    desired: int
    total: int
    updated: int
    ready: int
    available: int


@dataclass(frozen=True)
class Workload:
    """One Deployment, StatefulSet or DaemonSet. `container` is the one that names the version, if set."""

    kind: str
    raw: Json
    container: str | None = None

    @property
    def namespace(self) -> str:
        return str(self.raw["metadata"]["namespace"])

    @property
    def name(self) -> str:
        return str(self.raw["metadata"]["name"])

    @property
    def title(self) -> str:
        """For people: `Deployment shop/web`."""
        return f"{Kind(self.kind).title} {self.namespace}/{self.name}"

    @property
    def path(self) -> str:
        return Kind(self.kind).path(self.namespace, self.name)

    @property
    def uid(self) -> str:
        return str(self.raw["metadata"]["uid"])

    @property
    def generation(self) -> int:
        return int(self.raw["metadata"].get("generation") or 0)

    @property
    def observed_generation(self) -> int:
        return int(self.status.get("observedGeneration") or 0)

    @property
    def annotations(self) -> Mapping[str, str]:
        return self.raw["metadata"].get("annotations") or {}

    @property
    def spec(self) -> Json:
        spec: Json = self.raw["spec"]
        return spec

    @property
    def status(self) -> Json:
        return self.raw.get("status") or {}

    @property
    def template(self) -> Json:
        """The pod template as it is configured now."""
        template: Json = self.spec["template"]
        return template

    @property
    def shape_ref(self) -> str:
        return shape_ref(self.template)

    @property
    def image(self) -> str:
        return image_of(self.template, name=self.name, container=self.container)

    @property
    def version(self) -> Version:
        return version_of(self.image)

    @property
    def selector(self) -> str:
        """The label selector of its pods, as the API takes it in a query."""
        return selector_query(self.spec.get("selector") or {})

    @property
    def replicas(self) -> int:
        """How many pods it asks for; a DaemonSet asks for one on each node that fits."""
        if self.kind == "daemonset":
            return int(self.status.get("desiredNumberScheduled") or 0)
        replicas = self.spec.get("replicas")
        return 1 if replicas is None else int(replicas)

    @property
    def paused(self) -> bool:
        return self.kind == "deployment" and bool(self.spec.get("paused"))

    @property
    def strategy_field(self) -> str:
        return "strategy" if self.kind == "deployment" else "updateStrategy"

    @property
    def strategy(self) -> Json:
        """How pods are replaced: `type` and, for RollingUpdate, `rollingUpdate`."""
        return self.spec.get(self.strategy_field) or {}

    @property
    def strategy_type(self) -> str:
        return str(self.strategy.get("type") or "RollingUpdate")

    @property
    def partition(self) -> int:
        """A StatefulSet keeps its pods below this ordinal as they are; 0 replaces all."""
        return int((self.strategy.get("rollingUpdate") or {}).get("partition") or 0)

    @property
    def conditions(self) -> Mapping[str, Json]:
        """By type, such as `Progressing`."""
        return {c["type"]: c for c in self.status.get("conditions") or ()}

    @property
    def counts(self) -> Counts:
        status = self.status
        if self.kind == "daemonset":
            return Counts(
                desired=self.replicas,
                total=int(status.get("currentNumberScheduled") or 0),
                updated=int(status.get("updatedNumberScheduled") or 0),
                ready=int(status.get("numberReady") or 0),
                available=int(status.get("numberAvailable") or 0),
            )
        ready = int(status.get("readyReplicas") or 0)
        # StatefulSets say how many are available since 1.22; before, ready is all there is.
        known = self.kind == "deployment" or "availableReplicas" in status
        return Counts(
            desired=self.replicas,
            total=int(status.get("replicas") or 0),
            updated=int(status.get("updatedReplicas") or 0),
            ready=ready,
            available=int(status.get("availableReplicas") or 0) if known else ready,
        )

    @property
    def fingerprint(self) -> str:
        """Changes whenever a plan made now would no longer hold: another object, template, pause or strategy.

        Neither generation nor resourceVersion: an autoscaler and the status move those all the time. Nor
        maxSurge, which a rollback itself may set for a while.
        """
        parts = [self.uid, self.shape_ref, self.paused, self.strategy_type, self.partition]
        return short_hash(parts, 16)


def pods_path(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


def history_path(kind: str, namespace: str) -> str:
    """Where the earlier templates are: ReplicaSets, or ControllerRevisions."""
    plural = "replicasets" if kind == "deployment" else "controllerrevisions"
    return f"/apis/apps/v1/namespaces/{namespace}/{plural}"


def selector_query(selector: Mapping[str, Any]) -> str:
    """A `LabelSelector` in the form of a query, `app=web,tier in (a,b)`."""
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for wanted in selector.get("matchExpressions") or ():
        key, values = wanted["key"], ",".join(wanted.get("values") or ())
        parts.append(
            {
                "In": f"{key} in ({values})",
                "NotIn": f"{key} notin ({values})",
                "Exists": key,
                "DoesNotExist": f"!{key}",
            }[wanted["operator"]]
        )
    return ",".join(parts)


def controlled_by(child: Mapping[str, Any], uid: str) -> bool:
    """Whether `uid` is the controller of `child`. Labels alone may fit what belongs to someone else."""
    owners: Sequence[Json] = child["metadata"].get("ownerReferences") or ()
    return any(owner.get("controller") and owner.get("uid") == uid for owner in owners)


def moment(text: str | None) -> datetime | None:
    """A time as the API writes it."""
    return datetime.fromisoformat(text) if text else None
