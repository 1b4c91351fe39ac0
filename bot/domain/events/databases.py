"""Backups, and what is brought back of them."""

from typing import Literal

from bot.domain.backups import Taken
from bot.domain.events.base import Happened
from bot.domain.evidence import Outcome
from bot.domain.restores import RestorePlan, Shelved


class BackupBegun(Happened):
    """A backup of a database is under way from here on, for whoever asked. `number` counts its tries from 1."""

    type: Literal["backup_begun"] = "backup_begun"
    database: str
    number: int


class BackupFinished(Happened):
    """It is there, and was proven as far as `backup` says."""

    type: Literal["backup_finished"] = "backup_finished"
    database: str
    number: int
    backup: Taken


class BackupFailed(Happened):
    """There is none; `reason` is a sentence with what to do next."""

    type: Literal["backup_failed"] = "backup_failed"
    database: str
    number: int
    reason: str


class BackupAccepted(Happened):
    """Somebody relies on it in spite of the dangers that it has."""

    type: Literal["backup_accepted"] = "backup_accepted"
    database: str
    number: int


class BackupSkipped(Happened):
    """Somebody decided that the rollback does not wait for it."""

    type: Literal["backup_skipped"] = "backup_skipped"
    database: str
    number: int


class RestoreAsked(Happened):
    """Somebody wants a backup brought back; the fields are as in `Restore`. Its plan is made from here on."""

    type: Literal["restore_asked"] = "restore_asked"
    number: int
    database: str
    backup: str = ""
    into: str = ""
    replace: bool = False


class RestorePlanned(Happened):
    """What the restore would do. `taken` is the backup that it brings back, `others` could be taken instead."""

    type: Literal["restore_planned"] = "restore_planned"
    number: int
    plan: RestorePlan
    taken: Shelved | None = None
    others: tuple[Shelved, ...] = ()


class RestoreBlocked(Happened):
    """It cannot be planned; `reason` is a sentence with what to do next."""

    type: Literal["restore_blocked"] = "restore_blocked"
    number: int
    reason: str


class RestoreApproved(Happened):
    type: Literal["restore_approved"] = "restore_approved"
    number: int
    digest: str


class RestoreRejected(Happened):
    """Set aside; so is one that another wish takes the place of."""

    type: Literal["restore_rejected"] = "restore_rejected"
    number: int
    reason: str = ""


class RestoreBegun(Happened):
    """Enough people have agreed; it is under way from here on."""

    type: Literal["restore_begun"] = "restore_begun"
    number: int


class RestoreEnded(Happened):
    """`detail` says what is there now, in sentences."""

    type: Literal["restore_ended"] = "restore_ended"
    number: int
    outcome: Outcome
    detail: str


RestoreEvent = (
    RestoreAsked
    | RestorePlanned
    | RestoreBlocked
    | RestoreApproved
    | RestoreRejected
    | RestoreBegun
    | RestoreEnded
)
"""Whatever happens to a restore."""
