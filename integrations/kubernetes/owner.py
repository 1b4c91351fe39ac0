"""Somebody else who looks after a workload, and the mark that kaeru leaves on what it has suspended of theirs.

The mark is an annotation on the suspended object itself: it survives a crash of the bot and the loss of its database,
and whoever looks at the object reads there who did that, when, and what to put back.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from bot.domain.base import Value
from bot.ports.errors import Conflict, OutcomeUnknown, Refused, Unavailable
from integrations.kubernetes.api import Api, Json

MARK = "kaeru.dev/suspended"
GIT = "Revert the change in Git instead."
RIGHTS = "Apply integrations/kubernetes/rbac/gitops.yaml to let it."
ATTEMPTS = 5


@dataclass(frozen=True)
class Owner:
    """Who else sets what a workload runs. The texts are sentences, or empty.

    `heals`: it undoes a rollback by itself, as things are. `token` names what is to be suspended first, for the plan's
    payload, and is the id of the debt that this makes; `action` is what people approve with it. `refusal` is why a
    rollback would be undone and kaeru cannot prevent it; then there is no token. `warning` is what to know.
    """

    kind: str
    namespace: str
    name: str
    heals: bool = False
    token: str = ""
    action: str = ""
    refusal: str = ""
    warning: str = ""


@dataclass(frozen=True)
class Unseen:
    """The id of a debt that there may be: its owner could not be looked at."""

    id: str


class Mark(Value):
    """What was suspended: by which step (`key`), when (UTC), for which workloads, and what has to be put back.

    `revision` and `spec` tell later whether what the owner wants has changed since, `reconciled` when the owner had
    looked last by then, in its own words: clocks differ.
    """

    key: str
    at: datetime
    workloads: tuple[str, ...]
    saved: Json | None = None
    revision: str = ""
    spec: str = ""
    reconciled: str = ""

    @property
    def text(self) -> str:
        return self.model_dump_json(exclude_defaults=True)


def read_mark(seen: Json) -> Mark | None:
    """Kaeru's mark on an object. Raises Refused where somebody has made it unreadable."""
    text = (seen["metadata"].get("annotations") or {}).get(MARK)
    if text is None:
        return None
    try:
        return Mark.model_validate_json(text)
    except ValidationError as error:
        metadata = seen["metadata"]
        raise Refused(
            f"The annotation {MARK} of {seen.get('kind')} {metadata.get('namespace')}/{metadata.get('name')} "
            "cannot be read any more.",
            remedy="Resume it by hand as it was, and take the annotation away.",
        ) from error


def marked(before: Mark | None, workload: str, key: str, **saved: Any) -> Mark:
    """A new mark; one that is there keeps what it has saved, and gets one workload more."""
    if before is None:
        return Mark(key=key, at=datetime.now(UTC).replace(microsecond=0), workloads=(workload,), **saved)
    others = tuple(name for name in before.workloads if name != workload)
    return before.model_copy(update={"workloads": (*others, workload)})


def put_mark(seen: Json, mark: Mark) -> list[Json]:
    """The JSON patch that leaves `mark`."""
    if not seen["metadata"].get("annotations"):
        return [{"op": "add", "path": "/metadata/annotations", "value": {MARK: mark.text}}]
    return [{"op": "add", "path": _mark_path(), "value": mark.text}]


def drop_mark() -> list[Json]:
    return [{"op": "remove", "path": _mark_path()}]


def _mark_path() -> str:
    return f"/metadata/annotations/{MARK.replace('~', '~0').replace('/', '~1')}"


async def edited(api: Api, path: str, operations: Callable[[Json], Sequence[Json]]) -> Json:
    """Read the object, change it by the operations that fit what was read, and look again where that did not fit.

    No operations: it is as it should be. Controllers write into their objects all the time, so a conflict is no news;
    an answer that was lost is looked for. Raises Conflict after some attempts, OutcomeUnknown where nobody knows.
    """
    unknown: OutcomeUnknown | None = None
    for _ in range(ATTEMPTS):
        try:
            seen = await api.get(path)
        except Unavailable as error:
            if unknown is not None:
                raise unknown from error
            raise
        wanted = operations(seen)
        if not wanted:
            return seen
        # This very state: whatever a late first attempt does, the second one cannot come on top of it.
        guard: Json = {
            "op": "test",
            "path": "/metadata/resourceVersion",
            "value": seen["metadata"]["resourceVersion"],
        }
        try:
            return await api.patch(path, [guard, *wanted])
        except Conflict:
            unknown = None
        except OutcomeUnknown as error:
            unknown = error
    if unknown is not None:
        raise unknown
    raise Conflict(f"{path.rsplit('/', 1)[-1]} is changed by others faster than kaeru can change it.")


def name_of(workload: Json) -> str:
    """`Deployment shop/web`."""
    metadata = workload["metadata"]
    return f"{workload.get('kind', 'Workload')} {metadata.get('namespace')}/{metadata.get('name')}"


def labels_of(seen: Json) -> Mapping[str, str]:
    return seen["metadata"].get("labels") or {}


def annotations_of(seen: Json) -> Mapping[str, str]:
    return seen["metadata"].get("annotations") or {}


def hash_of(spec: Json, *, without: str) -> str:
    """A short name of a spec, leaving out the one field that kaeru itself changes."""
    kept = {key: value for key, value in spec.items() if key != without}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]
