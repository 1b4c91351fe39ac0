"""The one write: a whole service spec in which only the task template and, for the while, the pace are ours.

Everything else of the spec goes back as it was read (mode and replicas, other people's labels, ports), and the
daemon takes it only if the service's version is still the one that was read.
"""

import asyncio
import copy
import json
from collections.abc import Callable, Mapping
from typing import Any, Literal

from bot.ports.errors import Conflict, OutcomeUnknown, PortError
from integrations.swarm.access import Manager
from integrations.swarm.errors import Stale
from integrations.swarm.service import (
    UPDATE_CONFIG_BEFORE,
    UPDATE_CONFIG_DURING,
    WOKEN,
    Json,
    host_ports_of,
    is_marked,
    own_spec,
    ref_of,
    replicas_of,
    writes_files,
)

ATTEMPTS = 8
"""How often a write is made with a fresh version index: the daemon's own notes on an update count it up too."""
SENDS = 2
"""How often a write is sent whose answer is lost."""
LATE_S = 2.0
"""How long a write whose answer was lost is looked for before the same, guarded one is sent once more."""
LOOK_S = 0.25
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
    kept = {UPDATE_CONFIG_BEFORE: own.get("UpdateConfig"), UPDATE_CONFIG_DURING: spec["UpdateConfig"]}
    noted = {name: json.dumps(pace, sort_keys=True, separators=(",", ":")) for name, pace in kept.items()}
    spec["Labels"] = {**(own.get("Labels") or {}), **noted}
    return spec


async def write(
    manager: Manager, service: Json, template: Mapping[str, Any], *, order: Order, parallelism: int
) -> bool:
    """Set `template`; False where another attempt at the same was quicker.

    A write whose answer was lost is looked for, and sent again with the version index of the lost one: of the two
    the daemon takes one at most, however late the other arrives.
    Raises Conflict where somebody changed the tasks since `service` was read, OutcomeUnknown where it may or may not
    have happened, otherwise what `Manager` raises; nothing was changed then.
    """
    found, goal, identity = ref_of(service["Spec"]["TaskTemplate"]), ref_of(template), service["ID"]
    lost: OutcomeUnknown | None = None
    sends = 0
    for _ in range(ATTEMPTS):
        spec = changed_spec(service, template, order=order, parallelism=parallelism)
        try:
            await manager.update(identity, service["Version"]["Index"], spec)
        except Stale:
            now = await _again(manager, lost)
            service = now
        except OutcomeUnknown as error:
            lost, sends = error, sends + 1
            # `service` stays the one that was read before: its index is the guard.
            now = await _late(manager, goal, error)
        except PortError as error:
            if lost is not None:
                raise lost from error
            raise
        else:
            return True
        ref = ref_of(now["Spec"]["TaskTemplate"])
        if ref == goal and now["ID"] == identity:
            return lost is not None
        if ref != found or now["ID"] != identity:
            raise lost or Conflict(
                f"Somebody changed the service {manager.service_name} at the very moment of the rollback; "
                "nothing was overwritten.",
                remedy="Look at the fresh plan and approve that one.",
            )
        if lost is not None and sends >= SENDS:
            raise lost
    raise lost or Conflict(
        f"The service {manager.service_name} was changed {ATTEMPTS} times while kaeru wanted to change it.",
        remedy="Stop what keeps updating it, and look at the fresh plan.",
    )


async def _again(manager: Manager, lost: OutcomeUnknown | None) -> Json:
    try:
        return await manager.service()
    except PortError as error:
        # After a write that may have happened, "nothing was changed" would be a lie.
        if lost is not None:
            raise lost from error
        raise


async def _late(manager: Manager, goal: str, lost: OutcomeUnknown) -> Json:
    """The service after a write whose answer was lost; a little later where the write is not to be seen yet."""
    loop = asyncio.get_running_loop()
    until = loop.time() + LATE_S
    while True:
        service = await _again(manager, lost)
        if ref_of(service["Spec"]["TaskTemplate"]) == goal or loop.time() >= until:
            return service
        await asyncio.sleep(LOOK_S)


async def restore_pace(manager: Manager) -> None:
    """Give the service its own UpdateConfig back, if kaeru's is in place, and take kaeru's labels off. Restarts no task.

    An updater that is still at work begins anew with that pace, and is at its end at once where every slot has its
    one new task.
    Raises Unavailable, OutcomeUnknown or Conflict where it could not be done; it may be tried again.
    """
    await _rewrite(manager, lambda spec: own_spec(spec) if is_marked(spec) else None)


async def wake(manager: Manager) -> None:
    """Make the daemon's updater begin anew, by a label that is counted up. Restarts no task. Raises as `restore_pace`."""
    await _rewrite(manager, _counted_up)


def _counted_up(spec: Json) -> Json:
    labels = spec.get("Labels") or {}
    count = labels.get(WOKEN, "0")
    return {**spec, "Labels": {**labels, WOKEN: str(int(count) + 1 if count.isdecimal() else 1)}}


async def _rewrite(manager: Manager, edit: Callable[[Json], Json | None]) -> None:
    """Set what `edit` makes of the present spec, nothing where that is None; again where somebody was quicker."""
    lost: OutcomeUnknown | None = None
    for _ in range(ATTEMPTS):
        service = await _again(manager, lost)
        if (spec := edit(service["Spec"])) is None:
            return
        try:
            await manager.update(service["ID"], service["Version"]["Index"], spec)
        except Stale:
            continue  # looked at again
        except OutcomeUnknown as error:
            lost = error
            continue
        return
    raise lost or Conflict(
        f"The service {manager.service_name} is changed all the time; its UpdateConfig is still kaeru's."
    )
