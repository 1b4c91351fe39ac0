"""What differs between two task templates, in lines for people: names, never values that may be secret."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from integrations.swarm.service import image_of, short_image

Json = Mapping[str, Any]

_LIMIT = 40
_SECRET_PARTS = frozenset(
    {"Env", "Labels", "Image", "Secrets", "Configs", "Mounts", "Healthcheck", "Command", "Args"}
)


def lines(before: Json, after: Json) -> tuple[str, ...]:
    """One line per difference, at most 40."""
    found = list(_lines(before, after))
    if len(found) > _LIMIT:
        found = [*found[: _LIMIT - 1], f"and {len(found) - _LIMIT + 1} more"]
    return tuple(found)


def _lines(before: Json, after: Json) -> Iterator[str]:
    old, new = before.get("ContainerSpec") or {}, after.get("ContainerSpec") or {}
    if (was := image_of(before)) != (becomes := image_of(after)):
        yield f"image: {short_image(was)} → {short_image(becomes)}"
    yield from _names("env", _variables(old), _variables(new))
    yield from _names("container label", old.get("Labels") or {}, new.get("Labels") or {})
    for kind in ("Secret", "Config"):
        yield from _references(kind, old, new)
    yield from _names("mount", _mounts(old), _mounts(new))
    for part in ("Command", "Args"):
        if (old.get(part) or None) != (new.get(part) or None):
            # An argument may be a password.
            yield f"{part.lower()}: changed ({len(old.get(part) or ())} → {len(new.get(part) or ())} words)"
    yield from _health(old.get("Healthcheck") or {}, new.get("Healthcheck") or {})
    yield from _resources(before.get("Resources") or {}, after.get("Resources") or {})
    names = sorted(
        {key for key in {*old, *new} - _SECRET_PARTS if _differ(old.get(key), new.get(key))}
        | {
            key
            for key in {*before, *after} - {"ContainerSpec", "Resources", "ForceUpdate", "Runtime"}
            if _differ(before.get(key), after.get(key))
        }
    )
    for name in names:
        yield f"{name}: changed"


def _differ(one: Any, other: Any) -> bool:
    return (one or None) != (other or None)


def _names(what: str, old: Json, new: Json) -> Iterator[str]:
    """Names that came, went, or changed their value."""
    for name in sorted({*old, *new}):
        if name not in new:
            yield f"{what}: − {name}"
        elif name not in old:
            yield f"{what}: + {name}"
        elif old[name] != new[name]:
            yield f"{what}: {name} changed"


def _variables(container: Json) -> dict[str, str]:
    pairs = (entry.partition("=") for entry in container.get("Env") or ())
    return {name: value for name, _, value in pairs}


def _references(kind: str, old: Json, new: Json) -> Iterator[str]:
    """Secrets and configs by the file they appear as, and by their own name."""
    was = {_file(entry, kind): entry for entry in old.get(f"{kind}s") or ()}
    becomes = {_file(entry, kind): entry for entry in new.get(f"{kind}s") or ()}
    what = kind.lower()
    for file in sorted({*was, *becomes}):
        name = (was.get(file) or {}).get(f"{kind}Name")
        other = (becomes.get(file) or {}).get(f"{kind}Name")
        if file not in becomes:
            yield f"{what}: − {name} ({file})"
        elif file not in was:
            yield f"{what}: + {other} ({file})"
        elif name != other:
            yield f"{what} {file}: {name} → {other}"
        elif was[file] != becomes[file]:
            yield f"{what} {file}: {name} made anew or with other rights"


def _file(entry: Json, kind: str) -> str:
    return str((entry.get("File") or {}).get("Name") or entry.get(f"{kind}Name"))


def _mounts(container: Json) -> dict[str, str]:
    return {
        str(mount.get("Target")): json.dumps(mount, sort_keys=True) for mount in container.get("Mounts") or ()
    }


def _health(old: Json, new: Json) -> Iterator[str]:
    changed = sorted(key for key in {*old, *new} if _differ(old.get(key), new.get(key)))
    if not old and new:
        yield "healthcheck: added"
    elif old and not new:
        yield "healthcheck: removed (the image's own applies)"
    elif changed:
        yield f"healthcheck: {', '.join(key.lower() for key in changed)} changed"


def _resources(old: Json, new: Json) -> Iterator[str]:
    for part, what in (("Limits", "limit"), ("Reservations", "reservation")):
        was, becomes = old.get(part) or {}, new.get(part) or {}
        for key in sorted({*was, *becomes}):
            if _differ(was.get(key), becomes.get(key)):
                yield f"{what} {key}: {amount(key, was.get(key))} → {amount(key, becomes.get(key))}"


def amount(key: str, value: Any) -> str:
    """A quantity with its unit; `none` for what is not set."""
    if not value:
        return "none"
    if key == "NanoCPUs":
        return f"{int(value) / 1e9:g} CPU"
    if key == "MemoryBytes":
        return f"{int(value) / 2**20:g} MiB"
    return str(value) if isinstance(value, int) else "set"
