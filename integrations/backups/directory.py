"""Backups in a folder: temporary names, fsync, rename, and a manifest last.

DIRECTORY/postgresql-db-internal-5432-shop-…/
    .ID.partial    being written, locked by whoever writes it
    ID.dump        the data
    ID.json        the manifest: with it, the backup exists
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO

from bot.ports.errors import Unavailable
from integrations.backups.destination import of_disk
from integrations.backups.streams import Source

DATA, MANIFEST, PARTIAL = ".dump", ".json", ".partial"
SYNC_EVERY = 32 * 2**20
"""Bytes after which what was written is sent on its way to the disk, so that little is left to wait for at the end."""


class DirectorySink:
    """One file under a temporary name. Made by `Directory.create`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._partial, self._final = (
            folder,
            folder / f".{name}{PARTIAL}",
            folder / f"{name}{DATA}",
        )
        _refuse_if_alive(self._final)
        self._descriptor = _take_over(self._partial)
        self._written, self._renamed = 0, False

    def write(self, chunk: memoryview) -> None:
        try:
            before = self._written
            while chunk:
                count = os.write(self._descriptor, chunk)
                self._written += count
                chunk = chunk[count:]
            if self._written // SYNC_EVERY > before // SYNC_EVERY:
                os.posix_fadvise(
                    self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED
                )  # starts the writing, waits not
        except OSError as error:
            raise of_disk(error, self._folder) from error

    def close(self) -> None:
        try:
            os.fsync(self._descriptor)
            size = os.fstat(self._descriptor).st_size
            if size != self._written:
                raise Unavailable(
                    f"{self._partial} has {size} bytes, but {self._written} were written to it."
                )
            self._partial.rename(self._final)
            self._renamed = True
            _sync_folder(self._folder)
        except OSError as error:
            raise of_disk(error, self._folder) from error

    def abort(self) -> None:
        if self._descriptor >= 0:
            if not self._renamed:
                with contextlib.suppress(OSError):  # told already; `sweep` comes past again
                    self._partial.unlink(missing_ok=True)
            os.close(self._descriptor)  # and with it the lock
            self._descriptor = -1
            with contextlib.suppress(OSError):  # there is something in it, as a rule
                self._folder.rmdir()


class Directory:
    """The `Destination` of one database below `root`."""

    def __init__(self, root: Path, folder: str) -> None:
        self._folder = root / folder

    def place(self, name: str) -> str:
        return str(self._folder / f"{name}{DATA}")

    def create(self, name: str, expected_bytes: int | None) -> DirectorySink:  # noqa: ARG002 - the port's signature
        try:
            with contextlib.suppress(FileNotFoundError):
                return self._begun(name)
            return self._begun(name)  # an empty folder goes with whoever gave up in it
        except OSError as error:
            raise of_disk(error, self._folder, making=True) from error

    def _begun(self, name: str) -> DirectorySink:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return DirectorySink(self._folder, name)

    def open(self, name: str) -> Source:
        path = self._folder / f"{name}{DATA}"
        try:
            return _Reading(path.open("rb", buffering=0), path)
        except OSError as error:
            raise of_disk(error, path) from error

    def write_manifest(self, name: str, text: bytes) -> None:
        temporary = self._folder / f".{name}{MANIFEST}{PARTIAL}"
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, text)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            temporary.rename(self._folder / f"{name}{MANIFEST}")
            _sync_folder(self._folder)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise of_disk(error, self._folder) from error

    def read_manifest(self, name: str) -> bytes | None:
        path = self._folder / f"{name}{MANIFEST}"
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise of_disk(error, path) from error

    def names(self) -> list[str]:
        return [p.name.removesuffix(MANIFEST) for p in self._entries() if _is_whole(p, MANIFEST)]

    def neighbours(self) -> list[str]:
        try:
            return sorted(
                {str(path.parent) for path in self._folder.parent.glob(f"*/*{MANIFEST}")}
                - {str(self._folder)}
            )
        except OSError as error:
            raise of_disk(error, self._folder.parent) from error

    def sizes(self) -> dict[str, int]:
        found = {}
        for path in self._entries():
            if _is_whole(path, DATA):
                with contextlib.suppress(FileNotFoundError):
                    found[path.name.removesuffix(DATA)] = path.stat().st_size
        return found

    def remove(self, name: str) -> None:
        try:
            for ending in (MANIFEST, DATA):
                (self._folder / f"{name}{ending}").unlink(missing_ok=True)
        except OSError as error:
            raise of_disk(error, self._folder) from error

    def sweep(self) -> list[str]:
        removed = []
        for path in self._entries():
            if _is_whole(path, DATA):
                name = path.name.removesuffix(DATA)
                # One that is just being finished has its lock on the file that was renamed to this.
                if self.read_manifest(name) is None and _remove_if_dead(path):
                    removed.append(name)
            elif path.name.endswith(PARTIAL) and _remove_if_dead(path):
                removed.append(path.name.removesuffix(PARTIAL).removesuffix(MANIFEST).lstrip("."))
        return removed

    def try_writing(self) -> None:
        try:
            with tempfile.TemporaryFile(dir=self._there()) as probe:
                probe.write(b"kaeru")
        except OSError as error:
            raise of_disk(error, self._folder, making=True) from error

    def _there(self) -> Path:
        """Its folder, or the nearest one above that is there already."""
        return next(folder for folder in (self._folder, *self._folder.parents) if folder.exists())

    def free_bytes(self) -> int | None:
        there = self._there()
        try:
            return shutil.disk_usage(there).free
        except OSError as error:
            raise of_disk(error, there) from error

    def _entries(self) -> list[Path]:
        try:
            return sorted(self._folder.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise of_disk(error, self._folder) from error


class _Reading:
    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path

    def read(self, count: int, /) -> bytes:
        try:
            return self._file.read(count)
        except OSError as error:
            raise of_disk(error, self._path) from error

    def close(self) -> None:
        self._file.close()


def _is_whole(path: Path, ending: str) -> bool:
    return path.name.endswith(ending) and not path.name.startswith(".")


def _take_over(path: Path) -> int:
    """Open `path` empty and locked. The lock goes with the process, so a dead one is in nobody's way."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if not _lock(descriptor) or not _still_is(descriptor, path):
        os.close(descriptor)
        raise _taken()
    os.ftruncate(descriptor, 0)
    return descriptor


def _refuse_if_alive(path: Path) -> None:
    """Data that has no manifest yet may be that of somebody who is still proving it."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not _lock(descriptor):
            raise _taken()
    finally:
        os.close(descriptor)


def _taken() -> Unavailable:
    return Unavailable("This very backup is being taken by somebody else at the moment.", retry_after_s=5.0)


def _remove_if_dead(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        if not _lock(descriptor) or not _still_is(descriptor, path):
            return False
        path.unlink()
    except OSError as error:
        raise of_disk(error, path) from error
    finally:
        os.close(descriptor)
    return True


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _still_is(descriptor: int, path: Path) -> bool:
    """Whether the name still belongs to the file that was opened: its last writer may have renamed or removed it."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
