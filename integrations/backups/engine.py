"""What a kind of database has to offer, so that everything around it is written once."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from bot.domain.plan import Check, Warn
from bot.ports.backups import Backup
from integrations.backups.streams import Meter, Source

Write = Callable[[memoryview], object]


@dataclass(frozen=True)
class Survey:
    """The server as it is. `refusal` is why no backup can be taken now, if so: the error to raise.

    `bytes` is how large the database is on the server's disk, None where that is not known.
    """

    server: str
    tool: str
    checks: tuple[Check, ...] = ()
    warnings: tuple[Warn, ...] = ()
    refusal: Exception | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class Dumped:
    """What a dump came from. `at` is the moment whose data it holds (UTC). `state` is for `Engine.prove` alone."""

    at: datetime
    server: str
    tool: str
    tables: int
    rows: dict[str, int] | None = None
    warnings: tuple[Warn, ...] = field(default_factory=tuple)


class Engine(Protocol):
    """One kind of database. Raises the errors of `bot.ports.errors`."""

    identity: str
    database: str
    atomic: bool
    """Whether `switch` replaces a database in one step and keeps the old one. If not, a backup is taken of it before."""

    async def survey(self) -> Survey: ...

    async def dump(self, write: Write, meter: Meter, *, count: bool) -> Dumped:
        """Write a dump; with `count`, count the rows of every table in the same snapshot."""
        ...

    async def read(self, source: Source, backup: Backup) -> None:
        """Read a dump to its end. Raises Refused where it is not whole."""
        ...

    def scratch(self, source: Source, name: str) -> AbstractAsyncContextManager[dict[str, int]]:
        """Restore into a database of that name, which is dropped afterwards; how many rows each table has."""
        ...

    async def drop_scratch(self, name: str) -> None:
        """Drop what a run that was killed in `scratch` has left, if anything."""
        ...

    async def plan_restore(self, backup: Backup, into: str) -> "Restore":
        """What is there now, and what restoring over it would mean."""
        ...

    async def restore(self, source: Source, into: str, mark: str, meter: Meter) -> dict[str, int]:
        """Restore beside what is there, for `switch`. Rows of every table. Again with the same `mark`: from the start."""
        ...

    async def switch(self, into: str, mark: str, source: Source) -> None:
        """Make what `restore` made be `into`; one that is not atomic loads `source` once more."""
        ...

    async def begun(self, into: str, mark: str) -> bool:
        """Whether `switch` was left half done."""
        ...

    async def restored(self, into: str, mark: str) -> bool:
        """Whether `switch` has come to its end already."""
        ...

    async def discard(self, into: str, mark: str) -> None:
        """Remove what `restore` made and `switch` did not use."""
        ...

    async def previous(self, into: str, mark: str) -> str | None:
        """The name that what `switch` replaced has, if it is still there."""
        ...

    async def rows(self, database: str) -> dict[str, int]:
        """How many rows each table has."""
        ...


@dataclass(frozen=True)
class Restore:
    """`fingerprint` is of what is there now. `exists`: something would be replaced."""

    exists: bool
    fingerprint: str
    actions: tuple[str, ...]
    warnings: tuple[Warn, ...] = ()
    checks: tuple[Check, ...] = ()
