"""Amounts as Kubernetes writes them: `250m`, `1Gi`, `2e3`."""

import math
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal

from integrations.kubernetes.template import Json

_QUANTITY = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([numkMGTPE]|[KMGTPE]i)?")
_SUFFIXES: Mapping[str, Decimal] = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}


def amount(text: object) -> Decimal:
    """The number that it means. Raises ValueError for what is no quantity."""
    found = _QUANTITY.fullmatch(str(text).strip())
    if found is None:
        raise ValueError(f"{text!r} is no quantity of Kubernetes, such as 250m or 1Gi")
    return Decimal(found[1]) * _SUFFIXES[found[2] or ""]


def share(value: object, whole: int, *, up: bool) -> int:
    """A number of pods from `3` or `"25%"` of `whole`, rounded up as a surge is, or down as what may be unavailable."""
    text = str(value).strip()
    if not text.endswith("%"):
        return int(text)
    part = Decimal(text[:-1]) * whole / 100
    return math.ceil(part) if up else math.floor(part)


def demand(template: Json, defaults: Mapping[str, Json]) -> dict[str, Decimal]:
    """What one pod counts for in a ResourceQuota: `requests.cpu`, `limits.memory`, `pods`.

    `defaults` are those of a LimitRange: what containers get that say nothing. Of init containers, which run
    before and one by one, the biggest counts where it is bigger than the others together.
    """
    spec = template.get("spec") or {}
    total = _sum(_one(c, defaults) for c in spec.get("containers") or ())
    for container in spec.get("initContainers") or ():
        for name, wanted in _one(container, defaults).items():
            total[name] = max(total.get(name, Decimal(0)), wanted)
    for name, wanted in (spec.get("overhead") or {}).items():
        for kind in ("requests", "limits"):
            key = f"{kind}.{name}"
            if kind == "requests" or key in total:
                total[key] = total.get(key, Decimal(0)) + amount(wanted)
    for name in ("cpu", "memory", "ephemeral-storage"):
        if f"requests.{name}" in total:
            total[name] = total[f"requests.{name}"]  # a quota may use the short name
    return {**total, "pods": Decimal(1), "count/pods": Decimal(1)}


def _one(container: Json, defaults: Mapping[str, Json]) -> dict[str, Decimal]:
    resources = container.get("resources") or {}
    limits = {**(defaults.get("default") or {}), **(resources.get("limits") or {})}
    # Who sets a limit and no request asks for the limit.
    requests = {
        **(defaults.get("defaultRequest") or {}),
        **(resources.get("limits") or {}),
        **(resources.get("requests") or {}),
    }
    return {
        **{f"requests.{name}": amount(value) for name, value in requests.items()},
        **{f"limits.{name}": amount(value) for name, value in limits.items()},
    }


def _sum(parts: Iterable[Mapping[str, Decimal]]) -> dict[str, Decimal]:
    total: dict[str, Decimal] = {}
    for part in parts:
        for name, wanted in part.items():
            total[name] = total.get(name, Decimal(0)) + wanted
    return total
