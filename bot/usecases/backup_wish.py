"""The backup that is taken because of an incident."""

from bot.catalog.model import Database
from bot.domain.databases import BackupWish, DatabasePart
from bot.ports.backups import Backups
from bot.usecases.noticed import Noticed


async def backup_wish(
    database: Database,  # noqa: ARG001
    part: DatabasePart,  # noqa: ARG001
    backups: Backups | None,  # noqa: ARG001
    noticed: Noticed,  # noqa: ARG001
) -> BackupWish | None:
    """The wish for one database; None where nothing is backed up.

    `part` has its way already (None: undecided). Read-only. What is found out on the way goes into `noticed`; what
    cannot be found out is a sentence there, never an error.
    """
    return None
