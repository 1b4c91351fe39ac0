"""Decisions about the backup of a database: begun once, ended once, tried again, relied on, done without."""

from datetime import datetime

from bot.domain import events as e
from bot.domain.backups import BackupRecord, BackupState, Taken
from bot.domain.base import BOT, UserId, refuse
from bot.domain.decide.planning import replan
from bot.domain.decide.state import ALIVE, Events, must_be_open
from bot.domain.incident import Incident, Status
from bot.domain.plan import Plan
from bot.domain.policy import Policy, check_may_decide


def back_up_again(incident: Incident, database: str, *, by: UserId, now: datetime) -> Events:
    """Another try; silent while one is under way."""
    must_be_open(incident)
    record = incident.backup(database)
    if record is None:
        refuse(
            f"No backup of {database} belongs to this incident. `kaeru backup {incident.service}` takes one."
        )
    if record.state is BackupState.UNDER_WAY:
        return ()
    return (e.BackupBegun(at=now, by=by, database=database, number=record.number + 1),)


def backup_wanted(incident: Incident, database: str, *, approved_at: datetime, now: datetime) -> Events:
    """A rollback waits for a backup that nobody has begun, or that was old when it was approved."""
    record = incident.backup(database)
    if record is None:
        return (e.BackupBegun(at=now, by=BOT, database=database, number=1),)
    if not record.too_old(approved_at) or record.skipped_by is not None:
        return ()
    return (e.BackupBegun(at=now, by=BOT, database=database, number=record.number + 1),)


def backup_taken(incident: Incident, database: str, number: int, taken: Taken, *, now: datetime) -> Events:
    """That try has come to a good end; silent where it is over already."""
    if not _is_under_way(incident, database, number):
        return ()
    return (e.BackupFinished(at=now, database=database, number=number, backup=taken),)


def backup_failed(incident: Incident, database: str, number: int, reason: str, *, now: datetime) -> Events:
    """That try has failed; silent where it is over already."""
    if not _is_under_way(incident, database, number):
        return ()
    return (e.BackupFailed(at=now, database=database, number=number, reason=reason),)


def use_backup(
    incident: Incident, database: str, *, number: int | None, by: UserId, policy: Policy, now: datetime
) -> Events:
    """Rely on a backup in spite of what is said against it. Who decides on rollbacks decides on this."""
    must_be_open(incident)
    record = _record(incident, database, number)
    check_may_decide(policy, by)
    if record.taken is None:
        refuse("There is no backup to rely on yet.")
    if not record.taken.dangers:
        refuse(f"Nothing is said against the backup of {database}: it is used anyway.")
    if record.accepted_by is not None:
        return ()
    return (e.BackupAccepted(at=now, by=by, database=database, number=record.number),)


def skip_backup(
    incident: Incident, database: str, *, number: int | None, by: UserId, policy: Policy, now: datetime
) -> Events:
    """Let the rollback not wait for a backup. Never where it changes that very database.

    A plan that waits for it dies, and is made anew without that: its approvals were for something else.
    """
    must_be_open(incident)
    record = _record(incident, database, number)
    check_may_decide(policy, by)
    plan = plan_in_question(incident)
    part = next((p for p in plan.databases if p.name == database), None) if plan is not None else None
    if part is not None and part.changes_data:
        refuse(
            f"This rollback changes {database} itself, and that is not done without a backup. "
            "Press Back up again, or decide on a way back that leaves the database alone."
        )
    if record.state is BackupState.TAKEN and not record.doubtful:
        refuse(f"The backup of {database} is there already: nothing waits for it.")
    if record.skipped_by is not None:
        return ()
    skipped = e.BackupSkipped(at=now, by=by, database=database, number=record.number)
    waits = part is not None and part.backup is not None and part.backup.wait
    newest = incident.record
    if not waits or incident.status is Status.ROLLING_BACK or newest is None or newest.state not in ALIVE:
        return (skipped,)
    reason = f"the backup of {database} is not waited for any more"
    return (skipped, *replan(incident, wanted=newest.wanted, by=by, now=now, reason=reason))


def plan_in_question(incident: Incident) -> Plan | None:
    """The plan that is carried out, or else the newest one."""
    run = incident.run
    if incident.status is Status.ROLLING_BACK and run is not None:
        return next((r.plan for r in incident.plans if r.number == run.plan_number), None)
    return incident.record.plan if incident.record is not None else None


def _record(incident: Incident, database: str, number: int | None) -> BackupRecord:
    record = incident.backup(database)
    if record is None:
        refuse(f"No backup of {database} belongs to this incident.")
    if number is not None and number != record.number:
        refuse(f"Another backup of {database} was begun since; look at its newest card.")
    return record


def _is_under_way(incident: Incident, database: str, number: int) -> bool:
    record = incident.backup(database)
    return record is not None and record.number == number and record.state is BackupState.UNDER_WAY
