"""A log file on disk and what it was rotated to, read from a time on: found from the end, not from the beginning."""

import bz2
import fnmatch
import gzip
import lzma
import os
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from io import BufferedIOBase
from pathlib import Path

from bot.domain.logtimes import time_of
from bot.ports.errors import AuthFailed, PortError, Refused, Unavailable

BLOCK = 64 * 1024
LONGEST = 1024 * 1024
"""Bytes of a line that are read; what is longer is cut into several."""

_ROTATED = re.compile(r"[.-]\d[\w.:+-]*")
_OPENERS: dict[str, Callable[[Path], BufferedIOBase]] = {
    ".gz": gzip.GzipFile,
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}
_BROKEN = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)


@dataclass(frozen=True)
class Part:
    """One file. `key` is the same whatever it is called."""

    path: Path
    key: tuple[int, int]
    size: int
    changed: datetime

    @property
    def packed(self) -> bool:
        return self.path.suffix in _OPENERS

    def open(self) -> BufferedIOBase:
        """Its content, unpacked. Raises OSError."""
        return _OPENERS[self.path.suffix](self.path) if self.packed else self.path.open("rb")


@dataclass
class Dated:
    """Gives lines their times: their own, else that of the line before."""

    zone: tzinfo
    near: datetime
    last: datetime | None = None

    def __call__(self, text: str) -> datetime | None:
        own = time_of(text, zone=self.zone, near=self.near)
        self.last = own if own is not None else self.last
        return self.last


def part_of(path: Path) -> Part:
    """Raises OSError."""
    found = path.stat()
    return Part(
        path, (found.st_dev, found.st_ino), found.st_size, datetime.fromtimestamp(found.st_mtime, UTC)
    )


def older_parts(path: Path, pattern: str | None) -> list[Part]:
    """What `path` was rotated to, the oldest first. Raises OSError where the folder cannot be read."""
    found: list[Part] = []
    with os.scandir(path.parent) as entries:
        names = [entry.name for entry in entries if entry.name != path.name and entry.is_file()]
    for name in names:
        being_packed = Path(name).suffix in _OPENERS and Path(name).stem in names
        if _belongs(name, path.name, pattern) and not being_packed:
            try:
                found.append(part_of(path.parent / name))
            except FileNotFoundError:  # thrown away meanwhile
                continue
    return sorted(found, key=lambda part: part.changed)


def _belongs(name: str, current: str, pattern: str | None) -> bool:
    if pattern is not None:
        return fnmatch.fnmatchcase(name, pattern)
    return name.startswith(current) and _ROTATED.fullmatch(name[len(current) :]) is not None


@dataclass(frozen=True)
class Reading:
    """How one part is read: lines of `since` or later, before byte `end`; at most `limit` bytes."""

    since: datetime
    zone: tzinfo
    limit: int
    missing: Callable[[str], None]

    def lines(
        self, part: Part, file: BufferedIOBase | None = None, end: int | None = None
    ) -> Iterator[tuple[datetime, str]]:
        """Lines with their times; those that have none, nor one before them that has, are left out.

        `file` is read, and closed, where it is open already. Raises OSError.
        """
        dated = Dated(self.zone, part.changed)
        undated = read = 0
        try:
            with file or part.open() as opened:
                if not part.packed:
                    offset = self._start(opened, part, part.size if end is None else end, dated)
                    opened.seek(offset)
                    if offset:
                        opened.readline(LONGEST)  # the rest of a line that begins before
                for line in iter(lambda: opened.readline(LONGEST), b""):
                    read += len(line)
                    if end is not None and opened.tell() > end:
                        break
                    if read > self.limit:
                        self.missing(
                            f"{part.path.name} is longer than {self.limit} bytes; its end was not read."
                        )
                        break
                    text = text_of(line)
                    at = dated(text)
                    if at is None:
                        undated += bool(text.strip())
                    elif at >= self.since:
                        yield at, text
        except _BROKEN:
            self.missing(f"{part.path.name} is damaged, or is being packed just now; its end was not read.")
        if undated and dated.last is None:
            self.missing(
                f"The lines of {part.path.name} have no time that kaeru can read: they are not counted."
            )

    def _start(self, file: BufferedIOBase, part: Part, end: int, dated: Dated) -> int:
        """Where to begin so that no line since then is left out: doubling the way back from the end."""
        back = BLOCK
        while back < end:
            file.seek(end - back)
            first = self._first_time(file, dated)
            if first is not None and first < self.since:
                return end - back
            if back * 2 > self.limit:
                self.missing(
                    f"{part.path.name} is longer than {self.limit} bytes since then; its beginning was not read."
                )
                return end - min(back, self.limit)
            back *= 2
        return 0

    def _first_time(self, file: BufferedIOBase, dated: Dated) -> datetime | None:
        file.readline(LONGEST)
        read = 0
        for line in iter(lambda: file.readline(LONGEST), b""):
            if (at := time_of(text_of(line), zone=dated.zone, near=dated.near)) is not None:
                return at
            read += len(line)
            if read > BLOCK:
                break
        return None


def text_of(line: bytes) -> str:
    """What is not UTF-8 is shown as such. A file that was cut to nothing begins with zeros where its writer went on."""
    return line.strip(b"\0\r\n").decode("utf-8", errors="replace")


def trouble(error: OSError, path: Path) -> PortError:
    """Why `path` cannot be read."""
    words = error.strerror or type(error).__name__
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return Refused(
            f"There is no log file {path}.",
            remedy="Correct `path` in kaeru.yml, or see that the service writes it.",
        )
    if isinstance(error, PermissionError):
        return AuthFailed(
            f"The log file {path} cannot be read: {words}.",
            remedy="Give kaeru's user the right to read it and the folder it is in, such as by the group adm.",
        )
    if isinstance(error, IsADirectoryError):
        return Refused(f"{path} is a folder.", remedy="Name a file as `path` in kaeru.yml.")
    return Unavailable(f"The log file {path} cannot be read: {words}.")
