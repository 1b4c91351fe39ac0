"""What a service is set to run, read from the daemon's own JSON. Pure functions; nothing is asked or changed."""

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from bot.ports.errors import Refused

Json = dict[str, Any]

UPDATE_CONFIG_BEFORE = "kaeru.dev/update-config-before"
"""The service label that holds the service's own UpdateConfig (JSON) while a rollback has a fast one in place."""
UPDATE_CONFIG_DURING = "kaeru.dev/update-config-during"
"""The service label that holds the fast UpdateConfig (JSON): one that is another by now was set by somebody else."""
WOKEN = "kaeru.dev/woken"
"""The service label that counts how often the daemon's updater was woken up during a rollback."""

_NOISE = frozenset({"ForceUpdate", "Runtime"})


def ref_of(template: Mapping[str, Any]) -> str:
    """12 hex digits that are the same for the same task template.

    ForceUpdate only counts restarts, and Runtime is left out of tasks by the daemon: neither makes a shape.
    """
    text = json.dumps(_lean(template, _NOISE), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def template_of(spec: Mapping[str, Any]) -> Json:
    """The task template of a service spec, without what only counts restarts."""
    template: Json = copy.deepcopy(dict(spec["TaskTemplate"]))
    template.pop("ForceUpdate", None)
    return template


def image_of(template: Mapping[str, Any]) -> str:
    """The image as the spec has it, or an empty text where the template has no container (a plugin)."""
    return str((template.get("ContainerSpec") or {}).get("Image") or "")


def short_image(image: str) -> str:
    """An image for people: a pinned digest is cut to 12 digits."""
    name, at, digest = image.partition("@")
    return f"{name}{at}{digest[:19]}"


def replicas_of(spec: Mapping[str, Any]) -> int | None:
    """How many tasks are wanted; None for a global service. Raises Refused for a job."""
    mode = spec.get("Mode") or {}
    if "Replicated" in mode:
        return int((mode["Replicated"] or {}).get("Replicas", 1))
    if "Global" in mode:
        return None
    raise Refused(
        f"{spec.get('Name')} is a job ({', '.join(mode)}): it runs once and has nothing to be rolled back to.",
        remedy="Name a replicated or global service in kaeru.yml.",
    )


def host_ports_of(service: Mapping[str, Any]) -> tuple[int, ...]:
    """Ports that a task takes on its node itself: no two tasks on a node can have one."""
    ports = (service["Spec"].get("EndpointSpec") or {}).get("Ports") or ()
    return tuple(int(port.get("PublishedPort") or 0) for port in ports if port.get("PublishMode") == "host")


def writes_files(template: Mapping[str, Any]) -> bool:
    """Whether tasks write into a volume or a folder that a second task on the node would write into as well."""
    mounts = (template.get("ContainerSpec") or {}).get("Mounts") or ()
    return any(
        mount.get("Type", "volume") in ("volume", "bind", "cluster")
        and mount.get("Source")
        and not mount.get("ReadOnly")
        for mount in mounts
    )


def references_of(template: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(`secret` | `config` | `network`, id, name) of everything that has to exist for this template."""
    container = template.get("ContainerSpec") or {}
    for kind in ("Secret", "Config"):
        for reference in container.get(f"{kind}s") or ():
            yield kind.lower(), str(reference[f"{kind}ID"]), str(reference.get(f"{kind}Name") or "")
    for network in template.get("Networks") or ():
        yield "network", str(network["Target"]), str(network["Target"])


def own_spec(spec: Mapping[str, Any]) -> Json:
    """The service spec as it is without kaeru's fast UpdateConfig and labels.

    An UpdateConfig that somebody has set over the fast one is the service's own by now.
    """
    own: Json = copy.deepcopy(dict(spec))
    labels = own.get("Labels") or {}
    labels.pop(WOKEN, None)
    saved, during = labels.pop(UPDATE_CONFIG_BEFORE, None), labels.pop(UPDATE_CONFIG_DURING, None)
    if saved is None or (during is not None and _set(own.get("UpdateConfig")) != _set(json.loads(during))):
        return own
    before = json.loads(saved)
    if before is None:
        own.pop("UpdateConfig", None)
    else:
        own["UpdateConfig"] = before
    return own


def owes_update_config(spec: Mapping[str, Any]) -> bool:
    """Whether kaeru's UpdateConfig is still in place."""
    return UPDATE_CONFIG_BEFORE in (spec.get("Labels") or {})


def is_marked(spec: Mapping[str, Any]) -> bool:
    """Whether anything of kaeru's is in place that goes with the end of a rollback."""
    labels = spec.get("Labels") or {}
    return UPDATE_CONFIG_BEFORE in labels or WOKEN in labels


def update_state(service: Mapping[str, Any]) -> str:
    """`updating`, `paused`, `completed`, `rollback_started`, … or empty where the daemon tracks none."""
    return str((service.get("UpdateStatus") or {}).get("State") or "")


def moment(text: str) -> datetime:
    """A time of the daemon's (nine decimals, Z) in UTC."""
    head, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{head}.{(fraction + '000000')[:6]}").replace(tzinfo=UTC)


def _set(config: Json | None) -> Json:
    """What an UpdateConfig says: a daemon may leave out what is 0."""
    return {key: value for key, value in (config or {}).items() if value}


def _lean(value: Any, without: frozenset[str] = frozenset()) -> Any:
    """Without what is left out or empty: whether an empty field is sent depends on the daemon's version."""
    if isinstance(value, Mapping):
        lean = {key: _lean(inner) for key, inner in value.items() if key not in without}
        return {key: inner for key, inner in lean.items() if inner not in (None, {}, [], "")}
    if isinstance(value, list):
        return [_lean(inner) for inner in value]
    return value
