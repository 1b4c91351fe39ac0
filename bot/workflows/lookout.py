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
    """`pause` is the time between two looks. `ill` are the rows that failed twice in a row, `reason` says so in a sentence; `rows` are those of the last look.

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
        self.pause = max(interval, evidence.delay / _OFTENEST)
        self._clock = clock
        self._failed: dict[tuple[str, str], Row] = {}
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
            await asyncio.sleep(self.pause.total_seconds())

    async def look(self) -> None:
        now = self._clock()
        self.notice(await self._evidence.watched(self.span(now)))

    def notice(self, rows: tuple[Row, ...]) -> None:
        """What fails twice in a row is ill. The same values again, or a burst of errors that is over, is no second time."""
        failing = {(row.source, row.what): row for row in rows if row.verdict is Verdict.FAIL}
        ill = {
            key for key, row in failing.items() if key in self._failed and _is_news(row, self._failed[key])
        }
        self._failed = {
            key: row if key in ill else self._failed.get(key, row) for key, row in failing.items()
        }
        self.rows = rows
        self.ill = tuple(failing[key] for key in failing if key in ill)


def _is_news(row: Row, before: Row) -> bool:
    """Whether there is anything in it that was not there before."""
    last, known = row.numbers.get("last_seen"), before.numbers.get("last_seen")
    return last is None or known is None or last > known
