"""What changes between two pod templates, in lines for people: names always, values only where they cannot be secret."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from integrations.kubernetes.template import (
    RESTARTED_AT,
    Json,
    containers_of,
    init_containers_of,
    plain_template,
)

LINES = 40
LONG = 60  # characters of a value that is shown

# Under these, anything may have been written down: what is shown is that they changed.
_PRIVATE = {"value", "httpHeaders", "command", "args", "annotations", "exec", "options", "volumeAttributes"}
_OF_CONTAINERS = ("name", "image", "env", "envFrom", "command", "args", "volumeMounts")
_OF_PODS = ("containers", "initContainers", "volumes")
_SOURCES = {"configMap": ("ConfigMap", "name"), "secret": ("Secret", "secretName")}


def diff_lines(before: Json, after: Json, *, limit: int = LINES) -> tuple[str, ...]:
    """What changes from one pod template to the other; images come first. Empty where they are of one shape."""
    before, after = plain_template(before), plain_template(after)
    lines = list(_containers(containers_of(before), containers_of(after), "container"))
    lines += _containers(init_containers_of(before), init_containers_of(after), "init container")
    lines.sort(key=lambda line: not line.startswith("image of "))
    spec_before, spec_after = before.get("spec") or {}, after.get("spec") or {}
    lines += _volumes(spec_before.get("volumes") or (), spec_after.get("volumes") or ())
    lines += _fields(_without(spec_before, _OF_PODS), _without(spec_after, _OF_PODS), "pod")
    lines += _metadata(before.get("metadata") or {}, after.get("metadata") or {})
    if len(lines) <= limit:
        return tuple(lines)
    return (*lines[: limit - 1], f"and {len(lines) - limit + 1} changes more")


def _containers(before: Mapping[str, Json], after: Mapping[str, Json], what: str) -> Iterator[str]:
    for name in dict.fromkeys((*before, *after)):
        if name not in after:
            yield f"{what} {name}: removed ({before[name].get('image', 'no image')})"
        elif name not in before:
            yield f"{what} {name}: added ({after[name].get('image', 'no image')})"
        else:
            yield from _container(before[name], after[name], name)


def _container(before: Json, after: Json, name: str) -> Iterator[str]:
    if before.get("image") != after.get("image"):
        yield f"image of {name}: {before.get('image')} → {after.get('image')}"
    yield from _said(f"env of {name}", _env(before), _env(after))
    yield from _said(f"envFrom of {name}", _env_from(before), _env_from(after))
    yield from _said(f"mounts of {name}", _mounts(before), _mounts(after))
    for field in ("command", "args"):
        yield from _words(f"{field} of {name}", before.get(field) or (), after.get(field) or ())
    yield from _fields(_without(before, _OF_CONTAINERS), _without(after, _OF_CONTAINERS), name)


def _said(what: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """One line that names what was added, removed and changed."""
    added = [key for key in after if key not in before]
    removed = [key for key in before if key not in after]
    changed = [key for key in after if key in before and before[key] != after[key]]
    parts = [
        f"{', '.join(names)} {verb}"
        for names, verb in ((added, "added"), (removed, "removed"), (changed, "changed"))
        if names
    ]
    if parts:
        yield f"{what}: {'; '.join(parts)}"


def _env(container: Json) -> Mapping[str, Any]:
    """The definitions by name; the last of a name is the one that counts."""
    return {str(entry["name"]): entry for entry in container.get("env") or ()}


def _env_from(container: Json) -> Mapping[str, Any]:
    named = {}
    for entry in container.get("envFrom") or ():
        kind = "ConfigMap" if "configMapRef" in entry else "Secret"
        source = entry.get("configMapRef") or entry.get("secretRef") or {}
        named[f"{kind} {source.get('name')}"] = entry
    return named


def _mounts(container: Json) -> Mapping[str, Any]:
    return {str(mount["mountPath"]): mount for mount in container.get("volumeMounts") or ()}


def _words(what: str, before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    """Options are named where they are recognized as such; their values, and other words, are not shown."""
    if list(before) == list(after):
        return
    options_before, options_after = _options(before), _options(after)
    named = list(_said(what, options_before, options_after))
    yield named[0] if named else f"{what}: changed ({len(before)} → {len(after)} words)"


def _options(words: Sequence[str]) -> Mapping[str, str]:
    found = {}
    for word in words:
        name, _, value = str(word).partition("=")
        if name.startswith("-") and len(name) <= LONG and not any(c.isspace() for c in name):
            found[name] = value
    return found


def _volumes(before: Sequence[Json], after: Sequence[Json]) -> Iterator[str]:
    old = {str(volume["name"]): volume for volume in before}
    new = {str(volume["name"]): volume for volume in after}
    for name in dict.fromkeys((*old, *new)):
        if name not in new:
            yield f"volume {name}: removed ({_source(old[name])})"
        elif name not in old:
            yield f"volume {name}: added ({_source(new[name])})"
        elif old[name] != new[name]:
            was, is_now = _source(old[name]), _source(new[name])
            yield f"volume {name}: {was} → {is_now}" if was != is_now else f"volume {name}: changed ({was})"


def _source(volume: Json) -> str:
    for field, value in volume.items():
        if field in _SOURCES and isinstance(value, Mapping):
            kind, name = _SOURCES[field]
            return f"{kind} {value.get(name)}"
        if field == "persistentVolumeClaim" and isinstance(value, Mapping):
            return f"claim {value.get('claimName')}"
    return next((field for field in volume if field != "name"), "nothing")


def _metadata(before: Json, after: Json) -> Iterator[str]:
    yield from _said("pod labels", before.get("labels") or {}, after.get("labels") or {})
    notes = [_without(m.get("annotations") or {}, (RESTARTED_AT,)) for m in (before, after)]
    yield from _said("pod annotations", *notes)


def _fields(before: Json, after: Json, what: str) -> Iterator[str]:
    """The remaining fields, each by its path: `limits.memory`, `readinessProbe.periodSeconds`."""
    old, new = dict(_leaves(before, "")), dict(_leaves(after, ""))
    for path in dict.fromkeys((*old, *new)):
        # 1 and true are equal, and not the same.
        if path in old and path in new and repr(old[path]) == repr(new[path]):
            continue
        # `resources: {}` beside `resources.limits.memory: 64Mi` says nothing that the latter does not.
        if _is_above(path, old, new) or _is_above(path, new, old):
            continue
        if _PRIVATE.intersection(path.replace("[", ".").split(".")):
            yield f"{what} {path}: changed"
        elif path not in new:
            yield f"{what} {path}: {_value(old[path])} removed"
        elif path not in old:
            yield f"{what} {path}: {_value(new[path])} added"
        else:
            yield f"{what} {path}: {_value(old[path])} → {_value(new[path])}"


def _is_above(path: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether `path` is empty in the one and filled in the other."""
    if path not in one or path in other or one[path] not in ({}, []):
        return False
    return any(below.startswith((f"{path}.", f"{path}[")) for below in other)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    name = path.rpartition(".")[2]
    if isinstance(value, Mapping) and value and name not in _PRIVATE:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value and name not in _PRIVATE:
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{index}]")
    elif path:
        yield path, value


def _value(value: Any) -> str:
    if isinstance(value, (Mapping, list)):
        return "{}" if isinstance(value, Mapping) else "[]"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= LONG else f"{text[: LONG - 1]}…"


def _without(value: Mapping[str, Any], names: Sequence[str]) -> Json:
    return {key: inner for key, inner in value.items() if key not in names}
