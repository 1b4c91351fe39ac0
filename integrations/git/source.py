"""What lies between two versions, read from a git repository."""

import asyncio
import fnmatch
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from bot.domain.base import Version, as_version
from bot.domain.plan import Changes, Commit, FileChange
from bot.ports.changes import Tagged
from bot.ports.errors import PortError, Refused
from integrations.git.client import GitClient
from integrations.git.settings import GitSettings

LATEST = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp())  # and still a date in every time zone
LARGEST = 1_000_000  # bytes of a file that is read
AT_ONCE = 200  # files in one call of git
MOST = 50  # entries of a list; the counts are whole


class GitChanges:
    """The ChangeSource port.

    `between` never raises for what git cannot tell: a plan does without it, and its note says why.
    `versions` raises Unavailable and Refused.
    """

    def __init__(self, settings: GitSettings) -> None:
        self._settings = settings
        self._git = GitClient(settings.repository, timeout_s=settings.timeout.total_seconds())

    async def between(self, older: Version, newer: Version) -> Changes:
        try:
            start, end = await self._look_up(older), await self._look_up(newer)
            fetched = ""
            if self._settings.fetch_from is not None and (start is None or end is None):
                fetched = await self._fetch(self._settings.fetch_from)
                start, end = await self._look_up(older), await self._look_up(newer)
            if start is None or end is None:
                missing = [version for version, sha in ((older, start), (newer, end)) if sha is None]
                return Changes(known=False, note=await self._unknown(missing) + fetched)
            return await self._changes(older, newer, start, end)
        except PortError as error:
            return Changes(known=False, note=error.advice)

    async def versions(self) -> tuple[Tagged, ...]:
        prefix = f"refs/tags/{self._settings.tag_prefix}"
        listing = await self._git.text(
            "for-each-ref",
            "--sort=-version:refname",
            "--format=%(refname)%00%(creatordate:unix)",
            f"{prefix}*",
        )
        found = []
        for line in listing.split("\n"):
            name, _, seconds = line.removeprefix(prefix).partition("\0")
            if seconds and _is_version(name):  # a tag of a tree has no date and is no release
                found.append(Tagged(version=name, at=_moment(seconds)))
        return tuple(found)

    async def texts(self, version: Version, patterns: tuple[str, ...]) -> Mapping[str, str | None]:
        """The files of `version` whose paths match: path to text, or None for what is no text of at most 1 MB.

        Raises Refused where the repository has no such tag, and as `versions` does.
        """
        sha = await self._look_up(version)
        fetched = ""
        if sha is None and self._settings.fetch_from is not None:
            fetched = await self._fetch(self._settings.fetch_from)
            sha = await self._look_up(version)
        if sha is None:
            raise Refused(await self._unknown([version]) + fetched, remedy="Push the tag, or fetch it.")
        listing = await self._git.text("ls-tree", "-r", "-z", "--long", "--full-tree", sha)
        entries = [_entry(line) for line in listing.split("\0") if line]
        found = {path: size for path, size in entries if _any_match(f"/{path}", patterns)}
        texts: dict[str, str | None] = {path: "" if size == 0 else None for path, size in found.items()}
        wanted = [path for path, size in found.items() if size is not None and 0 < size <= LARGEST]
        for start in range(0, len(wanted), AT_ONCE):
            texts |= await self._git.lines(sha, wanted[start : start + AT_ONCE])
        return texts

    async def _fetch(self, remote: str) -> str:
        """Fetch the tags; an empty text, or why that was not possible."""
        try:
            await self._git.fetch_tags(remote)
        except PortError as error:
            return f" {error}"
        return ""

    async def _look_up(self, version: Version) -> str | None:
        return await self._git.commit_of(self._settings.tag_prefix + version)

    async def _unknown(self, missing: list[Version]) -> str:
        known = await self.versions()
        newest = f" Its newest tag is {self._settings.tag_prefix}{known[0].version}." if known else ""
        tags = " and ".join(self._settings.tag_prefix + version for version in missing)
        return f"The repository has no tag {tags}, so what changed is not known.{newest}"

    async def _changes(self, older: Version, newer: Version, start: str, end: str) -> Changes:
        added, removed, log, stat = await asyncio.gather(
            self._git.text("rev-list", "--count", f"{start}..{end}"),
            self._git.text("rev-list", "--count", f"{end}..{start}"),
            self._git.text("log", f"--max-count={MOST}", "-z", "--format=%H%x1f%aN%x1f%at%x1f%s", f"{start}..{end}"),
            self._git.text("diff", "--numstat", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", start, end),
        )  # fmt: skip
        files = [_file(entry) for entry in stat.split("\0") if entry]
        migrations = [file.path for file in files if self._is_migration(file.path)]
        note = ""
        if int(removed):
            what = "a commit" if int(removed) == 1 else f"{int(removed)} commits"
            note = f"{older} has {what} that {newer} has not: they are on different branches."
        return Changes(
            known=True,
            note=note,
            commits=tuple(_commit(entry) for entry in log.split("\0") if entry),
            files=tuple(files[:MOST]),
            commit_count=int(added),
            file_count=len(files),
            migrations=tuple(migrations[:MOST]),
        )

    def _is_migration(self, path: str) -> bool:
        return _any_match(f"/{path}", self._settings.migrations)


def _any_match(path: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def _commit(entry: str) -> Commit:
    sha, author, seconds, subject = entry.lstrip("\n").split("\x1f", 3)
    return Commit(sha=sha, author=author, at=_moment(seconds), subject=subject)


def _moment(seconds: str) -> datetime:
    """A date as git has it, which may be any number; what no calendar has becomes the nearest that it has."""
    return datetime.fromtimestamp(min(max(int(seconds), 0), LATEST), UTC)


def _file(entry: str) -> FileChange:
    added, deleted, path = entry.split("\t", 2)
    binary = added == "-"
    return FileChange(
        path=path, added=None if binary else int(added), deleted=None if binary else int(deleted)
    )


def _entry(line: str) -> tuple[str, int | None]:
    """A path and its size in bytes; None for a link or another repository."""
    about, _, path = line.partition("\t")
    mode, _kind, _sha, size = about.split()
    return path, int(size) if mode in ("100644", "100755") else None


def _is_version(name: str) -> bool:
    try:
        as_version(name)
    except ValueError:
        return False
    return True
