"""A file that kaeru writes whole, one atomic step at a time. Everything here is quick and blocking: use a thread."""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from bot.ports.errors import AuthFailed, Refused, Unavailable

LOCK_S = 60.0  # longer than a test and a reload take together
POLL_S = 0.05


class OwnFile:
    """Its neighbours' names begin with a dot, so that `include folder/*.conf` reads none of them.

    `.NAME.kaeru-before` is what stood in the file before it was changed: it is there from the change until the new
    content has been seen at work, and outlives a crash.
    """

    def __init__(self, path: Path, *, missing: str = "") -> None:
        """`missing` is what a person is to do where there is no such file."""
        self.path = path
        self._missing = missing
        self._before = path.with_name(f".{path.name}.kaeru-before")
        self._lock = path.with_name(f".{path.name}.kaeru-lock")

    def read(self) -> bytes:
        try:
            return self.path.read_bytes()
        except FileNotFoundError as error:
            raise Refused(f"There is no {self.path}.", remedy=self._missing) from error
        except OSError as error:
            raise self._failed(error, "cannot be read") from error

    def read_if_any(self) -> bytes:
        """The content; nothing where there is no such file."""
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise self._failed(error, "cannot be read") from error

    def write(self, content: bytes) -> None:
        """Put `content` in its place, or make the file."""
        try:
            self._put(self.path, content)
        except OSError as error:
            raise self._failed(error, "cannot be written") from error

    def before(self) -> bytes | None:
        """What stood there before a change that has not been seen at work yet."""
        try:
            return self._before.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._failed(error, "has a saved copy that cannot be read") from error

    def change(self, content: bytes) -> None:
        """Save what is there, then put `content` in its place."""
        try:
            self._put(self._before, self.read())
            self._put(self.path, content)
        except OSError as error:
            raise self._failed(error, "cannot be written") from error

    def restore(self, content: bytes) -> None:
        """Put back `content`; afterwards there is nothing to go back to."""
        try:
            self._put(self.path, content)
            self._before.unlink(missing_ok=True)
        except OSError as error:
            raise self._failed(error, "cannot be put back") from error

    def settled(self) -> None:
        """The content is at work: what was saved is not needed any more."""
        try:
            self._before.unlink(missing_ok=True)
        except OSError as error:
            raise self._failed(error, "has a saved copy that cannot be taken away") from error

    def writable(self) -> bool:
        return os.access(self.path.parent, os.W_OK | os.X_OK)

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """No other bot changes the file meanwhile. The lock ends with its process, whatever ends that."""
        try:
            handle = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._failed(error, "cannot be locked") from error
        try:
            until = time.monotonic() + LOCK_S
            while not _locked(handle):
                if time.monotonic() >= until:
                    raise Unavailable(
                        f"Another bot has been changing {self.path} for {LOCK_S:g} s.", retry_after_s=5.0
                    )
                await asyncio.sleep(POLL_S)
            yield
        finally:
            os.close(handle)

    def _put(self, path: Path, content: bytes) -> None:
        """A whole file or none, also after a power failure. It keeps the rights of the file that is changed."""
        handle, name = tempfile.mkstemp(prefix=f".{self.path.name}.kaeru-new-", dir=path.parent)
        fresh = Path(name)
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(content)
                out.flush()
                self._look_alike(out.fileno())
                os.fsync(out.fileno())
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _look_alike(self, handle: int) -> None:
        try:
            looks = self.path.stat()
        except FileNotFoundError:
            os.fchmod(handle, 0o644)  # whoever reads it is not always the bot's user
            return
        os.fchmod(handle, looks.st_mode & 0o777)
        if os.geteuid() == 0:
            os.fchown(handle, looks.st_uid, looks.st_gid)

    def sweep(self) -> None:
        """Take away what a killed bot left half written. Only with the lock."""
        for left in self.path.parent.glob(f".{self.path.name}.kaeru-new-*"):
            with contextlib.suppress(OSError):  # it hinders nobody
                left.unlink()

    def _failed(self, error: OSError, what: str) -> Refused | Unavailable:
        sentence = f"{self.path} {what}: {error.strerror}."
        if isinstance(error, PermissionError):
            remedy = f"Give the bot's user the right to write in {self.path.parent}."
            return AuthFailed(sentence, remedy=remedy)
        if isinstance(error, (FileNotFoundError, NotADirectoryError)):
            return Refused(sentence, remedy="Correct the path in kaeru.yml.")
        return Unavailable(sentence, retry_after_s=2.0)


def mark_of(content: bytes) -> str:
    """A fingerprint of a file's content."""
    return hashlib.sha256(content).hexdigest()[:16]


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
