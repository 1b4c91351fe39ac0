"""The backup of a database that is taken because of an incident: under way, there, or not to be had."""

from datetime import datetime, timedelta
from enum import StrEnum

from bot.domain.base import UserId, Value
from bot.domain.plan import Level, Warn

FRESH = timedelta(hours=1)
"""A rollback that waits does not make do with a backup that was older than this when it was approved."""

_PROVEN = {
    "none": "not proven",
    "read": "read to its end",
    "restored": "restored and counted",
}


class Taken(Value):
    """A finished backup, as far as people decide by it.

    `at` is when it was begun (UTC), `seconds` how long it took, `bytes` and `sha256` are of the file as stored.
    `proof` is none, read or restored; `place` is where a person finds it.
    """

    id: str
    at: datetime
    bytes: int
    sha256: str
    seconds: float
    proof: str
    warnings: tuple[Warn, ...] = ()
    place: str = ""

    @property
    def dangers(self) -> tuple[str, ...]:
        """Why nobody should rely on it without having looked."""
        return tuple(warning.text for warning in self.warnings if warning.level is Level.DANGER)

    @property
    def proven(self) -> str:
        """How it was proven, in words."""
        return _PROVEN.get(self.proof, self.proof)


class BackupState(StrEnum):
    UNDER_WAY = "under way"
    TAKEN = "taken"
    FAILED = "failed"


class BackupRecord(Value):
    """The newest try of one database. `number` counts them within the incident, from 1.

    `reason` says why it failed, in a sentence with what to do next. `accepted_by` relies on it in spite of its
    dangers; `skipped_by` has decided that the rollback does not wait for one.
    """

    database: str
    number: int
    asked_by: UserId
    begun_at: datetime
    state: BackupState = BackupState.UNDER_WAY
    ended_at: datetime | None = None
    taken: Taken | None = None
    reason: str = ""
    accepted_by: UserId | None = None
    skipped_by: UserId | None = None

    @property
    def doubtful(self) -> bool:
        """Whether it is there, and somebody has to say that it may be relied on."""
        return self.taken is not None and bool(self.taken.dangers) and self.accepted_by is None

    def too_old(self, at: datetime) -> bool:
        """Whether what it holds was old already at that moment."""
        return self.taken is not None and at - self.taken.at > FRESH


class Drill(Value):
    """What a drill found: whether the newest backup of a database was restored and counted. `text` is in sentences."""

    service: str
    database: str
    at: datetime
    passed: bool
    text: str
    backup: str = ""
    taken_at: datetime | None = None
