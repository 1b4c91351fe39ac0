"""The Logs port for every source of lines."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from bot.domain.loglines import Level
from bot.domain.logwatch import MINUTES, Finder, LogCounts, LogLine, Tally, bounded
from bot.ports.errors import Unavailable
from integrations.logs.settings import LogSettings
from integrations.process import redact

PATIENCE_S = 30.0
"""How long a log that is followed may not be read."""
AHEAD = timedelta(days=1)
"""How far clocks may be ahead of this machine's."""
BATCH = 1000
"""Lines that are handled in one go."""
OVERLAP = timedelta(seconds=2)
"""How much is read again where a log is followed: two streams of one container may change places."""


@dataclass(frozen=True)
class Raw:
    """A line as it was read: not redacted yet. `level` is what the log itself says of it."""

    at: datetime
    text: str
    source: str = ""
    level: Level | None = None


def _nothing(_note: str) -> None:
    """What is missing is only said where lines are counted."""


@dataclass
class Span:
    """The time to read. Where `cursors` has a source it is read from there. `missing` is told what could not be read."""

    since: datetime
    until: datetime
    missing: Callable[[str], None] = _nothing
    cursors: dict[str, datetime] = field(default_factory=dict)

    def begin(self, source: str) -> datetime:
        return max(self.since, self.cursors.get(source, self.since))

    def has(self, at: datetime) -> bool:
        return self.since <= at < self.until


class Tail(Protocol):
    """A log that is read on from where it was left. `behind` where there is more to read at once."""

    @property
    def behind(self) -> bool: ...

    async def more(self) -> list[Raw]:
        """What is new since the last time, or a part of it; nothing where nothing is. Raises PortError."""
        ...

    async def aclose(self) -> None: ...


class Source(Protocol):
    """Where lines come from. What it raises are the port's errors."""

    @property
    def identity(self) -> str: ...

    def past(self, span: Span) -> AsyncGenerator[list[Raw], None]:
        """The lines of that time, in batches; lines of another time may be among them."""
        ...

    def tail(self, since: datetime) -> Tail: ...

    async def aclose(self) -> None: ...


class Again:
    """The tail of a source that can only be asked for a time: the last seconds are asked for again, and sorted out."""

    behind = False

    def __init__(self, source: Source, since: datetime) -> None:
        self._source = source
        self._since = since
        self._newest: dict[str, datetime] = {}
        self._seen: dict[tuple[str, datetime, str, int], None] = {}

    async def more(self) -> list[Raw]:
        cursors = {name: at - OVERLAP for name, at in self._newest.items()}
        span = Span(self._since, datetime.now(UTC) + AHEAD, cursors=cursors)
        found: list[Raw] = []
        alike: Counter[tuple[str, datetime, str]] = Counter()
        async with aclosing(self._source.past(span)) as batches:
            async for batch in batches:
                for raw in batch:
                    if not span.begin(raw.source) <= raw.at < span.until:
                        continue
                    same = raw.source, raw.at, raw.text
                    alike[same] += 1
                    if (key := (*same, alike[same])) not in self._seen:
                        self._seen[key] = None
                        found.append(raw)
        for raw in found:
            self._newest[raw.source] = max(raw.at, self._newest.get(raw.source, raw.at))
        self._seen = {key: None for key in self._seen if key[1] >= self._newest[key[0]] - OVERLAP}
        found.sort(key=lambda raw: raw.at)
        return found

    async def aclose(self) -> None:
        """Nothing is open."""


class LogReader:
    """The Logs port on a source."""

    def __init__(self, source: Source, settings: LogSettings) -> None:
        self._source = source
        self._every_s = settings.every.total_seconds()
        self._finder = Finder(redact, _compiled(settings.errors), _compiled(settings.warnings))

    @property
    def identity(self) -> str:
        return self._source.identity

    async def counts(self, since: datetime, until: datetime) -> LogCounts:
        begin = bounded(since, until)
        tally = Tally(self._finder, begin, until)
        if begin > since:
            tally.missing(f"Lines are counted for {MINUTES // 1440} days at most.")
        async for batch in _batches(self._source, Span(begin, until, tally.missing)):
            for raw in batch:
                tally.add(raw.at, raw.text, source=raw.source, otherwise=raw.level)
            await asyncio.sleep(0)  # others want to get on too
        return tally.counts()

    async def follow(self, since: datetime | None = None) -> AsyncGenerator[LogLine, None]:
        clock = asyncio.get_running_loop().time
        tail = self._source.tail(since or datetime.now(UTC))
        read_at: float | None = None
        try:
            while True:
                try:
                    found = await tail.more()
                except Unavailable as error:
                    if read_at is None or clock() > read_at + PATIENCE_S:
                        raise
                    await asyncio.sleep(min(max(error.retry_after_s, self._every_s), PATIENCE_S / 4))
                    continue
                read_at = clock()
                for raw in found:
                    line = self._finder.line(raw.at, raw.text, source=raw.source, otherwise=raw.level)
                    if line is not None:
                        yield line
                await asyncio.sleep(0 if tail.behind else self._every_s)
        finally:
            await tail.aclose()

    async def aclose(self) -> None:
        await self._source.aclose()


async def _batches(source: Source, span: Span) -> AsyncIterator[list[Raw]]:
    async with aclosing(source.past(span)) as batches:
        async for batch in batches:
            yield batch


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    return None if pattern is None else re.compile(pattern)
