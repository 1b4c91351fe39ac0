"""Components whose versions come in several shapes, as clusters have them: the adapters' own history, no cluster behind it."""

import dataclasses
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from bot.domain.base import Version
from bot.domain.plan import Check
from bot.ports import Change, Inspection, Memory, TargetPlan
from bot.ports.target import Available
from integrations.kubernetes.history import joined
from integrations.kubernetes.keepsake import Keepsake
from integrations.kubernetes.workload import REVISION, Workload
from integrations.swarm.history import history
from integrations.swarm.service import ref_of
from tests.fakes.target import MemoryTarget

Json = dict[str, Any]
UID = "uid-of-web"


@dataclasses.dataclass
class Shaped(MemoryTarget):
    """`set_to` is what somebody does past kaeru, or kaeru itself: an image with its settings; everything runs at once."""

    memory: Memory = dataclasses.field(kw_only=True)
    clock: Callable[[], datetime] = dataclasses.field(kw_only=True)

    def set_to(self, version: Version, **settings: str) -> None:
        raise NotImplementedError

    async def shown(self) -> tuple[str, tuple[Available, ...]]:
        """The ref of what is set, and what is on offer."""
        raise NotImplementedError

    async def inspect(self) -> Inspection:
        ref, available = await self.shown()
        name = next(a.version for a in available if a.ref == ref)
        return Inspection(
            current=name, running=name, available=available, fingerprint=f"set-{ref}", current_ref=ref
        )

    async def plan(self, change: Change) -> TargetPlan:
        _, available = await self.shown()
        there = any(a.ref == change.to_ref for a in available)
        check = Check(name="shape is there", ok=there, detail=change.to_version)
        return TargetPlan(actions=(f"Set {change.to_version}",), warnings=(), checks=(check,), expected_s=0.1)


@dataclasses.dataclass
class InKubernetes(Shaped):
    """A Deployment with its ReplicaSets, numbered anew when they are used again."""

    template: Json = dataclasses.field(default_factory=dict)
    replica_sets: list[Json] = dataclasses.field(default_factory=list)
    revision: int = 0

    def set_to(self, version: Version, **settings: str) -> None:
        env = [{"name": key, "value": value} for key, value in settings.items()]
        container = {"name": "web", "image": f"shop/web:{version}", "env": env}
        self.template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
        self.revision += 1
        same = next((one for one in self.replica_sets if one["spec"]["template"] == self.template), None)
        if same is not None:
            same["metadata"]["annotations"][REVISION] = str(self.revision)
            return
        metadata = {
            "name": f"web-{self.revision}",
            "creationTimestamp": f"{self.clock():%Y-%m-%dT%H:%M:%SZ}",
            "annotations": {REVISION: str(self.revision)},
            "ownerReferences": [{"uid": UID, "controller": True}],
        }
        self.replica_sets.append({"metadata": metadata, "spec": {"template": self.template}})

    async def shown(self) -> tuple[str, tuple[Available, ...]]:
        metadata = {"namespace": "shop", "name": "web", "uid": UID}
        workload = Workload("deployment", {"metadata": metadata, "spec": {"template": self.template}})
        seen = joined(workload, self.replica_sets, await self.memory.shapes())
        current = seen.current
        kept = Keepsake(template=current.template, revision=current.number)
        await self.memory.keep(current.ref, current.version, kept.dumped())
        seen = joined(workload, self.replica_sets, await self.memory.shapes())
        return seen.current_ref, seen.available


@dataclasses.dataclass
class InSwarm(Shaped):
    """A service, with the one spec before that the daemon keeps."""

    spec: Json = dataclasses.field(default_factory=dict)
    before: Json | None = None

    def set_to(self, version: Version, **settings: str) -> None:
        env = [f"{key}={value}" for key, value in settings.items()]
        container = {"Image": f"shop/web:{version}", "Env": env}
        self.before = self.spec or None
        self.spec = {"Name": "web", "TaskTemplate": {"ContainerSpec": container}}
        self.configured = version

    async def shown(self) -> tuple[str, tuple[Available, ...]]:
        ref = ref_of(self.spec["TaskTemplate"])
        await self.memory.keep(ref, self.configured, json.dumps(self.spec))
        service = {"Spec": self.spec, "PreviousSpec": self.before}
        return ref, history(service, await self.memory.shapes()).available()
