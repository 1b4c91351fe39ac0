"""The database migrations between two versions, and what the database itself has applied."""

from typing import Protocol

from bot.domain.base import Version
from bot.domain.migrations import AppliedList, Found


class Migrations(Protocol):
    """Read-only: migrations are read, never run. What cannot be found out is an answer, not an error."""

    async def between(self, older: Version, newer: Version) -> Found:
        """What `newer` has that `older` has not, and the other way round; `known=False` where that cannot be told."""
        ...

    async def applied(self) -> AppliedList:
        """The database's own list; `known=False`, with the reason, where it cannot be read."""
        ...
