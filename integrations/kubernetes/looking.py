"""One look at a workload: itself, its history, its pods, and what it reads its configuration from."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from bot.domain.base import Version
from bot.domain.plan import Level, Warn
from bot.ports import Memory
from bot.ports.errors import Refused
from integrations.images import version_of
from integrations.kubernetes.api import Api
from integrations.kubernetes.configs import Configs, Held
from integrations.kubernetes.history import History, history_of
from integrations.kubernetes.pods import Pod, pods_of
from integrations.kubernetes.settings import KubernetesSettings
from integrations.kubernetes.shapes import Shapes
from integrations.kubernetes.shapes import own as own_pods
from integrations.kubernetes.template import image_of
from integrations.kubernetes.workload import Workload, pods_path


@dataclass(frozen=True)
class Look:
    """`pods` are the workload's own, `shapes` the refs of their shapes by the pods' uids."""

    workload: Workload
    history: History
    pods: tuple[Pod, ...]
    shapes: Mapping[str, str]

    @property
    def current(self) -> Version:
        return self.history.names[self.history.current_ref]

    @property
    def serving(self) -> Mapping[Version, int]:
        """How many ready pods there are, by the version that they run."""
        return Counter(self._version(pod) for pod in self.pods if pod.ready)

    @property
    def running(self) -> Version | None:
        """The version that all ready pods run; None where they differ, or none is ready."""
        found = list(self.serving)
        return found[0] if len(found) == 1 else None

    @property
    def digests(self) -> Mapping[str, str]:
        """The image IDs that pods of the current shape report, by image."""
        found: dict[str, str] = {}
        for pod in self.pods:
            if self.shapes.get(pod.uid) == self.history.current_ref:
                found |= digests_of(pod)
        return dict(sorted(found.items()))

    def _version(self, pod: Pod) -> Version:
        name = self.history.names.get(self.shapes.get(pod.uid, ""))
        if name is not None:
            return name
        workload = self.workload
        try:
            return version_of(image_of(pod.raw, name=workload.name, container=workload.container))
        except LookupError:  # it is older than the name of that container
            return version_of(image_of(pod.raw, name=workload.name))


async def workload_of(api: Api, settings: KubernetesSettings) -> Workload:
    """Raises Missing where there is none, Refused where it lacks the container that is to name its version."""
    raw = await api.get(settings.path)
    workload = Workload(settings.kind, raw, settings.container)
    try:
        workload.image  # noqa: B018 - it raises where the container is not there
    except LookupError as error:
        raise Refused(
            f"What version {settings.who} runs is not known: {error}.",
            remedy="Correct `container` in kaeru.yml.",
        ) from error
    return workload


async def look(api: Api, workload: Workload, memory: Memory, configs: Configs) -> tuple[Look, Held]:
    """What belongs to `workload`, all at once. Raises as `Api` does."""
    namespace = workload.namespace
    history, listed, held = await asyncio.gather(
        history_of(api, workload, memory),
        api.list(pods_path(namespace), labels=workload.selector),
        configs.held(workload.template),
    )
    pods = pods_of(listed["items"])
    known = Shapes(api)
    known.know(workload, {name: r.ref for r in history.revisions for name in r.object_names})
    refs = await known.of(workload, pods)
    return Look(workload, history, own_pods(pods, refs), refs), held


def digests_of(pod: Pod) -> Mapping[str, str]:
    """Image ID by image, as the runtime reports it: a digest of what it pulled, or the ID of what it has."""
    status = pod.raw.get("status") or {}
    listed = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    images = pod.images
    return {
        images[c["name"]]: str(c["imageID"]).rpartition("://")[2]
        for c in listed
        if c.get("imageID") and c["name"] in images
    }


def warnings_of(seen: Look) -> tuple[Warn, ...]:
    """What is not as one would expect it: in what runs, in the history, in the images."""
    return (*_of_pods(seen), *_of_pause(seen.workload), *seen.history.warnings, *_of_digests(seen))


def _of_pods(seen: Look) -> list[Warn]:
    title, current, serving = seen.workload.title, seen.current, seen.serving
    desired, ready = seen.workload.counts.desired, sum(serving.values())
    if not desired and not ready:
        return [Warn(level=Level.INFO, text=f"{title} is scaled to zero: nothing of it runs.")]
    if not ready:
        text = f"No pod of {title} is ready, so nothing of it serves and what runs cannot be observed."
        return [Warn(level=Level.DANGER, text=text)]
    if len(serving) > 1:
        (first, most), *others = sorted(serving.items(), key=lambda pair: (-pair[1], pair[0]))
        rest = ", ".join(f"{count} {_runs(count)} {version}" for version, count in others)
        text = f"{title} is set to {current}; {most} of {ready} ready pods {_runs(most)} {first}, {rest}."
        return [Warn(level=Level.WARNING, text=text)]
    if seen.running != current:
        text = f"{title} is set to {current}, but {seen.running} is what its ready pods run ({ready} of {desired})."
        return [Warn(level=Level.WARNING, text=text)]
    if ready < desired:
        return [Warn(level=Level.WARNING, text=f"{ready} of {desired} pods of {title} are ready.")]
    return []


def _runs(count: int) -> str:
    return "runs" if count == 1 else "run"


def _of_pause(workload: Workload) -> list[Warn]:
    if not workload.paused:
        return []
    return [Warn(level=Level.WARNING, text=f"{workload.title} is paused: no change of it takes effect.")]


def _of_digests(seen: Look) -> list[Warn]:
    """One tag under which different images were met: in other revisions, or in pods of today."""
    met: dict[str, dict[str, None]] = {}
    for revision in seen.history.revisions:
        for image, digest in revision.kept.digests.items():
            met.setdefault(image, {})[digest] = None
    for pod in seen.pods:
        for image, digest in digests_of(pod).items():
            met.setdefault(image, {})[digest] = None
    said = []
    for image, digests in sorted(met.items()):
        # A digest of a registry and an ID of the runtime name the same image differently.
        for kind in (True, False):
            alike = [digest for digest in digests if ("@" in digest) is kind]
            if len(alike) > 1:
                shown = ", ".join(digest.rpartition(":")[2][:12] for digest in alike)
                text = f"Different images were met under {image} ({shown}): it was pushed again, so its tag does not say what runs."
                said.append(Warn(level=Level.WARNING, text=text))
    return said
