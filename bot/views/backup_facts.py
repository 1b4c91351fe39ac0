"""What a plan says of backups: which databases, whether the rollback waits and why, and what to expect."""

from datetime import timedelta

from bot.domain.backups import BackupState
from bot.domain.databases import DatabasePart
from bot.domain.durations import human
from bot.domain.incident import Incident
from bot.domain.plan import Plan
from bot.domain.sizes import size
from bot.views.blocks import Block, sections
from bot.views.mrkdwn import bullets, ended, line, who

_DATABASES = 8
_REASON = 300


def backups(plan: Plan, incident: Incident | None = None) -> list[Block]:
    """One line for each database; nothing where none is backed up. With the incident, how far each one has come."""
    lines = [
        " ".join((line(text, 400), *_standing(incident, part.name)))
        for part in plan.databases
        if (text := backup_in_words(part))
    ]
    return sections(["*Backups*", *bullets(lines, most=_DATABASES)]) if lines else []


def backup_in_words(part: DatabasePart) -> str:
    """In plain text; empty where it is not backed up."""
    wish = part.backup
    if wish is None:
        return ""
    waits = "waits for it" if wish.wait else "does not wait for it"
    usual = ""
    if wish.expected_bytes is not None:
        took = "" if wish.expected_s is None else f" in {human(timedelta(seconds=wish.expected_s))}"
        usual = f" The last one: {size(wish.expected_bytes)}{took}."
    return f"{part.name} is backed up at once; the rollback {waits}, {wish.why}.{usual}"


def _standing(incident: Incident | None, database: str) -> tuple[str, ...]:
    record = None if incident is None else incident.backup(database)
    if record is None:
        return ()
    if record.skipped_by is not None:
        return (f"{who(record.skipped_by)} decided so.",)
    if record.taken is not None:
        doubt = ", *but something is said against it*" if record.doubtful else ""
        return (f":white_check_mark: {size(record.taken.bytes)}, {record.taken.proven}{doubt}.",)
    if record.state is BackupState.FAILED:
        return (f":x: *It failed*: {ended(line(record.reason, _REASON))}",)
    return (":floppy_disk: It is being taken.",)
