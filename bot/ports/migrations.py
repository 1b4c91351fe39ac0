"""The database migrations between two versions, and what the database itself has applied."""

from collections.abc import AsyncGenerator, Mapping
from typing import Protocol

from bot.domain.base import Version
from bot.domain.databases import Sideways
from bot.domain.migrations import AppliedState, Found
from bot.domain.plan import Check
from bot.ports.target import Observation


class Sources(Protocol):
    """Where the files of a version come from."""

    async def texts(self, version: Version, patterns: tuple[str, ...]) -> Mapping[str, str | None]:
        """Path to text for every file that matches; None for one that is no text or too large.

        `*` in a pattern also stands for slashes, and paths are matched from `/`. Raises Refused where the version is
        not known, Unavailable where it cannot be read just now.
        """
        ...


class Migrations(Protocol):
    """The migrations of one database. Nothing that is read is executed; only `run_down` changes anything.

    Of `between` and `applied`, what cannot be found out is an answer, not an error.
    """

    async def between(self, older: Version, newer: Version) -> Found:
        """What `newer` has that `older` has not, and the other way round; `known=False` where that cannot be told."""
        ...

    async def applied(self, found: Found) -> AppliedState:
        """The database's own list beside both versions; `known=False`, with the reason, where it cannot be read."""
        ...

    async def plan_down(
        self, found: Found, applied: AppliedState, older: Version, newer: Version
    ) -> Sideways:
        """What running the applied ones of `found` backwards would do. Read-only.

        Raises Refused, with what to configure, where it cannot be done here.
        """
        ...

    async def checks(self, version: Version) -> tuple[Check, ...]:
        """What would be in the way while `version` is set to run: its files, the list, the way down.

        Changes nothing: of the program that runs migrations backwards only a call is tried that does no more than look.
        """
        ...

    def run_down(self, planned: Sideways, key: str) -> AsyncGenerator[Observation, None]:
        """Run them backwards, and tell how it goes, at least every 5 s; the last observation is how it ended.

        `key` is the same on every retry of the same step, also in another process: what runs already is taken up,
        what has ended is judged, and nothing is run twice. It has succeeded where the program says so and the
        database's own list has none of them any more; where the list cannot be read the outcome is unknown.
        Raises Conflict where the list is not what was planned with, Refused or Unavailable; nothing was run then.
        """
        ...
