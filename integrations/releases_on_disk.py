"""Releases in folders with a link to the current one: what is the same of it on this machine and on others. Pure."""

import hashlib
import posixpath
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath

from bot.domain.base import Version, as_version
from bot.domain.plan import Check
from bot.ports.errors import Conflict, Refused

Place = PurePath | str

# What ends so was not found, or may not be run; sudo and systemctl end with 1 and say it.
_NOT_RUN = (126, 127)
_NO_RIGHT = (
    "sudo:",
    "permission denied",
    "operation not permitted",
    "access denied",
    "authentication required",
    "command not found",
    "failed to connect to bus",
)


@dataclass(frozen=True)
class Listing:
    """Folders that are versions, by name; `ignored` are entries that are none (links, files, odd names)."""

    versions: tuple[Version, ...]
    ignored: tuple[str, ...]


def could_not_run(code: int, last_line: str) -> bool:
    """Whether a restart command that failed was kept from its work, so that it says nothing of the release."""
    said = last_line.lower()
    return code in _NOT_RUN or any(sign in said for sign in _NO_RIGHT)


def is_version(name: str) -> bool:
    """Whether a name can be a version: no slash, no leading dot or dash."""
    try:
        as_version(name)
    except ValueError:
        return False
    return True


def listing(entries: Iterable[tuple[str, bool]]) -> Listing:
    """The releases among `entries`: names, and whether each really is a folder.

    A link could lead anywhere, so only what really lies there is a release.
    """
    versions, ignored = [], []
    for name, is_folder in entries:
        if is_version(name) and is_folder:
            versions.append(name)
        elif not name.startswith("."):
            ignored.append(name)
    return Listing(tuple(sorted(versions)), tuple(sorted(ignored)))


def pointed(link: str, text: str) -> tuple[str, str]:
    """The folder and the name that a link with this text leads to; the folder is not resolved."""
    folder, name = posixpath.split(posixpath.normpath(posixpath.join(posixpath.dirname(link), text)))
    return folder, name


def text_for(text: str, version: Version) -> str:
    """What the link says when it points at `version`, in the style (relative, absolute) that `text` has."""
    return posixpath.join(posixpath.dirname(text.rstrip("/")), version)


def temporary_name(name: str, token: str) -> str:
    """The link that is renamed over the link `name`: the same for each attempt at the same change."""
    return f".{name}.{hashlib.sha256(token.encode()).hexdigest()[:12]}"


def fingerprint(text: str) -> str:
    """Short and opaque."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def release_check(version: Version, available: Iterable[Version]) -> Check:
    there = version in available
    detail = f"{version} is on disk" if there else f"{version} is not on disk"
    return Check(name="release is there", ok=there, detail=detail)


def no_link(link: Place, releases: Place, *, where: str = "") -> Refused:
    return Refused(
        f"There is no link {link}{where}, so nothing says what runs.",
        remedy=f"Create it: ln -s {releases}/VERSION {link}",
    )


def no_symlink(link: Place, *, where: str = "") -> Refused:
    return Refused(
        f"{link}{where} is not a symbolic link.",
        remedy="Replace it with a link to a release folder; it is never overwritten.",
    )


def elsewhere(link: Place, text: str, releases: Place, *, where: str = "") -> Refused:
    return Refused(
        f"{link}{where} points at {text}, which is not a release in {releases}.",
        remedy="Point it at a release folder, or correct `releases` in kaeru.yml.",
    )


def no_release(version: str, releases: Place, there: Iterable[Version], *, where: str = "") -> Refused:
    return Refused(
        f"There is no release {version} in {releases}{where}.",
        remedy=f"Choose one of {', '.join(there) or 'none'}, or put it there.",
    )


def moved_meanwhile(link: Place, now: Version, expected: Version, *, where: str = "") -> Conflict:
    return Conflict(
        f"{link}{where} points at {now}, not at {expected} any more: someone else has moved it.",
        remedy="Look at the fresh plan and approve that one.",
    )
