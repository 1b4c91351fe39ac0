"""This machine, as one of the hosts: no SSH."""

import asyncio
import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from integrations import process
from integrations.hosts.errors import DiskTrouble, Kind
from integrations.hosts.machine import Ended, OverTime

T = TypeVar("T")

_KINDS = {
    errno.ENOENT: Kind.MISSING,
    errno.ENOTDIR: Kind.MISSING,
    errno.EACCES: Kind.DENIED,
    errno.EPERM: Kind.DENIED,
    errno.EROFS: Kind.DENIED,
    errno.ENOSPC: Kind.FULL,
    errno.EDQUOT: Kind.FULL,
    errno.EINVAL: Kind.NO_LINK,
}


class ThisMachine:
    """The Machine that the bot runs on."""

    async def readlink(self, path: str) -> str:
        return await _disk(lambda: os.readlink(path))  # noqa: PTH115 - the text as it is; a Path would tidy it up

    async def entries(self, folder: str) -> list[tuple[str, bool]]:
        def listed() -> list[tuple[str, bool]]:
            with os.scandir(folder) as found:
                return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]

        return await _disk(listed)

    async def resolved(self, folder: str) -> str:
        return await asyncio.to_thread(os.path.realpath, folder)

    async def symlink(self, text: str, path: str) -> None:
        await _disk(lambda: Path(path).symlink_to(text))

    async def rename(self, old: str, new: str) -> None:
        def moved() -> None:
            Path(old).replace(new)
            # Let the rename survive a power failure.
            handle = os.open(Path(new).parent, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

        await _disk(moved)

    async def remove(self, path: str) -> None:
        await _disk(lambda: Path(path).unlink(missing_ok=True))

    async def create(self, path: str, text: str) -> bool:
        def written() -> bool:
            try:
                with Path(path).open("x", encoding="utf-8") as file:
                    file.write(text)
            except FileExistsError:
                return False
            return True

        return await _disk(written)

    async def read(self, path: str) -> str | None:
        try:
            return await _disk(lambda: Path(path).read_text(encoding="utf-8", errors="replace"))
        except DiskTrouble as trouble:
            if trouble.kind is Kind.MISSING:
                return None
            raise

    async def run(self, argv: tuple[str, ...], *, timeout_s: float, pid_file: str | None = None) -> Ended:
        def noted(pid: int) -> None:
            if pid_file is not None:
                with Path(pid_file).open("a", encoding="ascii") as file:
                    file.write(f"{pid}\n")

        try:
            done = await process.run(argv, timeout_s=timeout_s, on_start=noted)
        except process.TimedOut as error:
            raise OverTime from error
        return Ended(done.code, done.last_line)

    async def writable(self, folder: str) -> bool:
        return await asyncio.to_thread(os.access, folder, os.W_OK | os.X_OK)

    async def has_program(self, name: str) -> bool:
        return await asyncio.to_thread(shutil.which, name) is not None

    async def aclose(self) -> None:
        """There is nothing to close."""


async def _disk(work: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        kind = _KINDS.get(error.errno or 0, Kind.FAILED)
        raise DiskTrouble(kind, error.strerror or type(error).__name__) from error
