"""A log in memory."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

from bot.domain.logwatch import Finder, LogCounts, LogLine, Tally, bounded
from bot.ports.errors import PortError
from integrations.process import redact

POLL_S = 0.01


class MemoryLogs:
    """`lines` are what was written, `trouble` is what reading raises, `missing` what a count says it could not read."""

    def __init__(self, identity: str = "a log in memory") -> None:
        self.identity = identity
        self.lines: list[tuple[datetime, str]] = []
        self.trouble: PortError | None = None
        self.missing = ""
        self.closed = False
        self._finder = Finder(redact)

    def write(self, *texts: str, at: datetime | None = None) -> None:
        self.lines += [(at or datetime.now(UTC), text) for text in texts]

    async def counts(self, since: datetime, until: datetime) -> LogCounts:
        if self.trouble is not None:
            raise self.trouble
        tally = Tally(self._finder, bounded(since, until), until)
        for at, text in self.lines:
            tally.add(at, text)
        if self.missing:
            tally.missing(self.missing)
        return tally.counts()

    async def follow(self, since: datetime | None = None) -> AsyncGenerator[LogLine, None]:
        begin = since or datetime.now(UTC)
        read = 0
        while True:
            if self.trouble is not None:
                raise self.trouble
            while read < len(self.lines):
                at, text = self.lines[read]
                read += 1
                line = self._finder.line(at, text)
                if line is not None and at >= begin:
                    yield line
            await asyncio.sleep(POLL_S)

    async def aclose(self) -> None:
        self.closed = True
