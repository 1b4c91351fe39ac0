"""What raw pods say of themselves: which shape they have, whether they serve, and what is wrong with them. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from integrations.kubernetes.template import Json, images_of
from integrations.process import redact

SAID = 300  # characters of what somebody else wrote that are passed on

_HOPELESS = frozenset({"ErrImageNeverPull", "InvalidImageName"})
_IMAGE = _HOPELESS | {"ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable"}
_START = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "PreCreateHookError",
        "PreStartHookError",
        "PostStartHookError",
    }
)
_LOOP = "CrashLoopBackOff"
# Docker and containerd say both in prose alone.
_NO_WAY = (
    "connection refused",
    "connection reset",
    "i/o timeout",
    "no such host",
    "no route to host",
    "network is unreachable",
    "tls handshake timeout",
    "deadline exceeded",
    "server misbehaving",
    "client.timeout",
    "500 internal server error",
    "502 bad gateway",
    "503 service unavailable",
    "504 gateway time",
    "too many requests",
    "toomanyrequests",
)
_NO_IMAGE = ("not found", "manifest unknown", "does not exist", "no such image")

HOPELESS_S = 2.0
PATIENCE_S = 10.0
LOOP_S = 15.0
"""One crash more than the first two, which the kubelet's own pause of 10 s has to let happen."""


@dataclass(frozen=True)
class Trouble:
    """A container that does not get to run. `patience_s` is how long that may last before it counts as final.

    `crashed` where it did start, so that it may have written a log. `unpulled` where its image cannot be had, `elsewhere`
    where that is the registry's silence and says nothing of the image.
    """

    container: str
    sentence: str
    patience_s: float
    crashed: bool = False
    unpulled: bool = False
    elsewhere: bool = False


