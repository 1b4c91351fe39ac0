"""Looking at metrics and logs again and again while a service is watched, beside the probes."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from bot.domain.verdict import Row, Verdict
from bot.usecases.gathering import Evidence
from bot.usecases.stretches import Span

_OFTENEST = 4
"""What is known only after a delay is not asked more often than so many times within it."""


class Lookout:
    """`ill` are the rows that failed twice in a row, `reason` says so in a sentence; `rows` are those of the last look.

    A source that does not answer makes a look longer, and keeps nothing else waiting.
    """

    def __init__(
        self,
        evidence: Evidence,
        *,
        since: datetime,
        longest: timedelta,
        interval: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._evidence = evidence
        self._since = since
        self._longest = longest
        self._pause_s = max(interval, evidence.delay / _OFTENEST).total_seconds()
        self._clock = clock
        self._failed: dict[tuple[str, str], Row] = {}
        self._looked_at = since
        self.rows: tuple[Row, ...] = ()
        self.ill: tuple[Row, ...] = ()

    @property
    def reason(self) -> str:
        return "; ".join(f"{row.what}: {row.sentence}" for row in self.ill)

    def span(self, now: datetime) -> Span:
        """The time that counts: since the mitigation, or as long as a watch takes."""
        return Span(max(self._since, now - self._longest), now)

    async def run(self) -> None:
        """Look until somebody cancels this."""
        while self._evidence.is_watched:
            await self.look()
            await asyncio.sleep(self._pause_s)

    async def look(self) -> None:
        now = self._clock()
        self.notice(await self._evidence.watched(self.span(now)), now)

    def notice(self, rows: tuple[Row, ...], now: datetime) -> None:
        """What fails twice in a row is ill. An old burst of errors that is still counted is not a second time."""
        failing = {(row.source, row.what): row for row in rows if row.verdict is Verdict.FAIL}
        before, self._failed = self._failed, failing
        last_looked, self._looked_at = self._looked_at.timestamp(), now
        self.rows = rows
        self.ill = tuple(
            row
            for key, row in failing.items()
            if key in before and row.numbers.get("last_seen", last_looked) >= last_looked
        )
