"""Numbers that somebody else measures: error rates, latencies, what the business counts."""

from datetime import datetime, timedelta
from typing import Protocol

from bot.domain.series import Series


class Metrics(Protocol):
    """One metric of one service. All methods may raise Unavailable, Refused and AuthFailed.

    It judges nothing (`bot.domain.no_worse` does), and what it does not know is a gap: it is never made up.
    """

    @property
    def identity(self) -> str:
        """What this measures, the same for all that measure the same thing; without secrets."""
        ...

    @property
    def sample_every(self) -> timedelta | None:
        """How often `sample` has to be called for there to be a history; None where the source keeps its own."""
        ...

    @property
    def delay(self) -> timedelta:
        """How long after a moment its value is complete. What is asked for sooner is a gap at its end."""
        ...

    async def sample(self) -> None:
        """Look once and keep what is seen; does nothing where the source keeps its own history. Read-only.

        Where it raises, the value of that time stays a gap.
        """
        ...

    async def series(self, since: datetime, until: datetime) -> Series:
        """All whole steps of the clock between `since` and `until` (`bot.domain.series.grid`). Read-only.

        A step of which nothing is known, or no number, is None, also where nothing at all is known. Raises Refused
        where the question itself has no one answer, such as a query that gives several series.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections. Nothing is called afterwards."""
        ...
