"""What was seen of a workload and its pods at one moment, and what can be counted in it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bot.domain.base import Version
from bot.ports.target import Change
from integrations.images import version_of
from integrations.kubernetes import payload
from integrations.kubernetes.authors import last_writer
from integrations.kubernetes.pods import Pod, said
from integrations.kubernetes.template import Json, chosen_container, images_of
from integrations.kubernetes.workload import Workload, moment

OVERDUE_S = 30.0
"""How long after its grace an old pod that was told to end is still waited for: a kubelet that answers has killed it."""


@dataclass(frozen=True)
class Goal:
    """Where a change leads. `key` is its own, by which it is found in the workload's change-cause.

    `altered` is what the cluster's admission makes of the goal's shape, `from_altered` what it has made of the one
    that is left; empty where it alters nothing.
    """

    title: str
    ref: str
    version: Version
    from_ref: str
    from_version: Version
    key: str = ""
    altered: str = ""
    from_altered: str = ""

    @classmethod
    def of(cls, change: Change, title: str, key: str) -> "Goal":
        """Of a change that has its refs. Raises Conflict where its payload cannot be read."""
        return cls(
            title=title,
            ref=change.to_ref,
            version=change.to_version,
            from_ref=change.from_ref,
            from_version=change.from_version,
            key=key,
            altered=payload.read(change.payload).accepts,
        )

    def is_met_by(self, ref: str | None) -> bool:
        """Whether a shape is the goal's, as it was asked for or as admission has altered it."""
        return ref is not None and ref in (self.ref, self.altered or self.ref)

    def comes_from(self, ref: str | None) -> bool:
        """Whether a shape is the one that the change leaves."""
        return bool(ref) and ref in (self.from_ref, self.from_altered)


