"""The database migrations between two versions, and what the database itself has applied."""

from collections.abc import Mapping
from typing import Protocol

from bot.domain.base import Version
from bot.domain.migrations import AppliedState, Found


class Sources(Protocol):
    """Where the files of a version come from."""

    async def texts(self, version: Version, patterns: tuple[str, ...]) -> Mapping[str, str | None]:
        """Path to text for every file that matches; None for one that is no text or too large.

        `*` in a pattern also stands for slashes, and paths are matched from `/`. Raises Refused where the version is
        not known, Unavailable where it cannot be read just now.
        """
        ...


class Migrations(Protocol):
    """Read-only: migrations are read, never run. What cannot be found out is an answer, not an error."""

    async def between(self, older: Version, newer: Version) -> Found:
        """What `newer` has that `older` has not, and the other way round; `known=False` where that cannot be told."""
        ...

    async def applied(self, found: Found) -> AppliedState:
        """The database's own list beside both versions; `known=False`, with the reason, where it cannot be read."""
        ...
