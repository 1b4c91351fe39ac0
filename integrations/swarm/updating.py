"""The one write: a whole service spec in which only the task template and, for the while, the pace are ours.

Everything else of the spec goes back as it was read (mode and replicas, other people's labels, ports), and the
daemon takes it only if the service's version is still the one that was read.
"""

import copy
import json
from collections.abc import Mapping
from typing import Any, Literal

from bot.ports.errors import Conflict, OutcomeUnknown
from integrations.swarm.access import Manager
from integrations.swarm.errors import Stale
from integrations.swarm.service import (
    UPDATE_CONFIG_BEFORE,
    Json,
    host_ports_of,
    owes_update_config,
    own_spec,
    ref_of,
    replicas_of,
    writes_files,
)

ATTEMPTS = 8
"""How often a write is made with a fresh version index: the daemon's own notes on an update count it up too."""
MONITOR_NS = 1_000_000_000

Order = Literal["start-first", "stop-first"]


def order_for(
    service: Mapping[str, Any], template: Mapping[str, Any], wish: Order | None
) -> tuple[Order, str]:
    """Whether new tasks start before the old ones stop, and in half a sentence why."""
    if ports := host_ports_of(service):
        return "stop-first", f"port {ports[0]} is a node's own, which two tasks cannot have at once"
    if wish is not None:
        return wish, "as kaeru.yml says"
    own = (own_spec(service["Spec"]).get("UpdateConfig") or {}).get("Order")
    if own != "start-first" and writes_files(template):
        return "stop-first", "its tasks write into a volume that should not have two of them at once"
    if (template.get("Placement") or {}).get("MaxReplicas"):
        return "stop-first", "a node may have no more of its tasks"
    return "start-first", "the old tasks stop when the new ones run"


def parallelism_for(service: Mapping[str, Any], order: Order, *, nodes: int) -> int:
    """How many tasks change at once; 0 is all. Where old tasks stop first, half, so that the rest goes on serving."""
    if order == "start-first":
        return 0
    replicas = replicas_of(service["Spec"])
    count = nodes if replicas is None else replicas
    return 0 if count < 2 else (count + 1) // 2


def changed_spec(
    service: Mapping[str, Any], template: Mapping[str, Any], *, order: Order, parallelism: int
) -> Json:
    """The spec to send: `template` instead of the present one, at a fast pace; the service's own pace in a label."""
    own = own_spec(service["Spec"])
    spec = copy.deepcopy(own)
    spec["TaskTemplate"] = copy.deepcopy(dict(template))
    spec["TaskTemplate"]["ForceUpdate"] = service["Spec"]["TaskTemplate"].get("ForceUpdate", 0)
    spec["UpdateConfig"] = {
        "Parallelism": parallelism,
        "FailureAction": "pause",
        "Monitor": MONITOR_NS,
        "MaxFailureRatio": 0,
        "Order": order,
    }
    before = json.dumps(own.get("UpdateConfig"), sort_keys=True, separators=(",", ":"))
    spec["Labels"] = {**(own.get("Labels") or {}), UPDATE_CONFIG_BEFORE: before}
    return spec


async def write(
    manager: Manager, service: Json, template: Mapping[str, Any], *, order: Order, parallelism: int
) -> bool:
    """Set `template`; False where another attempt at the same was quicker.

    Raises Conflict where somebody changed the tasks since `service` was read, OutcomeUnknown where the answer
    was lost.
    """
    found, goal = ref_of(service["Spec"]["TaskTemplate"]), ref_of(template)
    for _ in range(ATTEMPTS):
        spec = changed_spec(service, template, order=order, parallelism=parallelism)
        try:
            await manager.update(service["ID"], service["Version"]["Index"], spec)
        except Stale:
            identity, service = service["ID"], await manager.service()
            now = ref_of(service["Spec"]["TaskTemplate"])
            if now == goal:
                return False
            if now != found or service["ID"] != identity:
                raise Conflict(
                    f"Somebody changed the service {manager.service_name} at the very moment of the rollback; "
                    "nothing was overwritten.",
                    remedy="Look at the fresh plan and approve that one.",
                ) from None
        else:
            return True
    raise Conflict(
        f"The service {manager.service_name} was changed {ATTEMPTS} times while kaeru wanted to change it.",
        remedy="Stop what keeps updating it, and look at the fresh plan.",
    )


async def restore_pace(manager: Manager) -> None:
    """Give the service its own UpdateConfig back, if kaeru's is in place. Restarts no task.

    Raises Unavailable, OutcomeUnknown or Conflict where it could not be done; it may be tried again.
    """
    for _ in range(ATTEMPTS):
        service = await manager.service()
        if not owes_update_config(service["Spec"]):
            return
        try:
            await manager.update(service["ID"], service["Version"]["Index"], own_spec(service["Spec"]))
        except (Stale, OutcomeUnknown):
            continue  # looked at again
        return
    raise Conflict(
        f"The service {manager.service_name} is changed all the time; its UpdateConfig is still kaeru's."
    )