@dataclass(frozen=True)
class Scene:
    """`workload` is None where it does not exist. `pods` are its own alone.

    `shapes` are the shape refs of pods by their uid. `ill_s` says how many seconds each pod, by uid, has
    been in trouble; `still_s` how long nothing has moved at all; `blocked` why no pods can be made, if that is
    so; `changed_by` who set the pod template last. `uid` is the workload's at first sight, `ours_seen` whether
    the goal's template was seen set before. `ending_s` says how many seconds ago each pod, by uid, was told to
    end; `patient` is whether there is time left to wait for those.
    """

    goal: Goal
    workload: Workload | None
    pods: tuple[Pod, ...]
    shapes: Mapping[str, str]
    uid: str = ""
    ours_seen: bool = False
    ill_s: Mapping[str, float] = field(default_factory=dict)
    still_s: float = 0.0
    blocked: str = ""
    changed_by: str = ""
    ending_s: Mapping[str, float] = field(default_factory=dict)
    patient: bool = True

    @property
    def new(self) -> tuple[Pod, ...]:
        """The pods of the goal's shape that are to stay."""
        return tuple(p for p in self._alive if self._is_new(p) and not p.terminating)

    @property
    def old(self) -> tuple[Pod, ...]:
        """The pods of any other shape, those included that are about to end."""
        return tuple(p for p in self._alive if not self._is_new(p))

    @property
    def given_up(self) -> tuple[Pod, ...]:
        """The old pods that were told to end and that nobody waits for any more.

        Their node does not answer, or they have longer for it than a rollback has. No new connection reaches them:
        a pod leaves its Services when it is told to end.
        """
        return tuple(p for p in self.old if p.terminating and (not self.patient or self._is_overdue(p)))

    @property
    def counts(self) -> str:
        """`7 of 10 ready, 1 terminating`."""
        terminating = sum(pod.terminating for pod in self.old)
        return f"{self.ready}, {terminating} terminating" if terminating else self.ready

    @property
    def ready(self) -> str:
        """`7 of 10 ready`."""
        desired = self.workload.counts.desired if self.workload else 0
        return f"{min(sum(pod.ready for pod in self.new), desired)} of {desired} ready"

    @property
    def troubles(self) -> str:
        """What is worth knowing of pods that are not there yet, as the end of a sentence; mostly empty."""
        told = []
        waiting = [pod.unschedulable for pod in self.new if pod.unschedulable]
        if waiting:
            told.append(f"{len(waiting)} without a node ({waiting[0].rstrip('.')})")
        ill = [trouble.sentence for trouble in (pod.trouble for pod in self.new) if trouble is not None]
        told += ill[:1]
        if self.blocked:
            told.append(f"no new pods can be made: {said(self.blocked).rstrip('.')}")
        return "".join(f"; {text}" for text in told) + self.endings

    @property
    def endings(self) -> str:
        """What is worth knowing of old pods that nobody waits for, as the end of a sentence; mostly empty."""
        if not (given_up := self.given_up):
            return ""
        first, *others = given_up
        return f"; {self._end_of(first)}" + (f" (and {len(others)} more like it)" if others else "")

    @property
    def running(self) -> Version | None:
        """The one version that all pods that serve have; None where they differ, or none serves."""
        found = {self._version(pod) for pod in self.pods if pod.ready}
        return found.pop() if len(found) == 1 else None

    @property
    def _alive(self) -> tuple[Pod, ...]:
        return tuple(pod for pod in self.pods if not pod.over)

    def _is_overdue(self, pod: Pod) -> bool:
        return self.ending_s.get(pod.uid, 0.0) >= pod.grace_s + OVERDUE_S

    def _end_of(self, pod: Pod) -> str:
        where = f"{pod.name} on node {pod.node}" if pod.node else pod.name
        if self._is_overdue(pod):
            return (
                f"{where} should have ended {self.ending_s[pod.uid] - pod.grace_s:.0f} s ago and nothing says that it "
                "has: see whether its node answers"
            )
        return f"{where} has up to {pod.grace_s} s to end, and was not waited for any longer"

    def _is_new(self, pod: Pod) -> bool:
        return self.goal.is_met_by(self.shapes.get(pod.uid))

    def _version(self, pod: Pod) -> Version:
        ref = self.shapes.get(pod.uid)
        if self.goal.is_met_by(ref):
            return self.goal.version
        if self.goal.comes_from(ref):
            return self.goal.from_version
        if self.workload is None:
            return version_of(next(iter(pod.images.values()), ""))
        named = chosen_container(pod.raw, name=self.workload.name)
        return version_of(pod.images.get(self.workload.container or "", str(named.get("image"))))


def complete(workload: Workload) -> bool:
    """Whether the controller has seen the spec as it is and made all of it true, by its own counts."""
    count = workload.counts
    if workload.observed_generation < workload.generation:
        return False
    if workload.kind == "deployment":
        return (
            count.updated >= count.desired
            and count.total <= count.updated
            and count.available >= count.updated
        )
    wanted = max(0, count.desired - workload.partition)
    fewer = workload.kind == "daemonset" or count.total <= count.desired
    return count.updated >= wanted and count.available >= count.desired and fewer


def fits(pod: Pod, template: Json) -> bool:
    """Whether its containers run the template's images; a registry may have been rewritten on the way."""
    images = pod.images
    return all(_bare(images.get(name, "")) == _bare(image) for name, image in images_of(template).items())


def changed_at(workload: Workload) -> datetime | None:
    """When its pod template was written last, by the API server's clock; None where that is not told."""
    last = last_writer(workload.raw)
    return last.at if last else None


def timed_out(workload: Workload) -> bool:
    """Whether the controller has given *this* rollout up.

    Its condition speaks of the last rollout until this one has moved, also after it has seen the new spec.
    """
    condition = workload.conditions.get("Progressing") or {}
    if condition.get("reason") != "ProgressDeadlineExceeded" or condition.get("status") != "False":
        return False
    if workload.observed_generation < workload.generation:
        return False
    since, written = moment(condition.get("lastUpdateTime")), changed_at(workload)
    return since is not None and written is not None and since > written


def _bare(image: str) -> str:
    return image.rpartition("/")[2]
