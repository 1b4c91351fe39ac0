"""What the tasks of a service say about a shape: how many run it, how many do not yet, which fail and why.

Decided from the tasks alone where possible: UpdateStatus is null for ever after an update that changed nothing,
and `rollback_completed` after one that returned to the bad version.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bot.domain.base import Version
from bot.domain.evidence import Outcome
from integrations.process import redact
from integrations.swarm.service import Json, moment, ref_of, replicas_of, update_state

STEADY = timedelta(seconds=0.5)
"""How long a task has to run before it counts as one that came up; one that ends at once "runs" for a moment too."""
STEADY_AFTER_FAILURE = timedelta(seconds=3)
"""The same where one of the shape has failed already since the update began."""
SKEW = timedelta(seconds=5)
"""A time that lies further ahead than this says nothing: the node's clock is wrong."""
FAILURES = 2
"""So many failed tasks in one place (slot, or node) since the update began make it one that fails."""

_BEFORE_RUNNING = frozenset(
    {"new", "allocated", "pending", "assigned", "accepted", "preparing", "ready", "starting"}
)
_FAILED = frozenset({"failed", "rejected"})
_ENDING = frozenset({"preparing", "starting", "running"})


@dataclass(frozen=True)
class Tally:
    """`wanted` and `running` count places (slots, or nodes of a global service), `old` tasks of other shapes.

    `stopping` ones are told to shut down: a node takes such a task out of the service's load balancing before it
    stops the container, so it gets no new connections, however long it takes to end.
    """

    wanted: int
    running: int
    starting: int
    old: Mapping[Version, int]
    stopping: int
    failures: int
    worst: int
    error: str = ""
    waiting: str = ""
    steady: bool = True
    lost: tuple[str, ...] = ()
    serving: Version | None = None
    _goal: Version = field(default="latest", repr=False)

    @property
    def complete(self) -> bool:
        return self.running >= self.wanted and not self.starting and not self.old

    @property
    def sentence(self) -> str:
        """Live counts: "2 of 3 running v1.2.9, 1 starting; 1 of v1.3.0 still running"."""
        parts = [f"{self.running} of {self.wanted} running {self._goal}"]
        if self.starting:
            parts.append(f"{self.starting} starting")
        parts += [f"{count} of {version} still running" for version, count in sorted(self.old.items())]
        if self.stopping:
            parts.append(f"{self.stopping} being stopped")
        text = ", ".join(parts)
        if self.error:
            text += f"; {self.failures} failed, the last with: {self.error}"
        if self.waiting:
            text += f"; waiting: {self.waiting}"
        if self.lost:
            text += f"; {_nodes(self.lost)} cannot be reached, its tasks are started elsewhere"
        return text


def tally(
    service: Mapping[str, Any],
    tasks: Sequence[Json],
    nodes: Sequence[Json],
    goal: str,
    *,
    name: Callable[[Mapping[str, Any]], Version],
    now: datetime,
) -> Tally:
    """Count the `tasks` of `service` against the shape with the ref `goal`; `name` gives a template's version."""
    down = _unreachable(tasks, nodes)
    since = _since(service)
    fresh = [task for task in tasks if ref_of(task["Spec"]) == goal]
    reachable = [task for task in tasks if task.get("NodeID") not in down]
    wanted_now = [task for task in reachable if task["DesiredState"] in ("running", "ready")]
    running = [task for task in wanted_now if _state(task) == "running"]
    ours = {id(task) for task in fresh}
    up = {_place(task): task for task in running if id(task) in ours}
    coming = {_place(t) for t in wanted_now if id(t) in ours and _state(t) in _BEFORE_RUNNING} - up.keys()
    old = [t for t in wanted_now if id(t) not in ours and _state(t) not in _FAILED and _alive(t)]
    stopping = [t for t in reachable if t["DesiredState"] in ("shutdown", "remove") and _state(t) in _ENDING]
    failed = [t for t in fresh if _state(t) in _FAILED and moment(t["CreatedAt"]) >= since]
    per_place = Counter(_place(task) for task in failed)
    last = max(failed, key=lambda task: str(task["Status"]["Timestamp"]), default=None)
    places = {_place(task) for task in wanted_now}
    replicas = replicas_of(service["Spec"])
    return Tally(
        wanted=len(places) if replicas is None else replicas,
        running=len(up),
        starting=len(coming),
        old=Counter(name(task["Spec"]) for task in old),
        stopping=len(stopping),
        failures=len(failed),
        worst=max(per_place.values(), default=0),
        error=_error(last) if last else "",
        waiting=next((_said(t) for t in wanted_now if _state(t) == "pending" and _said(t)), ""),
        steady=update_state(service) == "completed"
        or all(_steady(task, now, failed) for task in up.values()),
        lost=tuple(sorted({down[t["NodeID"]] for t in tasks if t.get("NodeID") in down and _alive(t)})),
        serving=_serving(running, {ref_of(t["Spec"]) for t in failed}, name),
        _goal=next((name(task["Spec"]) for task in fresh), name(service["Spec"]["TaskTemplate"])),
    )


