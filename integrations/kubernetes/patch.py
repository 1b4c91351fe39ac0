"""The one write of a rollback: a JSON patch that takes effect on exactly the object that was read, or not at all.

Guarded by `metadata.uid` and `metadata.generation`, not by `resourceVersion`: the status of a workload that is
ill changes all the time, its generation only with its spec. `spec.replicas` belongs to people and to the
autoscaler and is never written; annotations are added one by one, never replaced as a whole.
"""

import json
from typing import Any

from bot.domain.base import Version
from integrations.kubernetes.kind import Kind
from integrations.kubernetes.template import RESTARTED_AT, Json, plain_template

CHANGE_CAUSE = "kubernetes.io/change-cause"
STRATEGY_BEFORE = "kaeru.dev/strategy-before"
"""Holds `spec.strategy` as it was, and as it is for as long as a rollback has widened its surge (JSON)."""


def to_template(workload: Json, template: Json, *, cause: str, surge: str | None = None) -> list[Json]:
    """The operations that give `workload`, as it was just read, the pod template `template`.

    `cause` becomes its change-cause. `surge` ("3", "100%") is the maxSurge to use until the rollout has come to
    its end (Deployments with a rolling update only, else it is left aside); what was set before is kept in the
    annotation `STRATEGY_BEFORE` by the very same patch.
    """
    annotations = {CHANGE_CAUSE: cause}
    operations = [*_guards(workload), _operation("replace", "/spec/template", cleaned(template))]
    if surge is not None and can_surge(workload):
        strategy = workload["spec"]["strategy"]
        rolling = {
            **(strategy.get("rollingUpdate") or {}),
            "maxSurge": int(surge) if surge.isdecimal() else surge,
        }
        during = {**strategy, "rollingUpdate": rolling}
        # One that is kept already is of a rollback that never came to its end: what is set now is not the real one.
        kept = _kept(workload)
        before = kept["before"] if kept and kept["during"] == strategy else strategy
        annotations[STRATEGY_BEFORE] = _dumped({"before": before, "during": during})
        operations.append(_operation("add", "/spec/strategy/rollingUpdate", rolling))
    return operations + _annotate(workload, annotations)


def to_strategy_before(workload: Json) -> list[Json]:
    """The operations that give back the strategy that `to_template` has put aside; none where there is none.

    A strategy that somebody has changed since stays as it is.
    """
    note = _annotations(workload).get(STRATEGY_BEFORE)
    if note is None:
        return []
    metadata, path = workload["metadata"], f"/metadata/annotations/{_escaped(STRATEGY_BEFORE)}"
    operations = [_operation("test", "/metadata/uid", metadata["uid"]), _operation("test", path, note)]
    kept, strategy = _kept(workload), workload["spec"].get("strategy")
    if kept is not None and kept["during"] == strategy:
        # Not the generation: an autoscaler that scales meanwhile is no reason to keep the surge.
        operations.append(_operation("test", "/spec/strategy", strategy))
        operations.append(_operation("replace", "/spec/strategy", kept["before"]))
    return [*operations, {"op": "remove", "path": path}]


def is_widened(workload: Json) -> bool:
    """Whether a rollback has put a strategy aside that is not given back yet."""
    return STRATEGY_BEFORE in _annotations(workload)


def cause_of(version: Version, key: str) -> str:
    """What a rollback by kaeru calls itself in the workload's history."""
    return f"kaeru: back to {version} ({key})"


def is_by(workload: Json, key: str) -> bool:
    """Whether the last one who said why it was set to what it is was the rollback step `key`."""
    return bool(key) and f"({key})" in _annotations(workload).get(CHANGE_CAUSE, "")


def can_surge(workload: Json) -> bool:
    """Whether `workload` is one that rolls with a surge: a Deployment that is not recreated."""
    strategy = workload.get("spec", {}).get("strategy") or {}
    return workload.get("kind") == Kind.DEPLOYMENT.title and strategy.get("type") == "RollingUpdate"


def cleaned(template: Json) -> Json:
    """A copy of a pod template without what controllers and `rollout restart` have put into it."""
    clean = plain_template(template)
    annotations = clean["metadata"].get("annotations") or {}
    if RESTARTED_AT in annotations:
        kept = {name: text for name, text in annotations.items() if name != RESTARTED_AT}
        clean["metadata"] = {**clean["metadata"], "annotations": kept}
    return clean


def _guards(workload: Json) -> list[Json]:
    metadata = workload["metadata"]
    return [
        _operation("test", "/metadata/uid", metadata["uid"]),
        _operation("test", "/metadata/generation", metadata["generation"]),
    ]


def _annotate(workload: Json, annotations: dict[str, str]) -> list[Json]:
    if workload["metadata"].get("annotations") is None:
        # Annotations do not count for the generation: that there are none has to be tested for.
        absent = _operation("test", "/metadata/annotations", None)
        return [absent, _operation("add", "/metadata/annotations", annotations)]
    return [
        _operation("add", f"/metadata/annotations/{_escaped(name)}", text)
        for name, text in annotations.items()
    ]


def _annotations(workload: Json) -> Json:
    return workload["metadata"].get("annotations") or {}


def _kept(workload: Json) -> Json | None:
    """The strategies before and during a rollback; None where there are none, or somebody has written nonsense there."""
    try:
        kept = json.loads(_annotations(workload).get(STRATEGY_BEFORE, ""))
    except ValueError:
        return None
    parts = (kept.get("before"), kept.get("during")) if isinstance(kept, dict) else (None, None)
    return kept if all(isinstance(part, dict) for part in parts) else None


def _dumped(value: Json) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _operation(op: str, path: str, value: Any) -> Json:
    return {"op": op, "path": path, "value": value}


def _escaped(name: str) -> str:
    """A key as one step of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")
