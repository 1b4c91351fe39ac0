"""Where backups are kept, as the rest of this folder sees it. Everything here blocks: it is called in threads."""

import errno
import hashlib
import re
from pathlib import Path
from typing import Protocol

from bot.ports.errors import AuthFailed, PortError, Refused, Unavailable
from integrations.backups.streams import Sink, Source

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_FOLDER = (errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG)
"""Nothing but a person changes these."""
_LONGEST = 80


class Destination(Protocol):
    """The backups of one database at one place. Raises Unavailable, Refused, AuthFailed."""

    def place(self, name: str) -> str:
        """Where a person finds this one."""
        ...

    def create(self, name: str, expected_bytes: int | None) -> Sink:
        """Begin to write; what an earlier try left unfinished of `name` is removed.

        Raises Unavailable where somebody else is writing this very one.
        """
        ...

    def open(self, name: str) -> Source:
        """Read the data of a backup. Raises Refused where it is not there."""
        ...

    def write_manifest(self, name: str, text: bytes) -> None:
        """Durable and in one piece: from now on the backup exists."""
        ...

    def read_manifest(self, name: str) -> bytes | None: ...

    def names(self) -> list[str]:
        """Of everything that has a manifest."""
        ...

    def neighbours(self) -> list[str]:
        """Where backups of other databases lie at the same place."""
        ...

    def sizes(self) -> dict[str, int]:
        """How many bytes the data of each name has, whether it has a manifest or not."""
        ...

    def remove(self, name: str) -> None:
        """The manifest first: at no moment does a backup exist without its data."""
        ...

    def sweep(self) -> list[str]:
        """Remove what dead runs left unfinished and what has data but no manifest; the names."""
        ...

    def try_writing(self) -> None:
        """Write something that leaves no trace, as far as that can be done. Raises what writing a backup would."""
        ...

    def free_bytes(self) -> int | None:
        """How much room there is; None where there is no end to it."""
        ...


def slug(text: str, *, longest: int = _LONGEST) -> str:
    """`text` as a part of a file name that is different for every text."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:longest]
    return f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def of_disk(error: OSError, place: Path, *, making: bool = False) -> PortError:
    """What an error of the disk at `place` means; `making`: that place was to be made."""
    if error.errno in _FULL:
        return Refused(
            f"There is no room left in {place}: the backup was given up, and what was written of it removed.",
            remedy="Make room there, or set `directory` to a larger disk.",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return AuthFailed(
            f"{place} cannot be written: {error.strerror}.",
            remedy="Let the user that runs kaeru write there.",
        )
    if error.errno == errno.ENOENT and making:
        return Refused(
            f"The folder {place} cannot be made: {error.strerror}.",
            remedy="Set `directory` to a place on a disk where folders can be made.",
        )
    if error.errno == errno.ENOENT:
        return Refused(f"There is no {place}.", remedy="Look who removes files there besides kaeru.")
    if error.errno in _NO_FOLDER:
        file = next((at for at in (place, *place.parents) if at.is_file()), None)
        why = f"{file} is a file and no folder" if file else f"{error.strerror}"
        return Refused(
            f"No backup can be kept in {place}: {why}.",
            remedy="Set `directory` to a folder, or move away what is in its place.",
        )
    return Unavailable(f"The disk at {place} fails: {error.strerror}.", retry_after_s=5.0)
