"""What happened to a backup, one sentence per event, in Slack's text form (see `bot.domain.prose`)."""

from datetime import timedelta
from typing import assert_never

from bot.domain import events as e
from bot.domain.backups import Taken
from bot.domain.base import BOT
from bot.domain.durations import human
from bot.domain.lifecycle_backups import BackupEvent
from bot.domain.prose import person, typed
from bot.domain.sizes import size


def narrate_backup(event: BackupEvent) -> str:
    """One sentence."""
    who, database = person(event.by), typed(event.database)
    match event:
        case e.BackupBegun():
            asked = "" if event.by == BOT else f", asked for by {who}"
            again = " again" if event.number > 1 else ""
            return f"Backup of {database} begun{again}{asked}"
        case e.BackupFinished():
            return f"Backup of {database} taken: {typed(taken_in_words(event.backup))}"
        case e.BackupFailed():
            return f"Backup of {database} failed: {typed(event.reason)}"
        case e.BackupAccepted():
            return f"{who} relies on the backup of {database} in spite of what is said against it"
        case e.BackupSkipped():
            return f"{who} decided that the rollback does not wait for a backup of {database}"
        case _:
            assert_never(event)


def taken_in_words(backup: Taken) -> str:
    """How large, how long, proven how, where, and what is said against it."""
    took = human(timedelta(seconds=backup.seconds))
    told = f"{size(backup.bytes)} in {took}, {backup.proven}, SHA-256 {backup.sha256[:12]}…"
    where = f", at {backup.place}" if backup.place else ""
    against = "".join(f" {text}" for text in backup.dangers)
    return f"{told}{where}.{against}"
