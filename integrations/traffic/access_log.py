"""Counts what nginx has served, from a log with one line per request: `MSEC STATUS PLACE`.

The file is counted from its beginning by every bot, and by one bot only as far as it has grown since. A rotated or
truncated log begins anew, and so do the counts: nobody takes them for a continuation, since they are smaller then.
"""

import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from bot.ports.errors import AuthFailed, Refused, Unavailable
from bot.ports.traffic import Served

FORMAT = "$msec $status"
_CHUNK = 4 * 1024 * 1024
_TAIL = 64  # bytes by which a file is recognised: each line begins with its time


class AccessLog:
    """Everything here is blocking: use a thread, and one at a time."""

    def __init__(self, path: Path, *, service: str, otherwise: str) -> None:
        self._path = path
        self._service = service.encode()
        self._places = (self._service, otherwise.encode())
        self._inode, self._offset, self._tail = 0, 0, b""
        self._counts: Counter[bytes] = Counter()

    def served(self) -> Served:
        """Raises Refused, AuthFailed, Unavailable."""
        try:
            with self._path.open("rb", buffering=0) as file:
                at = datetime.now(UTC)
                if not self._is_known(file.fileno()):
                    self._inode, self._offset, self._tail = os.fstat(file.fileno()).st_ino, 0, b""
                    self._counts = Counter()
                file.seek(self._offset)
                while chunk := file.read(_CHUNK):
                    whole = chunk[: chunk.rfind(b"\n") + 1]
                    self._count(whole)
                    if not whole or len(chunk) < _CHUNK:
                        break
                    file.seek(self._offset)
        except FileNotFoundError as error:
            raise Refused(f"There is no access log {self._path}.", remedy=self._remedy) from error
        except PermissionError as error:
            raise AuthFailed(
                f"The access log {self._path} may not be read.",
                remedy="Give the bot's user the right to read it.",
            ) from error
        except OSError as error:
            raise Unavailable(f"The access log {self._path} cannot be read: {error.strerror}.") from error
        return self._told(at)

    def _is_known(self, handle: int) -> bool:
        """It is the file that was read before, and it has only grown."""
        seen = os.fstat(handle)
        if seen.st_ino != self._inode or seen.st_size < self._offset:
            return False
        return os.pread(handle, len(self._tail), self._offset - len(self._tail)) == self._tail

    def _count(self, lines: bytes) -> None:
        found = Counter(line.partition(b" ")[2] for line in lines.splitlines())
        for rest, count in found.items():
            status, _, place = rest.partition(b" ")
            known = place in self._places and status.isdigit()
            self._counts[rest if known else b""] += count  # of strange lines nothing is kept but their number
        self._offset += len(lines)
        self._tail = (self._tail + lines)[-_TAIL:]

    def _told(self, at: datetime) -> Served:
        seen = [(*line.partition(b" ")[::2], count) for line, count in self._counts.items() if line]
        if not seen and self._counts:
            raise Refused(f"{self._path} is not written in kaeru's format.", remedy=self._remedy)
        return Served(
            at=at,
            to_service=sum(count for _, place, count in seen if place == self._service),
            total=sum(count for _, _, count in seen),
            errors=sum(count for status, _, count in seen if status >= b"500"),
            service_errors=sum(
                count for status, place, count in seen if status >= b"500" and place == self._service
            ),
        )

    @property
    def _remedy(self) -> str:
        return "Add `access_log FILE kaeru_NAME;` to the site, as docs/traffic.md shows, or correct the path."
