"""What a pod template says: its shape, its containers, its images, the version that they make. Pure."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
HASH_LABELS = ("pod-template-hash", "controller-revision-hash", "pod-template-generation")


def shape_ref(template: Mapping[str, Any]) -> str:
    """16 hex digits that name this very pod template.

    The same for templates that differ only in what Kubernetes adds to them (hash labels, nulls) or in when
    they were restarted.
    """
    plain = plain_template(template)
    metadata = plain.get("metadata") or {}
    annotations = dict(metadata.get("annotations") or {})
    annotations.pop(RESTARTED_AT, None)
    canonical = {
        "labels": metadata.get("labels") or {},
        "annotations": annotations,
        "spec": plain.get("spec") or {},
    }
    return short_hash(canonical, 16)


def plain_template(template: Mapping[str, Any]) -> Json:
    """The template as it can be put into a workload: without what Kubernetes adds to it, without nulls."""
    plain: Json = _without_nulls(template)
    plain.pop("$patch", None)
    metadata = dict(plain.get("metadata") or {})
    labels = {k: v for k, v in (metadata.get("labels") or {}).items() if k not in HASH_LABELS}
    if "labels" in metadata:
        metadata["labels"] = labels
    return {**plain, "metadata": metadata}


def containers_of(template: Mapping[str, Any]) -> Mapping[str, Json]:
    """The containers by their names."""
    return {c["name"]: c for c in (template.get("spec") or {}).get("containers") or ()}


def init_containers_of(template: Mapping[str, Any]) -> Mapping[str, Json]:
    """The init containers by their names."""
    return {c["name"]: c for c in (template.get("spec") or {}).get("initContainers") or ()}


def images_of(template: Mapping[str, Any]) -> Mapping[str, str]:
    """Image by container name, init containers as well."""
    both = {**init_containers_of(template), **containers_of(template)}
    return {name: str(c.get("image") or "") for name, c in both.items()}


def chosen_container(template: Mapping[str, Any], *, name: str, container: str | None = None) -> Json:
    """The container that names the version: `container`, else the one named like the workload, else the first.

    Raises LookupError where the template has no container of the name that was asked for.
    """
    there = containers_of(template)
    if container is not None:
        if container not in there:
            raise LookupError(f"there is no container {container}; there are: {', '.join(there) or 'none'}")
        return there[container]
    if not there:
        raise LookupError("the pod template has no containers")
    return there.get(name) or next(iter(there.values()))


def image_of(template: Mapping[str, Any], *, name: str, container: str | None = None) -> str:
    """The image that names the version. Raises LookupError as `chosen_container` does."""
    return str(chosen_container(template, name=name, container=container).get("image") or "")


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(v) for v in value]
    return value


def short_hash(value: Any, digits: int) -> str:
    """`digits` hex digits that name this JSON value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:digits]
