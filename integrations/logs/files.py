"""A log file, counted, and followed across rotation and truncation."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

from bot.ports.errors import Unavailable
from integrations.logs.opened import Opened
from integrations.logs.parts import Dated, Part, Reading, older_parts, part_of, trouble
from integrations.logs.reader import BATCH, LogReader, Raw, Span
from integrations.logs.settings import FileLogSettings

AT_ONCE = 4 * 1024 * 1024
"""Bytes that are read from an open file in one go."""
LINGER_S = 60.0
"""How long after it was renamed a file is still read: its writer goes on until it is told."""


class FileLog:
    """One file, and what it was rotated to."""

    def __init__(self, settings: FileLogSettings) -> None:
        self.settings = settings
        self.zone = ZoneInfo(settings.timezone)

    @property
    def identity(self) -> str:
        return f"the log file {self.settings.path}"

    async def past(self, span: Span) -> AsyncGenerator[list[Raw], None]:
        lines = self._past(span)
        while batch := await asyncio.to_thread(self._next, lines):
            yield batch

    def tail(self, since: datetime) -> "FileTail":
        return FileTail(self, since)

    async def aclose(self) -> None:
        """Only tails have files open."""

    def older(self) -> list[Part]:
        """Raises OSError."""
        return older_parts(self.settings.path, self.settings.rotated)

    def reading(self, span: Span) -> Reading:
        return Reading(span.since, self.zone, self.settings.max_read, span.missing)

    def _past(self, span: Span) -> Iterator[Raw]:
        path = self.settings.path
        older = self.older()
        try:
            current = [part_of(path)]
            path.open("rb").close()
        except FileNotFoundError:
            if not older:
                raise
            current = []
        known = {part.key for part in current}
        reading = self.reading(span)
        for part in [*(p for p in older if p.changed >= span.since and p.key not in known), *current]:
            try:
                for at, text in reading.lines(part):
                    if at < span.until:
                        yield Raw(at, text, path.name)
            except FileNotFoundError:
                span.missing(f"{part.path.name} was renamed or thrown away while it was to be read.")

    def _next(self, lines: Iterator[Raw]) -> list[Raw]:
        try:
            return list(islice(lines, BATCH))
        except OSError as error:
            raise trouble(error, self.settings.path) from error


class FileTail:
    """Reads on, in whichever file the service writes. Holds the files open, so that nothing is lost when one is renamed."""

    def __init__(self, log: FileLog, since: datetime) -> None:
        self._log = log
        self._since = since
        self._path: Path = log.settings.path
        self._dated = Dated(log.zone, since)
        self._backlog: Iterator[Raw] | None = None
        self._current: Opened | None = None
        self._leaving: list[Opened] = []
        self._known: set[tuple[int, int]] = set()
        self.behind = False

    async def more(self) -> list[Raw]:
        reading = asyncio.create_task(asyncio.to_thread(self._more))
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            await asyncio.wait({reading})  # the files must not be closed under it
            raise

    async def aclose(self) -> None:
        for opened in self._open:
            opened.close()
        self._leaving, self._current = [], None

    def _more(self) -> list[Raw]:
        try:
            if self._backlog is None:
                self._backlog = self._begin()
            if found := list(islice(self._backlog, BATCH)):
                self.behind = True
                return found
            return self._read_on()
        except OSError as error:
            raise trouble(error, self._path) from error

    def _begin(self) -> Iterator[Raw]:
        """Open the file, and give what was written since then; from where that ends it is read on."""
        reading = self._log.reading(Span(self._since, datetime.max.replace(tzinfo=UTC)))
        # Opened before anything else: what is renamed from now on is noticed.
        self._current = Opened(self._path, self._path.stat().st_size)
        older = [part for part in self._log.older() if part.key != self._current.key]
        self._known = {part.key for part in older}
        return self._backlog_of(reading, [part for part in older if part.changed >= self._since])

    def _backlog_of(self, reading: Reading, older: list[Part]) -> Iterator[Raw]:
        for part in older:
            try:
                yield from (Raw(at, text, self._path.name) for at, text in reading.lines(part))
            except FileNotFoundError:
                continue
        current = self._current
        if current is not None and current.offset:
            part = Part(self._path, current.key, current.offset, datetime.now(UTC))
            written = reading.lines(part, current.again(), current.offset)
            yield from (Raw(at, text, self._path.name) for at, text in written)

    def _read_on(self) -> list[Raw]:
        current = self._current
        if current is None:  # it was closed
            return []
        self._dated.near = datetime.now(UTC)
        lines = [line for opened in self._leaving for line in opened.lines(AT_ONCE)]
        if current.was_cut():
            copies = self._log.older()
            lines += current.begin_again(copies)
            self._known |= {part.key for part in copies}
        lines += current.lines(AT_ONCE)
        is_there = self._change_over(current, lines)
        lines += self._leave()
        self.behind = any(opened.behind for opened in self._open)
        if not lines and not is_there:
            raise Unavailable(f"The log file {self._path} is not there any more.")
        return [self._raw(text) for text in lines]

    def _change_over(self, old: Opened, lines: list[str]) -> bool:
        """Where it was rotated, perhaps more than once since the last look: go on in the new file. False where there is none."""
        try:
            if part_of(self._path).key == old.key:
                return True
            fresh = Opened(self._path, 0)
        except FileNotFoundError:  # between being renamed and being made again
            return False
        self._current = fresh
        self._leaving.append(old)
        self._known |= {old.key, fresh.key}
        for part in self._log.older():
            if part.key not in self._known and not part.packed:
                self._known.add(part.key)
                self._leaving.append(Opened(part.path, 0))
                lines += self._leaving[-1].lines(AT_ONCE)
        lines += fresh.lines(AT_ONCE)
        return True

    def _leave(self) -> list[str]:
        """Let go of files that nobody writes any more; what stands there without an end of line is a line as well."""
        lines: list[str] = []
        for opened in [*self._leaving]:
            if (self._dated.near - opened.grown_at).total_seconds() > LINGER_S:
                lines += opened.last()
                opened.close()
                self._leaving.remove(opened)
        return lines

    @property
    def _open(self) -> list[Opened]:
        return [*self._leaving, *([self._current] if self._current is not None else [])]

    def _raw(self, text: str) -> Raw:
        return Raw(self._dated(text) or self._dated.near, text, self._path.name)


def make(settings: FileLogSettings) -> LogReader:
    return LogReader(FileLog(settings), settings)
