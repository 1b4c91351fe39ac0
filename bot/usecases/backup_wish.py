"""The backup that is taken because of an incident: whether the rollback waits for it, and what to expect."""

import logging

from bot.catalog.model import Database
from bot.domain.databases import BackupWish, DatabasePart
from bot.domain.plan import Check
from bot.ports import PortError
from bot.ports.backups import BackupPlan, Backups
from bot.usecases.bounds import READ_S, reading
from bot.usecases.noticed import Noticed

_log = logging.getLogger(__name__)

BRIEFLY_S = 5.0
"""How long a database may take to answer where nothing waits for its backup: the plan must not."""


async def backup_wish(
    database: Database,
    part: DatabasePart,
    backups: Backups | None,
    noticed: Noticed,
    *,
    skipped: bool = False,
) -> BackupWish | None:
    """The wish for one database; None where nothing is backed up.

    `part` has its way already (None: undecided); `skipped` says that somebody decided not to wait. Read-only. What is
    found out on the way goes into `noticed`; what cannot be found out is a sentence there, never an error.
    """
    if backups is None:
        return None
    wait, why = _waiting(database, part, skipped=skipped)
    plan = await _looked_at(database.name, backups, noticed, wait=wait)
    if plan is None:
        return BackupWish(wait=wait, why=why)
    noticed.checks += [
        Check(
            name=f"backup of {database.name}: {check.name}",
            ok=check.ok,
            detail=check.detail,
            required=check.required and wait,
        )
        for check in plan.checks
    ]
    for warning in plan.warnings:
        noticed.warn(f"Backup of {database.name}: {warning.text}", warning.level)
    return BackupWish(wait=wait, why=why, expected_bytes=plan.expected_bytes, expected_s=plan.expected_s)


def _waiting(database: Database, part: DatabasePart, *, skipped: bool) -> tuple[bool, str]:
    """Whether the rollback waits, and why: a sentence's second half."""
    if part.changes_data:
        if database.wait_for_backup == "never":
            return False, "although its data is changed: kaeru.yml has `wait_for_backup: never`"
        return True, "because its data is changed"
    if skipped:
        return False, "as was decided in this incident"
    if database.wait_for_backup == "always":
        return True, "because kaeru.yml has `wait_for_backup: always`"
    return False, "because its data is not changed"


async def _looked_at(name: str, backups: Backups, noticed: Noticed, *, wait: bool) -> BackupPlan | None:
    what = f"The database {name}"
    try:
        return await reading(backups.plan(), what, READ_S if wait else BRIEFLY_S)
    except PortError as error:
        detail = error.advice
    except Exception as error:  # noqa: BLE001 - a plan without this is better than none
        _log.exception("what a backup of %s would mean could not be found out", name)
        detail = f"kaeru itself failed over it ({type(error).__name__}); the log has the details."
    noticed.checks.append(Check(name=f"backup of {name}", ok=False, detail=detail, required=wait))
    return None
