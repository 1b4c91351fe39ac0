"""Backups of one database: taken, proven, listed, brought back."""

from collections.abc import AsyncGenerator
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bot.domain.base import Value
from bot.domain.plan import Check, Warn
from bot.domain.restores import RestorePlan


class Proof(StrEnum):
    """How far a backup has been proven: not at all, read to its end, or restored and its rows counted."""

    NONE = "none"
    READ = "read"
    RESTORED = "restored"


class Phase(StrEnum):
    PREPARING = "preparing"
    DUMPING = "dumping"
    READING = "reading"
    RESTORING = "restoring"
    SWITCHING = "switching"


class Backup(Value):
    """A finished backup. One that is not finished does not exist.

    `id` is its name at the destination, and comes from `key` alone; `database` is `Backups.identity`. `at` is
    when it was begun (UTC), `seconds` how long it took, `bytes` and `sha256` are of the file as stored.
    `tables` is how many there are, `rows` how many rows each had when it was taken; None: not counted.
    """

    id: str
    key: str
    database: str
    at: datetime
    bytes: int
    sha256: str
    seconds: float
    tool: str
    server: str
    proof: Proof = Proof.NONE
    proven_at: datetime | None = None
    tables: int | None = None
    rows: dict[str, int] | None = None
    warnings: tuple[Warn, ...] = ()
    place: str = ""


class BackupProgress(Value):
    """Where it stands. `expected_bytes` is what the last one of the same database had, None without one.

    `detail` is a phrase for people, such as who holds the lock that is waited for; often empty.
    """

    phase: Phase
    bytes: int = 0
    expected_bytes: int | None = None
    seconds: float = 0.0
    detail: str = ""


class BackupPlan(Value):
    """What taking one now would mean. Where a required check does not hold, it would be refused."""

    checks: tuple[Check, ...]
    warnings: tuple[Warn, ...] = ()
    expected_bytes: int | None = None
    expected_s: float | None = None


class Restored(Value):
    """A restore that has come to its end: `rows` of each table, as counted in `into`.

    `previous` is the name under which the replaced database is still there, or None; where it is the id of a
    backup taken of it before, `previous_backup` has it.
    """

    backup: str
    into: str
    rows: dict[str, int]
    seconds: float
    previous: str | None = None
    previous_backup: str | None = None
    warnings: tuple[Warn, ...] = ()


class Backups(Protocol):
    """The backups of one database at one destination.

    The generators give progress at least every 2 s and, as their last item, the result. One that is closed or
    cancelled ends what it has started and leaves nothing unfinished behind. All methods may raise Unavailable,
    Refused, AuthFailed; no message of theirs holds a password.
    """

    @property
    def identity(self) -> str:
        """Which database this is of: the same for all that back up the same one, without user and password."""
        ...

    @property
    def database(self) -> str:
        """Its own name on its server."""
        ...

    async def plan(self) -> BackupPlan:
        """Preflight: versions, lag, room, locks, and what to expect from the last one. Read-only."""
        ...

    def take(self, key: str) -> AsyncGenerator[BackupProgress | Backup, None]:
        """Take a backup and prove it as far as the settings say.

        `key` is the same on every retry of the same step, also in another process: a finished one is found and
        given back, what an earlier try left unfinished is removed. There are never two.
        Raises Refused where the dump is not to be trusted (empty, truncated, no room), Unavailable where the same
        call may succeed later (a lock, a lagging replica, a killed dump, DDL meanwhile, somebody else at it).
        """
        ...

    async def find(self, key: str) -> Backup | None:
        """The finished backup of this key."""
        ...

    async def list(self) -> tuple[Backup, ...]:
        """Every finished backup of this database, newest first."""
        ...

    async def elsewhere(self) -> tuple[str, ...]:
        """Where at the same destination backups of other databases lie, or of this one from before it moved."""
        ...

    def verify(self, backup: Backup, proof: Proof) -> AsyncGenerator[BackupProgress | Backup, None]:
        """Prove `backup` again, by reading it to its end or by a restore into a scratch database that is dropped.

        Raises Refused where it is not what was written, or what comes out is not what went in.
        """
        ...

    async def plan_restore(self, backup: Backup, into: str) -> RestorePlan:
        """What `restore` would do. `into` is the name of a database on the same server, the real one included."""
        ...

    def restore(self, plan: RestorePlan, key: str) -> AsyncGenerator[BackupProgress | Restored, None]:
        """Do what `plan` says. `key` as with `take`: what is done already is not done again.

        The real database is replaced only after the backup was restored beside it and its rows were counted.
        Raises Conflict where the world is no longer as `plan` found it, and OutcomeUnknown where replacing was begun and
        not finished: it names the backup of what was there before. After any other error nothing of `plan.into` was changed.
        """
        ...

    async def prune(self) -> tuple[str, ...]:
        """Remove what the retention does not keep, and what dead runs left unfinished. The ids that were removed.

        The newest proven one is always kept.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections. Nothing is called afterwards."""
        ...
