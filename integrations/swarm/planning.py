"""What a rollback would do, what stands in its way, and how long it takes. Read-only."""

from collections import Counter
from collections.abc import Iterator, Sequence

from bot.domain.plan import Check, Level, Warn
from bot.ports.target import Change, TargetPlan
from integrations.swarm import diff
from integrations.swarm.access import Manager
from integrations.swarm.history import History, Known
from integrations.swarm.looking import Look
from integrations.swarm.payload import Payload, read
from integrations.swarm.service import (
    Json,
    image_of,
    ref_of,
    references_of,
    replicas_of,
    short_image,
    template_of,
)
from integrations.swarm.updating import Order, order_for, parallelism_for

UPDATE_S = 1.0
START_S = 1.5


async def planned(
    manager: Manager,
    change: Change,
    seen: Look,
    history: History,
    *,
    fingerprint: str,
    wish: Order | None,
    timeout_s: float,
) -> TargetPlan:
    """Raises what `Manager` raises. `timeout_s` is after how long it will be called a failure."""
    service, name = seen.service, seen.service["Spec"]["Name"]
    goal = history.find(change.to_ref, change.to_version)
    current = seen.current(history)
    checks = [
        Check(
            name="spec is known",
            ok=goal is not None,
            detail=goal.note if goal else f"nobody remembers how {name} ran as {change.to_version}",
        ),
        Check(
            name="nobody changed the service",
            ok=fingerprint == change.fingerprint,
            detail=f"{name} is set to {current}",
        ),
        _quorum(seen.nodes),
        _nodes(seen.nodes),
    ]
    warnings = list(_of_the_service(seen, history))
    if goal is None:
        return TargetPlan(
            actions=(f"Update {name} to {change.to_version} (now {current})",),
            warnings=tuple(warnings),
            checks=tuple(checks),
            expected_s=UPDATE_S,
        )
    checks.append(await _references(manager, goal))
    order, why = order_for(service, goal.template, wish)
    room = _room(goal, seen.nodes, await manager.tasks(desired="running")) if _reserves(goal) else None
    count = _count(service, seen.nodes)
    if room is not None:
        fits = room >= count
        detail = f"{room} more tasks fit beside what runs, {count} are needed"
        checks.append(
            Check(name="room on the nodes", ok=fits or order == "stop-first", detail=detail, required=False)
        )
        if not fits and order == "start-first" and wish is None:
            order, why = "stop-first", "the nodes have no room for the new tasks beside the old ones"
            checks[-1] = checks[-1].model_copy(
                update={"ok": True, "detail": f"{detail}: old ones stop first"}
            )
    parallelism = parallelism_for(service, order, nodes=count)
    warnings += _of_the_way(seen, goal, history, order=order, why=why)
    waves = 1 if parallelism == 0 else -(-count // parallelism)
    expected_s = UPDATE_S + waves * (START_S + _health_s(goal))
    warnings += _too_slow(expected_s, timeout_s)
    image = short_image(image_of(goal.template))
    pace = "all tasks at once" if parallelism == 0 else f"{parallelism} tasks at a time"
    return TargetPlan(
        actions=(
            f"Update {name} to the recorded spec of {change.to_version} (now {current}): {image}",
            f"Until {change.to_version} runs: {pace}, {order}; then {name} gets its own UpdateConfig back",
            f"Wait until every task of {name} runs {change.to_version} and none runs {current}",
        ),
        warnings=tuple(warnings),
        checks=tuple(checks),
        expected_s=expected_s,
        diff=diff.lines(service["Spec"]["TaskTemplate"], goal.template),
        payload=Payload(order=order, parallelism=parallelism).text,
    )


def pace_of(change: Change, seen: Look, goal: Known, wish: Order | None) -> tuple[Order, int]:
    """Order and parallelism: as they were planned, else (the way back) as they would be planned.

    Raises Conflict where what was planned cannot be read.
    """
    if change.payload:
        payload = read(change.payload)
        return payload.order, payload.parallelism
    order, _ = order_for(seen.service, goal.template, wish)
    return order, parallelism_for(seen.service, order, nodes=_count(seen.service, seen.nodes))


def _of_the_service(seen: Look, history: History) -> Iterator[Warn]:
    """`docker service ps` in sentences, and what is unusual."""
    yield Warn(level=Level.INFO, text=_summary(seen, history))
    if replicas_of(seen.service["Spec"]) == 0:
        yield Warn(level=Level.WARNING, text="The service is scaled to 0: no task will show whether it runs.")
    if down := [_hostname(node) for node in seen.nodes if not _is_ready(node)]:
        text = f"Out of service: {', '.join(sorted(down))}. Their tasks are started on other nodes."
        yield Warn(level=Level.WARNING, text=text)
    if seen.state.endswith("paused"):
        text = (
            f"The last update is paused ({seen.message or 'no reason given'}); the rollback takes its place."
        )
        yield Warn(level=Level.WARNING, text=text)
    elif seen.state in ("updating", "rollback_started"):
        yield Warn(
            level=Level.WARNING, text="An update is under way at this moment; the rollback takes its place."
        )


def _of_the_way(seen: Look, goal: Known, history: History, *, order: Order, why: str) -> Iterator[Warn]:
    service = seen.service
    name, target = service["Spec"]["Name"], history.name(goal.ref)
    if goal.last_at is None:
        text = (
            f"kaeru has no record of {target}; this is the daemon's own previous spec of {name}, the one that "
            "`docker service update --rollback` would take. Nobody saw it serve well."
        )
        yield Warn(level=Level.WARNING, text=text)
    yield _previous(service, goal, history)
    if order == "stop-first":
        yield Warn(level=Level.WARNING, text=f"Old tasks stop before new ones start: {why}.")
    else:
        text = (
            f"Where a new task of {target} cannot start, Swarm stops the old one in its place all the same."
        )
        yield Warn(level=Level.INFO, text=text)
    text = f"Whether {short_image(image_of(goal.template))} is on the nodes or can be pulled is known only once it starts."
    yield Warn(level=Level.INFO, text=text)


def _too_slow(expected_s: float, timeout_s: float) -> list[Warn]:
    """A warning where it may be called a failure, and put back, while it is still getting on."""
    if expected_s < timeout_s:
        return []
    text = f"This may take about {expected_s:.0f} s, and counts as failed after {timeout_s:.0f} s: raise `timeout` in kaeru.yml."
    return [Warn(level=Level.WARNING, text=text)]


def _previous(service: Json, goal: Known, history: History) -> Warn:
    """What the daemon's own rollback would do instead."""
    previous, own = service.get("PreviousSpec"), "`docker service update --rollback`"
    if not previous:
        return Warn(level=Level.INFO, text=f"{own} could not do this: the daemon has no previous spec.")
    ref = ref_of(template_of(previous))
    if ref == ref_of(service["Spec"]["TaskTemplate"]):
        text = f"{own} would change nothing: the daemon's previous spec is {history.name(ref)} as well."
    elif ref == goal.ref:
        text = f"{own} would lead to the same version, slower, and once more back again."
    else:
        text = f"{own} would lead to {history.name(ref)}, not to {history.name(goal.ref)}."
    return Warn(level=Level.INFO, text=text)


def _summary(seen: Look, history: History) -> str:
    nodes = {node["ID"]: _hostname(node) for node in seen.nodes}
    mode = "on every node" if replicas_of(seen.service["Spec"]) is None else "replicated"
    where: dict[tuple[str, str], Counter[str]] = {}
    for task in seen.tasks:
        if task["DesiredState"] in ("running", "ready"):
            key = (history.name_of(task["Spec"]), str(task["Status"]["State"]))
            where.setdefault(key, Counter())[nodes.get(str(task.get("NodeID")), "no node yet")] += 1
    parts = [
        f"{sum(on.values())} × {version} {state} ({', '.join(sorted(on))})"
        for (version, state), on in sorted(where.items())
    ]
    text = f"Tasks now, {mode}: {'; '.join(parts) or 'none'}."
    count = seen.count(history, seen.ref)
    return f"{text} {count.failures} failed, the last with: {count.error}." if count.failures else text


async def _references(manager: Manager, goal: Known) -> Check:
    wanted: dict[str, dict[str, str]] = {}
    for kind, ref, name in references_of(goal.template):
        wanted.setdefault(kind, {})[ref] = name
    gone, there = [], []
    for kind, ids in sorted(wanted.items()):
        existing = await manager.existing(kind, ids)
        there += [f"{kind} {name}" for ref, name in ids.items() if ref in existing]
        gone += [f"{kind} {name}" for ref, name in ids.items() if ref not in existing]
    detail = f"{', '.join(sorted(there))}" if there else "none is needed"
    if gone:
        detail = (
            f"gone since then: {', '.join(sorted(gone))} (one made anew under the same name is another one)"
        )
    return Check(name="secrets, configs and networks exist", ok=not gone, detail=detail)


def _quorum(nodes: Sequence[Json]) -> Check:
    managers = [node["ManagerStatus"] for node in nodes if node.get("ManagerStatus")]
    up = sum(manager.get("Reachability") == "reachable" for manager in managers)
    return Check(
        name="managers", ok=2 * up > len(managers), detail=f"{up} of {len(managers)} managers can be reached"
    )


def _nodes(nodes: Sequence[Json]) -> Check:
    open_ones = sum(_is_open(node) for node in nodes)
    return Check(name="nodes", ok=open_ones > 0, detail=f"{open_ones} of {len(nodes)} nodes take tasks")


def _is_ready(node: Json) -> bool:
    return bool((node.get("Status") or {}).get("State") == "ready")


def _is_open(node: Json) -> bool:
    return _is_ready(node) and (node.get("Spec") or {}).get("Availability") == "active"


def _hostname(node: Json) -> str:
    return str((node.get("Description") or {}).get("Hostname") or node["ID"][:12])


def _count(service: Json, nodes: Sequence[Json]) -> int:
    replicas = replicas_of(service["Spec"])
    return sum(_is_open(node) for node in nodes) if replicas is None else replicas


def _reserves(goal: Known) -> dict[str, int]:
    reservations = (goal.template.get("Resources") or {}).get("Reservations") or {}
    return {key: int(reservations[key]) for key in ("NanoCPUs", "MemoryBytes") if reservations.get(key)}


def _room(goal: Known, nodes: Sequence[Json], tasks: Sequence[Json]) -> int:
    """How many tasks of `goal` fit beside `tasks`, by what they reserve; placement rules are not looked at."""
    need, fits = _reserves(goal), 0
    for node in filter(_is_open, nodes):
        free = dict((node.get("Description") or {}).get("Resources") or {})
        for task in tasks:
            if task.get("NodeID") == node["ID"]:
                taken = (task["Spec"].get("Resources") or {}).get("Reservations") or {}
                for key in need:
                    free[key] = int(free.get(key) or 0) - int(taken.get(key) or 0)
        fits += max(0, min(int(free.get(key) or 0) // amount for key, amount in need.items()))
    return fits


def _health_s(goal: Known) -> float:
    """Until a healthcheck has said yes for the first time."""
    check = (goal.template.get("ContainerSpec") or {}).get("Healthcheck") or {}
    if not check or (check.get("Test") or [""])[0] == "NONE":
        return 0.0
    return float(check.get("Interval") or 30e9) / 1e9
