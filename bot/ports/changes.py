"""What lies between two versions, as the source repository knows it."""

from datetime import datetime
from typing import Protocol

from bot.domain.base import Value, Version
from bot.domain.plan import Changes


class Tagged(Value):
    """A version tag and its time (UTC)."""

    version: Version
    at: datetime


class ChangeSource(Protocol):
    """Read-only. A version the repository does not know is an answer (`known=False`), not an error."""

    async def between(self, older: Version, newer: Version) -> Changes:
        """The commits and files that `newer` has beyond `older`. Lists hold at most 50 entries; counts are whole.

        `migrations` are paths that look like database migrations.
        """
        ...

    async def versions(self) -> tuple[Tagged, ...]:
        """Every version tag, newest version first (release candidates before their release)."""
        ...
