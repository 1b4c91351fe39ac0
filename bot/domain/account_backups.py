"""What became of the backups that were taken because of an incident, each try of each database."""

from collections.abc import Sequence
from datetime import datetime

from bot.domain import events as e
from bot.domain.base import Value
from bot.domain.narrate_backups import taken_in_words
from bot.domain.prose import Names, escaped, name, plain


class BackupLine(Value):
    """One try. `state` is under way, taken or failed; `detail` what there is, or why there is none.

    `doubtful` says that something is said against it; `accepted_by` relied on it all the same, `skipped_by` decided
    that the rollback does not wait for it. Both are empty where nobody did.
    """

    database: str
    number: int
    begun_at: datetime
    ended_at: datetime | None = None
    state: str = "under way"
    detail: str = ""
    doubtful: bool = False
    accepted_by: str = ""
    skipped_by: str = ""


def backups(events: Sequence[e.Event], names: Names) -> tuple[BackupLine, ...]:
    """Every try, in the order in which they were begun."""
    lines: dict[tuple[str, int], BackupLine] = {}
    for event in events:
        match event:
            case e.BackupBegun(database=database, number=number):
                lines[database, number] = BackupLine(database=database, number=number, begun_at=event.at)
            case e.BackupFinished(backup=backup):
                told = plain(escaped(taken_in_words(backup)), names)
                _put(
                    lines, event, state="taken", ended_at=event.at, detail=told, doubtful=bool(backup.dangers)
                )
            case e.BackupFailed(reason=reason):
                told = plain(escaped(reason), names)
                _put(lines, event, state="failed", ended_at=event.at, detail=told)
            case e.BackupAccepted():
                _put(lines, event, accepted_by=name(event.by, names))
            case e.BackupSkipped():
                _put(lines, event, skipped_by=name(event.by, names))
    return tuple(lines.values())


def _put(
    lines: dict[tuple[str, int], BackupLine],
    event: e.BackupFinished | e.BackupFailed | e.BackupAccepted | e.BackupSkipped,
    **changes: object,
) -> None:
    key = (event.database, event.number)
    lines[key] = lines[key].model_copy(update=changes)
