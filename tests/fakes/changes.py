"""A repository's history in memory."""

import dataclasses

from bot.domain.base import Version
from bot.domain.plan import Changes, Commit, FileChange
from bot.ports.changes import Tagged


@dataclasses.dataclass(frozen=True)
class MemoryCommit:
    commit: Commit
    files: tuple[FileChange, ...]
    tag: Version | None = None


@dataclasses.dataclass
class MemoryChanges:
    """One line of history, oldest first. A file that several commits touch is listed once."""

    history: tuple[MemoryCommit, ...] = ()
    order: tuple[Version, ...] = ()  # newest first; by default the order of the history

    async def versions(self) -> tuple[Tagged, ...]:
        tagged = {
            entry.tag: Tagged(version=entry.tag, at=entry.commit.at) for entry in self.history if entry.tag
        }
        names = self.order or tuple(reversed(tagged))
        return tuple(tagged[name] for name in names)

    async def between(self, older: Version, newer: Version) -> Changes:
        places = {entry.tag: place for place, entry in enumerate(self.history) if entry.tag}
        missing = [version for version in (older, newer) if version not in places]
        if missing:
            return Changes(known=False, note=f"The repository has no tag {' and '.join(missing)}.")
        later = self.history[places[older] + 1 : places[newer] + 1]
        files = {file.path: file for entry in later for file in entry.files}
        migrations = tuple(path for path in files if "/migrations/" in f"/{path}")
        return Changes(
            known=True,
            commits=tuple(entry.commit for entry in reversed(later))[:50],
            files=tuple(files[path] for path in sorted(files))[:50],
            commit_count=len(later),
            file_count=len(files),
            migrations=migrations[:50],
        )
