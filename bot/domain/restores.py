"""Bringing a backup back: what is planned, who agreed to it, and what came of it."""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from bot.domain.base import UserId, Value
from bot.domain.evidence import Outcome
from bot.domain.plan import Check, Warn

PERSONS = 2
"""How many different people have to agree. No policy changes that, and no glass can be broken."""


class RestorePlan(Value):
    """What restoring would do. Making it changes nothing.

    `actions` are the sentences that an approval is for. `replaces` says that a database that is there now would be
    replaced, `at_once` that nobody ever sees a part of it; `lost_since` is the moment after which what was written to it would be gone. `fingerprint` changes
    whenever this plan would no longer hold.
    """

    backup: str
    into: str
    replaces: bool
    actions: tuple[str, ...]
    fingerprint: str
    lost_since: datetime | None = None
    warnings: tuple[Warn, ...] = ()
    checks: tuple[Check, ...] = ()
    expected_s: float | None = None
    at_once: bool = True


class Shelved(Value):
    """A backup that is there, as far as people choose by it. `bytes` as stored; `proof` is none, read or restored.

    `dangers` are what is said against it: nobody should rely on it without having looked.
    """

    id: str
    at: datetime
    bytes: int
    proof: str
    dangers: tuple[str, ...] = ()

    @property
    def fit(self) -> bool:
        """Whether it is chosen unasked."""
        return self.proof != "none" and not self.dangers


class RestoreState(StrEnum):
    PLANNING = "planning"
    READY = "ready"
    BLOCKED = "blocked"
    REJECTED = "rejected"
    RUNNING = "running"
    ENDED = "ended"


class Restore(Value):
    """One restore within an incident, from the wish to its end. `number` counts within the incident, from 1.

    `backup` "" is the newest proven one. `into` names another database on the same server, "" a new one beside it; with
    `replace` it is the database itself. `taken` is the backup of the plan, `others` are backups that could be taken instead. `outcome` is None until
    it has ended; `detail` says what came of it, or why there is no plan.
    """

    number: int
    database: str
    backup: str
    asked_by: UserId
    asked_at: datetime
    into: str = ""
    replace: bool = False
    state: RestoreState = RestoreState.PLANNING
    plan: RestorePlan | None = None
    ready_at: datetime | None = None
    taken: Shelved | None = None
    others: tuple[Shelved, ...] = ()
    approvals: tuple[UserId, ...] = ()
    outcome: Outcome | None = None
    detail: str = ""

    @property
    def digest(self) -> str:
        """16 hex digits over everything an approval vouches for; empty while there is no plan."""
        if self.plan is None:
            return ""
        vouched = self.plan.model_dump(mode="json", include=_VOUCHED)
        text = json.dumps([self.database, self.number, vouched], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def where(self) -> str:
        """The database that it goes into, as far as that is known."""
        if self.plan is not None:
            return self.plan.into
        return self.into or (self.database if self.replace else "a new database beside it")

    @property
    def replaces(self) -> bool:
        """Whether a database that is there is, or would be, replaced."""
        return self.plan is not None and self.plan.replaces

    @property
    def failed_checks(self) -> tuple[Check, ...]:
        """Without which it cannot work."""
        return () if self.plan is None else tuple(c for c in self.plan.checks if c.required and not c.ok)


_VOUCHED = {"backup", "into", "replaces", "actions", "fingerprint", "lost_since"}


def chosen(backups: Sequence[Shelved], wanted: str, *, before: datetime | None = None) -> Shelved | None:
    """The backup that is meant by `wanted`; of "" the newest proven one against which nothing is said.

    With `before`, the newest such one from before then. None where there is none.
    """
    if wanted:
        return next((one for one in backups if one.id == wanted), None)
    newest = sorted(backups, key=lambda one: one.at, reverse=True)
    fit = (one for one in newest if one.fit and (before is None or one.at < before))
    return next(fit, None)
