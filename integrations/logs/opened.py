"""A file that is read on from where it was left, whatever it is called by now."""

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from io import BufferedIOBase
from pathlib import Path

from integrations.logs.parts import LONGEST, Part, text_of

KEPT = 64
"""Bytes before the place where reading stopped that tell whether the file is still the same one."""


class Opened:
    """`offset` is the place up to which it was read. Everything here raises OSError, and blocks."""

    def __init__(self, path: Path, offset: int) -> None:
        self._file = path.open("rb", buffering=0)
        found = os.fstat(self._file.fileno())
        self.key = found.st_dev, found.st_ino
        self.offset = min(offset, found.st_size)
        self.offset -= len(self._before(LONGEST).rpartition(b"\n")[2]) if self.offset else 0
        self._kept = self._before(KEPT)
        self._rest = b""
        self.behind = False
        self.grown_at = datetime.now(UTC)

    def again(self) -> BufferedIOBase:
        """This very file, also when it was renamed or deleted, to be read from anywhere. To be closed."""
        return os.fdopen(os.dup(self._file.fileno()), "rb")

    def close(self) -> None:
        self._file.close()

    def lines(self, most: int) -> list[str]:
        """The whole lines that were added, of at most so many bytes."""
        self._skip_hole()
        read = os.pread(self._file.fileno(), most, self.offset)
        self.behind = len(read) == most
        if not read:
            return []
        self.offset += len(read)
        self.grown_at = datetime.now(UTC)
        self._kept = (self._kept + read)[-KEPT:]
        *whole, self._rest = (self._rest.lstrip(b"\0") + read).split(b"\n")
        if len(self._rest) > LONGEST:
            whole.append(self._rest)
            self._rest = b""
        return [text for line in whole if (text := text_of(line))]

    def was_cut(self) -> bool:
        """Whether what was read is not there any more: the file was cut to nothing, and perhaps written again."""
        size = os.fstat(self._file.fileno()).st_size
        return size < self.offset or self._before(len(self._kept)) != self._kept

    def begin_again(self, copies: Iterable[Part]) -> list[str]:
        """Read from the beginning from now on. What was added before it was cut is in a copy, if there is one."""
        lines: list[str] = []
        for part in sorted(copies, key=lambda part: part.changed, reverse=True):
            if part.packed or part.size < self.offset or not self._kept:
                continue
            copy = Opened(part.path, 0)
            copy.offset, copy._kept, copy._rest = self.offset, self._kept, self._rest
            try:
                if not copy.was_cut():
                    lines = copy.lines(part.size)
                    self._rest = copy._rest
                    break
            finally:
                copy.close()
        if self._rest:
            lines.append(text_of(self._rest))
        self.offset, self._kept, self._rest = 0, b"", b""
        return lines

    def last(self) -> list[str]:
        """What stands at its end without an end of line, where nothing is to come any more."""
        rest, self._rest = self._rest, b""
        return [text_of(rest)] if rest.strip(b"\0\r") else []

    def _before(self, length: int) -> bytes:
        begin = max(0, self.offset - length)
        return os.pread(self._file.fileno(), self.offset - begin, begin)

    def _skip_hole(self) -> None:
        """A writer that goes on at its own place in a file that was cut leaves nothing before it, of any length."""
        try:
            begin = os.lseek(self._file.fileno(), self.offset, os.SEEK_DATA)
        except OSError:  # there is nothing more, or the disk does not know
            return
        if begin > self.offset:
            self.offset, self._kept = begin, b""
