"""Whether the quotas of a namespace have room for the pods that a rollout needs for a time. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bot.domain.plan import Check, Level, Warn
from integrations.kubernetes.pace import Pace
from integrations.kubernetes.quantity import amount, demand
from integrations.kubernetes.template import Json, containers_of

CHECK = "quota has room"
_MUST_BE_SAID = frozenset(
    {f"{kind}.{name}" for kind in ("requests", "limits") for name in ("cpu", "memory")} | {"cpu", "memory"}
)


@dataclass(frozen=True)
class Room:
    """How many more pods there may be; None where no quota counts them. `why` is about the tightest."""

    pods: int | None
    why: str = ""


def room_for(template: Json, quotas: Iterable[Json], limit_ranges: Sequence[Json]) -> Room:
    """How many pods of `template` the quotas would admit now, beside all that there are."""
    each = demand(template, defaults_of(limit_ranges))
    tightest = Room(None)
    for quota in quotas:
        if not applies(quota, template, each):
            continue
        for name, hard, used in _counted(quota):
            need = each.get(name, Decimal(0))
            if not need:
                continue
            fit = max(int((hard - used) // need), 0)
            if tightest.pods is None or fit < tightest.pods:
                tightest = Room(fit, _tight(quota, name, need, fit))
    return tightest


def surge_check(room: Room, pace: Pace) -> Check:
    """Whether the rollout can go on at all. Not required: people may know of room that comes free."""
    if room.pods is None:
        return Check(
            name=CHECK, ok=True, detail="no quota counts what the rollout adds for a time", required=False
        )
    if pace.surge == 0 or room.pods >= pace.surge:
        return Check(name=CHECK, ok=True, detail=f"{room.why}; the rollout adds {pace.surge}", required=False)
    if room.pods or pace.unavailable:
        detail = f"{room.why}; the rollout would add {pace.surge}, so it is slower"
        return Check(name=CHECK, ok=True, detail=detail, required=False)
    detail = (
        f"{room.why}, but the rollout may not take a pod away before it has added one: it would stand still. "
        "Raise the quota, or set maxUnavailable to 1"
    )
    return Check(name=CHECK, ok=False, detail=detail, required=False)


def refused_pods(
    template: Json, quotas: Iterable[Json], limit_ranges: Sequence[Json], version: str
) -> list[Warn]:
    """Why pods of `template` would not be admitted at all."""
    each = demand(template, defaults_of(limit_ranges))
    said = []
    for quota in quotas:
        if not applies(quota, template, each):
            continue
        lacking = [name for name, _, _ in _counted(quota) if name in _MUST_BE_SAID and name not in each]
        if lacking:
            said.append(f"the ResourceQuota {quota['metadata']['name']} wants {', '.join(lacking)} to be set")
    said += _outside(template, limit_ranges)
    return [Warn(level=Level.DANGER, text=f"Pods of {version} would not be admitted: {why}.") for why in said]


def defaults_of(limit_ranges: Iterable[Json]) -> Mapping[str, Json]:
    """What containers get that say nothing: `default` limits and `defaultRequest`."""
    found: dict[str, Json] = {"default": {}, "defaultRequest": {}}
    for limit in _container_limits(limit_ranges):
        for kind, values in found.items():
            values.update(limit.get(kind) or {})
    return found


def applies(quota: Json, template: Json, each: Mapping[str, Decimal]) -> bool:
    """Whether a quota counts pods of `template`."""
    spec = quota.get("spec") or {}
    terms: list[Mapping[str, Any]] = [
        {"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or ()
    ]
    terms += (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
    return all(_in_scope(term, template.get("spec") or {}, each) for term in terms)


def _in_scope(term: Mapping[str, Any], spec: Json, each: Mapping[str, Decimal]) -> bool:
    best_effort = not any(name in each for name in _MUST_BE_SAID)
    bounded = spec.get("activeDeadlineSeconds") is not None
    match term["scopeName"]:
        case "BestEffort":
            return best_effort
        case "NotBestEffort":
            return not best_effort
        case "Terminating":
            return bounded
        case "NotTerminating":
            return not bounded
        case "PriorityClass":
            return _of_class(term, spec.get("priorityClassName"))
    return False  # a scope of another day; the API server itself is asked in the dry run


def _of_class(term: Mapping[str, Any], name: str | None) -> bool:
    values = term.get("values") or ()
    match term.get("operator"):
        case "In":
            return name in values
        case "NotIn":
            return name not in values
        case "DoesNotExist":
            return name is None
        case _:
            return name is not None


def _counted(quota: Json) -> list[tuple[str, Decimal, Decimal]]:
    """Name, hard limit and use of what a quota counts."""
    status = quota.get("status") or {}
    hard, used = status.get("hard") or (quota.get("spec") or {}).get("hard") or {}, status.get("used") or {}
    return [(name, amount(value), amount(used.get(name, 0))) for name, value in hard.items()]


def _tight(quota: Json, name: str, need: Decimal, fit: int) -> str:
    status = quota.get("status") or {}
    hard, used = (status.get("hard") or quota["spec"]["hard"])[name], (status.get("used") or {}).get(name, 0)
    pods = "1 pod" if fit == 1 else f"{fit} pods" if fit else "no pod"
    each = "" if name.endswith("pods") else f", a pod needs {plain(need)}"
    return f"ResourceQuota {quota['metadata']['name']} has room for {pods} more ({name}: {used} of {hard} used{each})"


def plain(number: Decimal) -> str:
    """`64Mi` for 67108864, `100m` for 0.1."""
    if number == number.to_integral_value():
        whole = int(number)
        for suffix, size in (("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10)):
            if whole and whole % size == 0:
                return f"{whole // size}{suffix}"
        return str(whole)
    return f"{(number * 1000).normalize():f}m"


def _container_limits(limit_ranges: Iterable[Json]) -> list[Json]:
    return [
        limit
        for one in limit_ranges
        for limit in (one.get("spec") or {}).get("limits") or ()
        if limit.get("type") == "Container"
    ]


def _outside(template: Json, limit_ranges: Sequence[Json]) -> list[str]:
    """Containers that ask for more, or less, than a LimitRange lets them."""
    said = []
    for limit in _container_limits(limit_ranges):
        for name, container in containers_of(template).items():
            resources = container.get("resources") or {}
            for what, most in (limit.get("max") or {}).items():
                asked = (resources.get("limits") or {}).get(what)
                if asked is not None and amount(asked) > amount(most):
                    said.append(f"{name} may use {asked} of {what}, and a LimitRange allows {most}")
            for what, least in (limit.get("min") or {}).items():
                asked = (resources.get("requests") or {}).get(what)
                if asked is not None and amount(asked) < amount(least):
                    said.append(f"{name} asks for {asked} of {what}, and a LimitRange wants {least}")
    return said
