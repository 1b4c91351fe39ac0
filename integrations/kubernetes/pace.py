"""How a workload replaces its pods: how many at once, in how many waves, and about how long that takes. Pure."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from integrations.kubernetes.quantity import share
from integrations.kubernetes.template import Json
from integrations.kubernetes.workload import Workload, moment

UNKNOWN_READY_S = 10.0
WAVE_OVERHEAD_S = 1.0
"""What the controllers, the scheduler and the kubelet take for each wave, on a cluster that is not busy."""
QUARTER = "25%"


@dataclass(frozen=True)
class Pace:
    """`surge` pods may exist in addition, `unavailable` may be missing; `waves` follow one another."""

    surge: int
    unavailable: int
    waves: int


def pace_of(workload: Workload, *, surge: str | int | None = None) -> Pace:
    """The workload's own pace, or that with another maxSurge."""
    count, rolling = workload.replicas, workload.strategy.get("rollingUpdate") or {}
    if workload.strategy_type != "RollingUpdate":
        return Pace(surge=0, unavailable=count, waves=1)
    if workload.kind == "statefulset":
        missing = max(share(rolling.get("maxUnavailable", 1), count, up=True), 1)
        return Pace(0, missing, math.ceil(max(count - workload.partition, 0) / missing))
    if workload.kind == "daemonset":
        extra = share(rolling.get("maxSurge", 0), count, up=True)
        missing = share(rolling.get("maxUnavailable", 1), count, up=True)
    else:
        wanted = surge if surge is not None else rolling.get("maxSurge", QUARTER)
        extra = share(wanted, count, up=True)
        missing = share(rolling.get("maxUnavailable", QUARTER), count, up=False)
        # The controller makes one pod unavailable where it could not do anything at all else.
        missing = missing or int(extra == 0)
    return Pace(extra, missing, math.ceil(count / max(extra + missing, 1)))


def expected_s(workload: Workload, pods: Sequence[Json], pace: Pace) -> float:
    """About how many seconds a rollout takes, by how long the ready pods took to become so."""
    ready = ready_s(pods)
    each = (UNKNOWN_READY_S if ready is None else ready) + int(workload.spec.get("minReadySeconds") or 0)
    return round(pace.waves * (each + WAVE_OVERHEAD_S) + WAVE_OVERHEAD_S, 1)


def ready_s(pods: Sequence[Json]) -> float | None:
    """The median of the seconds from a pod's making to its readiness; None where no pod tells.

    A pod that was restarted became ready for some other reason than its making.
    """
    took = []
    for pod in pods:
        status = pod.get("status") or {}
        if any(c.get("restartCount") for c in status.get("containerStatuses") or ()):
            continue
        ready: Json = next((c for c in status.get("conditions") or () if c["type"] == "Ready"), {})
        made, since = (
            moment(pod["metadata"].get("creationTimestamp")),
            moment(ready.get("lastTransitionTime")),
        )
        if ready.get("status") == "True" and made and since:
            took.append(max((since - made).total_seconds(), 0.0))
    return statistics.median(took) if took else None
