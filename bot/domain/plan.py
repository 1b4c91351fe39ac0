"""What will be done, shown before it is done, and the digest that approvals are bound to."""

import hashlib
import json
from datetime import datetime
from enum import StrEnum

from bot.domain.afterwards import CachePart, TrafficPart
from bot.domain.base import UserId, Value, Version
from bot.domain.databases import DatabasePart
from bot.domain.evidence import Baseline
from bot.domain.glance import Glance
from bot.domain.releases import Release
from bot.domain.ways_back import Way

_HINTS = {
    "backup": {"expected_bytes", "expected_s"},
    "down": {"expected_s"},
    "restore": {"expected_s"},
}
"""What is said of a database and nobody vouches for."""


class Commit(Value):
    sha: str
    author: str
    at: datetime
    subject: str


class FileChange(Value):
    """`added` and `deleted` are lines; None for a binary file."""

    path: str
    added: int | None
    deleted: int | None


class Changes(Value):
    """What lies between two versions: what a rollback takes away again.

    `known` is False where it could not be found out; `note` then says why in a sentence.
    Lists may be cut; the counts never are.
    """

    known: bool
    note: str = ""
    commits: tuple[Commit, ...] = ()
    files: tuple[FileChange, ...] = ()
    commit_count: int = 0
    file_count: int = 0
    migrations: tuple[str, ...] = ()


class Level(StrEnum):
    INFO = "info"
    WARNING = "warning"
    DANGER = "danger"


class Warn(Value):
    level: Level
    text: str


class Check(Value):
    """One preflight check: what was looked at, whether it holds, and the observed detail.

    Where a `required` one does not hold, the plan cannot be approved. One that an ill service alone may cause to
    fail is not required: that is when a rollback is needed most.
    """

    name: str
    ok: bool
    detail: str
    required: bool = True


class ComponentChange(Value):
    """One component's way back.

    `fingerprint` is the adapter's opaque summary of the world it was planned against; `actions` are the
    sentences shown as "what will be done", `diff` the lines shown as what changes; `expected_s` is seconds.
    Lower tiers go back first, components of one tier at once. The refs and the payload are the adapter's own.
    """

    component: str
    kind: str
    from_version: Version
    to_version: Version
    fingerprint: str
    actions: tuple[str, ...]
    expected_s: float
    tier: int = 0
    from_ref: str = ""
    to_ref: str = ""
    payload: str = ""
    diff: tuple[str, ...] = ()


class Plan(Value):
    """A complete plan. `number` counts within its incident, from 1."""

    number: int
    service: str
    from_version: Version
    to_version: Version
    why: str
    components: tuple[ComponentChange, ...]
    changes: Changes
    warnings: tuple[Warn, ...]
    checks: tuple[Check, ...]
    baseline: Baseline
    candidates: tuple[Release, ...]
    created_at: datetime
    proof_s: float = 0.0
    databases: tuple[DatabasePart, ...] = ()
    traffic: TrafficPart | None = None
    caches: tuple[CachePart, ...] = ()
    evidence: tuple[Glance, ...] = ()

    @property
    def digest(self) -> str:
        """16 hex digits over everything an approval vouches for: what goes from where to where, and how."""
        vouched = [c.model_dump(mode="json", exclude={"expected_s"}) for c in self.components]
        everything: list[object] = [self.service, self.number, vouched]
        if self.databases:
            everything.append([d.model_dump(mode="json", exclude=_HINTS) for d in self.databases])
        around = (self.traffic, *self.caches)
        if said := [part.model_dump(mode="json") for part in around if part is not None]:
            everything.append(said)
        text = json.dumps(everything, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def deciders(self) -> tuple[UserId, ...]:
        """Whoever chose what is done to a database: somebody else has to agree."""
        return tuple(dict.fromkeys(part.chosen_by for part in self.databases if part.chosen_by is not None))

    @property
    def expected_s(self) -> float:
        """Seconds until it is proven that users are well: tier after tier, and then the proof."""
        on_data = sum(
            max((done.expected_s for done in kind if done is not None), default=0.0)
            for kind in (
                [part.down for part in self.databases if part.way is Way.DOWN_MIGRATION],
                [part.restore for part in self.databases if part.way is Way.RESTORE_BACKUP],
            )
        )
        return on_data + sum(max(c.expected_s for c in tier) for tier in self.tiers) + self.proof_s

    @property
    def tiers(self) -> tuple[tuple[ComponentChange, ...], ...]:
        """The components that go back at once, in the order in which they do."""
        ranks = sorted({c.tier for c in self.components})
        return tuple(tuple(c for c in self.components if c.tier == rank) for rank in ranks)

    @property
    def fingerprint(self) -> str:
        """The world this plan was made against."""
        return "|".join(f"{c.component}={c.fingerprint}" for c in self.components)