@dataclass(frozen=True)
class Pod:
    raw: Json

    @property
    def name(self) -> str:
        return str(self.raw["metadata"]["name"])

    @property
    def uid(self) -> str:
        return str(self.raw["metadata"]["uid"])

    @property
    def owner(self) -> Json:
        """The reference to its controller; empty where it has none."""
        owners = self.raw["metadata"].get("ownerReferences") or ()
        return next((o for o in owners if o.get("controller")), {})

    @property
    def revision(self) -> str:
        """The label that names its ControllerRevision, as StatefulSets and DaemonSets set it."""
        return str((self.raw["metadata"].get("labels") or {}).get("controller-revision-hash") or "")

    @property
    def over(self) -> bool:
        """Nothing of it runs any more: evicted, finished, or about to be deleted with all its containers ended.

        The kubelet takes seconds to clear away what has ended, or has never started; nobody is served by it
        meanwhile. It starts nothing in a pod that is about to be deleted.
        """
        if (self.raw.get("status") or {}).get("phase") in ("Failed", "Succeeded"):
            return True
        # Without a word of the kubelet anything may run, but where no node ever took it.
        told = bool(self._containers) or bool(self.unschedulable)
        return self.terminating and told and not any(_runs(one) for one in self._containers)

    @property
    def terminating(self) -> bool:
        return "deletionTimestamp" in self.raw["metadata"]

    @property
    def grace_s(self) -> int:
        """How long it may take to end, from when it is told to; 0 where it has not been told."""
        return int(self.raw["metadata"].get("deletionGracePeriodSeconds") or 0)

    @property
    def node(self) -> str:
        """Where it runs; empty where no node has taken it."""
        return str((self.raw.get("spec") or {}).get("nodeName") or "")

    @property
    def ready(self) -> bool:
        return self._condition("Ready").get("status") == "True" and not self.terminating and not self.over

    @property
    def unschedulable(self) -> str:
        """Why there is no node for it; empty where there is one, or nobody has looked yet."""
        scheduled = self._condition("PodScheduled")
        if scheduled.get("status") != "False":
            return ""
        return said(str(scheduled.get("message") or scheduled.get("reason") or "no reason is given"))

    @property
    def images(self) -> Mapping[str, str]:
        """Image by container, as it was asked for."""
        return images_of(self.raw)

    @property
    def trouble(self) -> Trouble | None:
        """The first container of it that does not get to run; None while that may still be ordinary."""
        return next(filter(None, (self._trouble(container) for container in self._containers)), None)

    @property
    def fails(self) -> bool:
        """Whether it has got as far as a node and its containers, and it is they that do not serve or do not stay.

        Not where no container was ever started: a volume, a network or a node may be what is missing.
        """
        if self.ready or self.over:
            return False
        if self._condition("ContainersReady").get("status") == "True":
            return False  # its node is not heard of any more, or something outside has still to say yes
        if self.trouble is not None:
            return not self.trouble.elsewhere
        return any(_runs(one) or _ended(one) for one in self._containers)

    def runs(self, container: str) -> bool:
        """Whether this container of it runs just now."""
        return any(one.get("name") == container and _runs(one) for one in self._containers)

    @property
    def _containers(self) -> tuple[Json, ...]:
        """What the kubelet says of each, of those that run before the others or beside them for ever as well."""
        status = self.raw.get("status") or {}
        return (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))

    def _trouble(self, container: Json) -> Trouble | None:
        state, name = container.get("state") or {}, str(container.get("name"))
        waiting = state.get("waiting") or {}
        reason, message = str(waiting.get("reason") or ""), str(waiting.get("message") or "")
        if reason in _IMAGE:
            image = self.images.get(name, str(container.get("image") or "its image"))
            return Trouble(
                container=name,
                sentence=f"{self._who(name)} cannot get the image {image} ({reason}{_because(message, image)})",
                patience_s=HOPELESS_S if reason in _HOPELESS else PATIENCE_S,
                unpulled=True,
                elsewhere=reason == "RegistryUnavailable" or is_registry_down(message),
            )
        if reason in _START:
            text = f"{self._who(name)} cannot be started ({reason}{_because(message)})"
            return Trouble(container=name, sentence=text, patience_s=PATIENCE_S)
        return self._crash(name, container, looping=reason == _LOOP)

    def _who(self, container: str) -> str:
        """The pod and, where it has more than one, which of its containers."""
        spec = self.raw.get("spec") or {}
        first = [str(one.get("name")) for one in spec.get("initContainers") or ()]
        if not first and len(spec.get("containers") or ()) < 2:
            return self.name
        return f"{self.name} ({'init container' if container in first else 'container'} {container})"

    def _crash(self, name: str, container: Json, *, looping: bool) -> Trouble | None:
        ended = (container.get("state") or {}).get("terminated")
        crashes = int(container.get("restartCount") or 0) + 1
        # Once is no trouble yet, nor is one that runs again: it may well stay up when what it waits for is there.
        if not (looping or ended) or crashes < 2:
            return None
        last = ended or (container.get("lastState") or {}).get("terminated") or {}
        if last.get("reason") == "OOMKilled":
            how = f"was killed {crashes} times for using more memory than it may (OOMKilled)"
        else:
            how = f"ended {crashes} times, with exit code {last.get('exitCode', 'unknown')}"
        return Trouble(
            container=name,
            sentence=f"{self._who(name)} {how}",
            patience_s=0.0 if crashes > 2 and looping else LOOP_S,
            crashed=True,
        )

    def _condition(self, kind: str) -> Json:
        conditions = (self.raw.get("status") or {}).get("conditions") or ()
        return next((c for c in conditions if c.get("type") == kind), {})


def pods_of(raw: Iterable[Json]) -> tuple[Pod, ...]:
    """By name, so that the same pods always give the same sentences."""
    return tuple(sorted((Pod(one) for one in raw), key=lambda pod: pod.name))


def is_registry_down(message: str) -> bool:
    """Whether what the kubelet says of an image is about the way to its registry, and not about the image."""
    told = message.lower()
    return any(sign in told for sign in _NO_WAY) and not any(sign in told for sign in _NO_IMAGE)


def said(text: str) -> str:
    """Foreign text as it may be shown: one line, no secrets, not too long."""
    line = " ".join(redact(text).split())
    return line if len(line) <= SAID else f"{line[: SAID - 1]}…"


def _runs(container: Json) -> bool:
    return "running" in (container.get("state") or {})


def _ended(container: Json) -> bool:
    """Whether it has come to an end at least once."""
    return bool(container.get("restartCount")) or "terminated" in (container.get("state") or {})


def _because(message: str, image: str = "") -> str:
    """The kubelet repeats the image and itself; nothing is said where nothing is left."""
    text = said(message)
    if not text or (image and text.startswith(("Back-off pulling image", "Container image"))):
        return ""
    return f": {text.rstrip('.')}"
