"""The one write of a rollback: a JSON patch that takes effect on exactly the object that was read, or not at all.

Guarded by `metadata.uid` and `metadata.generation`, not by `resourceVersion`: the status of a workload that is
ill changes all the time, its generation only with its spec. `spec.replicas` belongs to people and to the
autoscaler and is never written; annotations are added one by one, never replaced as a whole.
"""

import copy
import json
from typing import Any

from bot.domain.base import Version

Json = dict[str, Any]

CHANGE_CAUSE = "kubernetes.io/change-cause"
STRATEGY_BEFORE = "kaeru.dev/strategy-before"
"""Holds `spec.strategy` (JSON) as it was, for as long as a rollback has widened its surge."""

POD_TEMPLATE_HASH = "pod-template-hash"
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


def to_template(workload: Json, template: Json, *, cause: str, surge: str | int | None = None) -> list[Json]:
    """The operations that give `workload`, as it was just read, the pod template `template`.

    `cause` becomes its change-cause. `surge` is the maxSurge to use until the rollout has come to its end
    (Deployments with a rolling update only, else it is left aside); what was set before is kept in the
    annotation `STRATEGY_BEFORE` by the very same patch.
    """
    annotations = {CHANGE_CAUSE: cause}
    operations = [*_guards(workload), _operation("replace", "/spec/template", cleaned(template))]
    if surge is not None and can_surge(workload):
        strategy = workload["spec"]["strategy"]
        # One that is kept already is of a rollback that never came to its end: the strategy now is not the real one.
        if STRATEGY_BEFORE not in _annotations(workload):
            annotations[STRATEGY_BEFORE] = json.dumps(strategy, sort_keys=True, separators=(",", ":"))
        rolling = {**(strategy.get("rollingUpdate") or {}), "maxSurge": surge}
        operations.append(_operation("add", "/spec/strategy/rollingUpdate", rolling))
    return operations + _annotate(workload, annotations)


def to_strategy_before(workload: Json) -> list[Json]:
    """The operations that give back the strategy that `to_template` has put aside; none where there is none.

    Raises ValueError where somebody has written something else into the annotation.
    """
    saved = _annotations(workload).get(STRATEGY_BEFORE)
    if saved is None:
        return []
    strategy = json.loads(saved)
    if not isinstance(strategy, dict):
        raise ValueError(f"{STRATEGY_BEFORE} does not hold a strategy")  # noqa: TRY004 - what is wrong is the text
    note = f"/metadata/annotations/{_escaped(STRATEGY_BEFORE)}"
    return [
        _operation("test", "/metadata/uid", workload["metadata"]["uid"]),
        _operation("test", note, saved),
        # Not the generation: an autoscaler that scales meanwhile is no reason to keep the surge.
        _operation("test", "/spec/strategy", workload["spec"].get("strategy")),
        _operation("replace", "/spec/strategy", strategy),
        _operation("remove", note, None),
    ]


def cause_of(version: Version, key: str) -> str:
    """What a rollback by kaeru calls itself in the workload's history."""
    return f"kaeru: back to {version} ({key})"


def can_surge(workload: Json) -> bool:
    """Whether `workload` is one that rolls with a surge: a Deployment that is not recreated."""
    strategy = workload.get("spec", {}).get("strategy") or {}
    return workload.get("kind") == "Deployment" and strategy.get("type") == "RollingUpdate"


def cleaned(template: Json) -> Json:
    """A copy of a pod template without what controllers and `rollout restart` have put into it."""
    clean = copy.deepcopy(template)
    metadata = clean.get("metadata") or {}
    for field, name in (("labels", POD_TEMPLATE_HASH), ("annotations", RESTARTED_AT)):
        entries = metadata.get(field)
        if entries is not None:
            entries.pop(name, None)
            if not entries:
                del metadata[field]
    return clean


def _guards(workload: Json) -> list[Json]:
    metadata = workload["metadata"]
    return [
        _operation("test", "/metadata/uid", metadata["uid"]),
        _operation("test", "/metadata/generation", metadata["generation"]),
    ]


def _annotate(workload: Json, annotations: dict[str, str]) -> list[Json]:
    if not _annotations(workload):
        return [_operation("add", "/metadata/annotations", annotations)]
    return [
        _operation("add", f"/metadata/annotations/{_escaped(name)}", text)
        for name, text in annotations.items()
    ]


def _annotations(workload: Json) -> Json:
    return workload["metadata"].get("annotations") or {}


def _operation(op: str, path: str, value: Any) -> Json:
    return {"op": op, "path": path} if op == "remove" else {"op": op, "path": path, "value": value}


def _escaped(name: str) -> str:
    """A key as one step of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")
