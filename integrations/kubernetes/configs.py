"""The ConfigMaps and Secrets that a pod template refers to: what they hold now, by key, and never the values.

They are not part of a revision: a rollback of the workload leaves them as they are.
"""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bot.domain.plan import Level, Warn
from bot.ports.errors import PortError
from integrations.kubernetes.errors import Missing
from integrations.kubernetes.template import Json

if TYPE_CHECKING:  # the client takes seconds to import, and nothing here needs it
    from integrations.kubernetes.api import Api

FRESH_S = 20.0
HASH_DIGITS = 8
OBJECT = ""
"""Under this key is what tells one object from another of the same name."""

Hashes = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Reference:
    """A ConfigMap or Secret that a template refers to. `keys` are the ones it names; `needed` those it cannot do without."""

    kind: str
    name: str
    needed: frozenset[str] = frozenset()
    optional: bool = True

    @property
    def title(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Held:
    """What was found: hashes by title and key, titles of what is not there, and why others could not be read."""

    hashes: Hashes = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    unread: Mapping[str, str] = field(default_factory=dict)


class Configs:
    """Reads them, at most every `FRESH_S` where the template stays the same."""

    def __init__(self, api: "Api", namespace: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._namespace = namespace
        self._clock = clock
        self._last: tuple[frozenset[str], float, Held] | None = None

    async def held(self, template: Json) -> Held:
        """What `template` refers to, as it may have been up to `FRESH_S` ago."""
        found = references(template)
        titles = frozenset(found)
        if self._last and self._last[0] == titles and self._clock() - self._last[1] < FRESH_S:
            return self._last[2]
        held = await self.read(template)
        self._last = (titles, self._clock(), held)
        return held

    async def read(self, template: Json) -> Held:
        """What `template` refers to, as it is now. Raises nothing: what cannot be read is in `Held.unread`."""
        wanted = list(references(template).values())
        read = await asyncio.gather(*(self._one(reference) for reference in wanted))
        hashes = {r.title: got for r, got in zip(wanted, read, strict=True) if isinstance(got, dict)}
        missing = frozenset(r.title for r, got in zip(wanted, read, strict=True) if got is None)
        unread = {r.title: got for r, got in zip(wanted, read, strict=True) if isinstance(got, str)}
        return Held(hashes=hashes, missing=missing, unread=unread)

    async def _one(self, reference: Reference) -> dict[str, str] | str | None:
        plural = "configmaps" if reference.kind == "ConfigMap" else "secrets"
        try:
            found = await self._api.get(f"/api/v1/namespaces/{self._namespace}/{plural}/{reference.name}")
        except Missing:
            return None
        except PortError as error:
            return error.advice
        return hashed(reference.title, found)


def hashed(title: str, found: Json) -> dict[str, str]:
    """A short hash of each value, by key.

    The object's uid goes in: it is random and stays in the cluster, so that nobody can try out values on what
    kaeru keeps.
    """
    secret = str(found["metadata"]["uid"]).encode()
    values = {**(found.get("binaryData") or {}), **(found.get("data") or {}), OBJECT: ""}
    return {
        key: hmac.new(secret, f"{title}\0{key}\0{value}".encode(), hashlib.sha256).hexdigest()[:HASH_DIGITS]
        for key, value in sorted(values.items())
    }


def references(template: Json) -> Mapping[str, Reference]:
    """What the pods of `template` read their configuration from, by title."""
    found: dict[str, Reference] = {}
    for one in _references(template.get("spec") or {}):
        known = found.get(one.title)
        found[one.title] = (
            Reference(one.kind, one.name, known.needed | one.needed, known.optional and one.optional)
            if known
            else one
        )
    return dict(sorted(found.items()))


def _references(spec: Json) -> Iterator[Reference]:
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        yield from _from_container(container)
    for volume in spec.get("volumes") or ():
        for source in (volume, *((volume.get("projected") or {}).get("sources") or ())):
            if "configMap" in source:
                yield _from_volume("ConfigMap", source["configMap"], "name")
            if "secret" in source:
                # A volume of its own says `secretName`, one of several sources says `name`.
                name = "secretName" if "secretName" in source["secret"] else "name"
                yield _from_volume("Secret", source["secret"], name)


def _from_container(container: Json) -> Iterator[Reference]:
    for entry in container.get("envFrom") or ():
        for name, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            if name in entry:
                yield _reference(kind, entry[name])
    for entry in container.get("env") or ():
        source = entry.get("valueFrom") or {}
        for name, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
            if name in source:
                yield _reference(kind, source[name], [source[name]["key"]])


def _reference(kind: str, source: Json, keys: list[str] | None = None) -> Reference:
    optional = bool(source.get("optional"))
    needed = frozenset() if optional else frozenset(keys or ())
    return Reference(kind, str(source.get("name")), needed, optional)


def _from_volume(kind: str, source: Json, name: str) -> Reference:
    keys = [str(item["key"]) for item in source.get("items") or ()]
    return _reference(kind, {**source, "name": source.get(name)}, keys)


def compared(template: Json, then: Hashes, now: Held, version: str) -> tuple[list[str], list[Warn]]:
    """Lines and warnings for what `template` refers to: `then` is from when it was current, `now` as it is."""
    lines: list[str] = []
    warnings: list[Warn] = []
    unknown: list[str] = []
    unread: dict[str, list[str]] = {}
    for title, reference in references(template).items():
        if title in now.unread:
            unread.setdefault(now.unread[title], []).append(title)
        elif title in now.missing:
            if not reference.optional:
                text = f"{version} needs {title}, which does not exist: its pods will not start."
                warnings.append(Warn(level=Level.DANGER, text=text))
        else:
            if lacking := sorted(reference.needed - set(now.hashes[title])):
                text = f"{version} needs {', '.join(lacking)} in {title}, which it does not hold: its pods will not start."
                warnings.append(Warn(level=Level.DANGER, text=text))
            if title not in then:
                unknown.append(f"{title} ({_keys(now.hashes[title])})")
                continue
            if changed := changes(then[title], now.hashes[title]):
                text = f"{title} is not rolled back. Since {version} last ran, {changed}."
                warnings.append(Warn(level=Level.WARNING, text=text))
            else:
                lines.append(f"{title}: unchanged since {version} last ran; not rolled back")
    if unknown:
        text = (
            f"Not rolled back, and kaeru did not see how they were when {version} ran: {'; '.join(unknown)}."
        )
        warnings.append(Warn(level=Level.INFO, text=text))
    for why, titles in unread.items():
        text = f"Whether {', '.join(titles)} changed since {version} ran is not known. {why}"
        warnings.append(Warn(level=Level.INFO, text=text))
    return lines, warnings


def changes(then: Mapping[str, str], now: Mapping[str, str]) -> str:
    """The keys that differ, in words; empty where none do."""
    if then.get(OBJECT) != now.get(OBJECT):
        return "it was made anew, and whether its values are the same is not known"
    named = (
        ([key for key in now if key not in then], "added"),
        ([key for key in then if key not in now], "removed"),
        ([key for key in now if key in then and now[key] != then[key]], "changed"),
    )
    return "; ".join(f"{', '.join(keys)} {_was(keys)} {verb}" for keys, verb in named if keys)


def _was(keys: list[str]) -> str:
    return "was" if len(keys) == 1 else "were"


def _keys(hashes: Mapping[str, Any]) -> str:
    keys = [key for key in hashes if key != OBJECT]
    return f"keys {', '.join(keys)}" if keys else "no keys"
