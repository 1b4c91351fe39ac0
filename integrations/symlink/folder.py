"""The releases and the link on disk. Everything here is quick and blocking; callers use a thread."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from bot.domain.base import Version, as_version
from bot.ports.errors import AuthFailed, Conflict, Refused, Unavailable


@dataclass(frozen=True)
class Listing:
    """Folders that are versions, by name; `ignored` are entries that are none (links, files, odd names)."""

    versions: tuple[Version, ...]
    ignored: tuple[str, ...]


class ReleaseFolder:
    """`link` → `releases/<version>`. Raises Refused, AuthFailed, Unavailable for what the disk says."""

    def __init__(self, releases: Path, link: Path) -> None:
        self.releases = releases
        self.link = link

    def list(self) -> Listing:
        versions, ignored = [], []
        try:
            with os.scandir(self.releases) as entries:
                for entry in entries:
                    # A link could lead anywhere, so only what really lies here is a release.
                    if is_version(entry.name) and entry.is_dir(follow_symlinks=False):
                        versions.append(entry.name)
                    elif not entry.name.startswith("."):
                        ignored.append(entry.name)
        except OSError as error:
            raise self._failed(error, f"The releases in {self.releases} cannot be listed") from error
        return Listing(tuple(sorted(versions)), tuple(sorted(ignored)))

    def text(self) -> str:
        """What the link says, unresolved."""
        try:
            return os.readlink(self.link)  # noqa: PTH115 - the text as it is; a Path would tidy it up
        except FileNotFoundError as error:
            raise Refused(
                f"There is no link {self.link}, so nothing says what runs.",
                remedy=f"Create it: ln -s {self.releases}/VERSION {self.link}",
            ) from error
        except OSError as error:
            if self.link.exists() and not self.link.is_symlink():
                raise Refused(
                    f"{self.link} is not a symbolic link.",
                    remedy="Replace it with a link to a release folder; it is never overwritten.",
                ) from error
            raise self._failed(error, f"The link {self.link} cannot be read") from error

    def current(self) -> Version:
        """The version that the link names, also where its folder is gone."""
        text = self.text()
        pointed = Path(os.path.normpath(self.link.parent / text))
        if pointed.parent.resolve() != self.releases.resolve() or not is_version(pointed.name):
            raise Refused(
                f"{self.link} points at {text}, which is not a release in {self.releases}.",
                remedy="Point it at a release folder, or correct `releases` in kaeru.yml.",
            )
        return pointed.name

    def switch(self, expected: Version, version: Version, token: str) -> None:
        """Let the link point at `version`, in one atomic step, in the style (relative, absolute) it has now.

        `token` names the temporary link, so a retry after a crash finds and replaces what was left behind.
        Raises Conflict when the link does not name `expected` any more. Between that look and the rename
        lie microseconds in which a foreign change would be overwritten: a link cannot be compared and set.
        """
        fresh = self.link.with_name(f".{self.link.name}.{hashlib.sha256(token.encode()).hexdigest()[:12]}")
        try:
            while not self._switched(fresh, expected, version):
                pass  # another attempt at the same change has taken the temporary link: look again
        except OSError as error:
            raise self._failed(error, f"The link {self.link} cannot be moved") from error
        finally:
            fresh.unlink(missing_ok=True)

    def _switched(self, fresh: Path, expected: Version, version: Version) -> bool:
        """Whether it is done; False where another attempt at the same change got in between with `fresh`."""
        if (now := self.current()) == version:
            return True
        if now != expected:
            raise Conflict(
                f"{self.link} points at {now}, not at {expected} any more: someone else has moved it."
            )
        try:
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(Path(self.text()).parent / version)
            if self.current() == expected:
                fresh.replace(self.link)
                self._sync()
        except (FileExistsError, FileNotFoundError) as error:
            if str(fresh) not in (error.filename, error.filename2):
                raise
        return False

    def writable(self) -> bool:
        return os.access(self.link.parent, os.W_OK | os.X_OK)

    def _sync(self) -> None:
        """Let the rename survive a power failure."""
        handle = os.open(self.link.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _failed(self, error: OSError, what: str) -> Refused | Unavailable:
        sentence = f"{what}: {error.strerror}."
        if isinstance(error, PermissionError):
            remedy = f"Give the bot's user the right to write in {self.link.parent} and read {self.releases}."
            return AuthFailed(sentence, remedy=remedy)
        if isinstance(error, (FileNotFoundError, NotADirectoryError)):
            return Refused(sentence, remedy="Correct `releases` and `link` in kaeru.yml.")
        return Unavailable(sentence, retry_after_s=2.0)


def is_version(name: str) -> bool:
    """Whether a name can be a version: no slash, no leading dot or dash."""
    try:
        as_version(name)
    except ValueError:
        return False
    return True