def _unreachable(tasks: Sequence[Json], nodes: Sequence[Json]) -> dict[str, str]:
    """Nodes that are down or no longer part of the Swarm, by id: what is said of their tasks is out of date."""
    names = {
        str(node["ID"]): str((node.get("Description") or {}).get("Hostname") or node["ID"]) for node in nodes
    }
    up = {
        str(node["ID"])
        for node in nodes
        if (node.get("Status") or {}).get("State") not in ("down", "disconnected")
    }
    seen_on = {str(task["NodeID"]) for task in tasks if task.get("NodeID")}
    return {node: names.get(node, node[:12]) for node in seen_on - up}


def verdict(count: Tally, state: str) -> Outcome:
    """What a tally means while the daemon's updater says `state`, for a service that is set to the goal."""
    if count.complete and count.steady:  # also while the updater still watches what it started
        return Outcome.SUCCEEDED
    if count.worst >= FAILURES:
        return Outcome.FAILED
    if state.endswith("paused") and (count.old or count.running + count.starting < count.wanted):
        return Outcome.FAILED
    return Outcome.UNKNOWN


def is_to_blame(count: Tally, message: str = "") -> bool:
    """Whether a failure shows anything of the version itself; `message` is what the daemon's updater says.

    A task that no node has room for, or a node that is gone, does not; nor do old tasks that stay beside a full set
    of new ones.
    """
    if count.failures or "early termination" in message:
        return True
    return not (count.waiting or count.lost or count.running >= count.wanted)


def serving(
    service: Mapping[str, Any], tasks: Sequence[Json], name: Callable[[Any], Version]
) -> Version | None:
    """The one version that runs, None where none or several do."""
    since = _since(service)
    running = [t for t in tasks if t["DesiredState"] == "running" and _state(t) == "running"]
    failing = {ref_of(t["Spec"]) for t in tasks if _state(t) in _FAILED and moment(t["CreatedAt"]) >= since}
    return _serving(running, failing, name)


def _serving(
    running: Sequence[Json], failing: set[str], name: Callable[[Mapping[str, Any]], Version]
) -> Version | None:
    """A task that is about to fail again does not serve, where others do."""
    whole = {name(task["Spec"]) for task in running if ref_of(task["Spec"]) not in failing}
    return whole.pop() if len(whole) == 1 else None


def _since(service: Mapping[str, Any]) -> datetime:
    """When the present update began, by the managers' clock, which also dates the creation of tasks."""
    started = (service.get("UpdateStatus") or {}).get("StartedAt")
    return moment(str(started or service["UpdatedAt"]))


def _state(task: Json) -> str:
    return str(task["Status"]["State"])


def _alive(task: Json) -> bool:
    return _state(task) in _BEFORE_RUNNING or _state(task) == "running"


def _place(task: Json) -> str:
    """A slot of a replicated service, a node of a global one."""
    return str(task.get("Slot") or task.get("NodeID") or task["ID"])


def _steady(task: Json, now: datetime, failed: Sequence[Json]) -> bool:
    age = now - moment(task["Status"]["Timestamp"])
    return age >= (STEADY_AFTER_FAILURE if failed else STEADY) or age < -SKEW


def _error(task: Json) -> str:
    text = _said(task) or str(task["Status"].get("Message") or "no reason given")
    code = (task["Status"].get("ContainerStatus") or {}).get("ExitCode") or 0
    return text if not code or str(code) in text else f"{text} (exit code {code})"


def _said(task: Json) -> str:
    return redact(str(task["Status"].get("Err") or ""))[:200].rstrip(".")


def _nodes(names: Sequence[str]) -> str:
    return f"node {names[0]}" if len(names) == 1 else f"nodes {', '.join(names)}"
