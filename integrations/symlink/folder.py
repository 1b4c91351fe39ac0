"""The releases and the link on disk. Everything here is quick and blocking; callers use a thread."""

import os
from pathlib import Path

from bot.domain.base import Version
from bot.ports.errors import AuthFailed, Refused, Unavailable
from integrations import releases_on_disk
from integrations.releases_on_disk import Listing, is_version


class ReleaseFolder:
    """`link` → `releases/<version>`. Raises Refused, AuthFailed, Unavailable for what the disk says."""

    def __init__(self, releases: Path, link: Path) -> None:
        self.releases = releases
        self.link = link

    def list(self) -> Listing:
        try:
            with os.scandir(self.releases) as entries:
                found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        except OSError as error:
            raise self._failed(error, f"The releases in {self.releases} cannot be listed") from error
        return releases_on_disk.listing(found)

    def text(self) -> str:
        """What the link says, unresolved."""
        try:
            return os.readlink(self.link)  # noqa: PTH115 - the text as it is; a Path would tidy it up
        except FileNotFoundError as error:
            raise releases_on_disk.no_link(self.link, self.releases) from error
        except OSError as error:
            if self.link.exists() and not self.link.is_symlink():
                raise releases_on_disk.no_symlink(self.link) from error
            raise self._failed(error, f"The link {self.link} cannot be read") from error

    def current(self) -> Version:
        """The version that the link names, also where its folder is gone."""
        text = self.text()
        folder, name = releases_on_disk.pointed(str(self.link), text)
        if Path(folder).resolve() != self.releases.resolve() or not is_version(name):
            raise releases_on_disk.elsewhere(self.link, text, self.releases)
        return name

    def switch(self, expected: Version, version: Version, token: str) -> None:
        """Let the link point at `version`, in one atomic step, in the style (relative, absolute) it has now.

        `token` names the temporary link, so a retry after a crash finds and replaces what was left behind.
        Raises Conflict when the link does not name `expected` any more. Between that look and the rename
        lie microseconds in which a foreign change would be overwritten: a link cannot be compared and set.
        """
        fresh = self.link.with_name(releases_on_disk.temporary_name(self.link.name, token))
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
            raise releases_on_disk.moved_meanwhile(self.link, now, expected)
        try:
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(releases_on_disk.text_for(self.text(), version))
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
