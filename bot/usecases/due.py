"""Which durable workflows an incident's state calls for. Their ids are derived from it: one id, one execution."""

from datetime import datetime

from bot.domain.backups import BackupState
from bot.domain.filing import pending
from bot.domain.incident import Incident, PlanState, Status
from bot.domain.restores import RestoreState
from bot.usecases.paging import due_pages
from bot.usecases.telling import due_notices
from bot.usecases.unfinished import Ends

ARM, ROLLBACK, REPAY, CLOSE = "arm.v1", "rollback.v1", "repay.v1", "close.v1"
BACKUP, DRILL = "backup.v1", "drill.v1"
FILE = "file.v1"
PLAN_RESTORE, RESTORE = "plan-restore.v1", "restore.v1"


def due_workflows(incident: Incident) -> tuple[tuple[str, str, str], ...]:
    """The workflows that this state calls for: (name, workflow id, argument)."""
    due: list[tuple[str, str, str]] = []
    record, run = incident.record, incident.run
    if record is not None and record.state is PlanState.ARMING and incident.is_open:
        plan_id = f"{incident.id}/{record.number}"
        due.append((ARM, f"arm:{plan_id}", plan_id))
    if (
        run is not None
        and run.ended_at is None
        and incident.status in (Status.ROLLING_BACK, Status.MITIGATED)
    ):
        due.append((ROLLBACK, f"rollback:{run.id}", run.id))
    for owed in incident.debts:
        if owed.asked_by is not None:
            attempt = f"{incident.id}/{owed.attempt}"
            due.append((REPAY, f"repay:{attempt}", attempt))
    due += _on_databases(incident)
    due += due_pages(incident)
    if incident.status is Status.CLOSED:
        revision = incident.postmortem_revision + 1
        if incident.postmortem_wanted >= revision:
            # Lessons ask for another try where an earlier one broke down: an id is never started twice.
            workflow_id = f"close:{incident.id}/{revision}/{incident.postmortem_wanted}"
            due.append((CLOSE, workflow_id, f"{incident.id}/{revision}"))
    return (*due, *due_notices(incident))


def due_filings(incident: Incident, ends: Ends, now: datetime | None) -> tuple[tuple[str, str, str], ...]:
    """The same for what leaves a closed incident; without a `now`, only what waits for no moment."""
    attempts = (
        f"{incident.id}/{item.attempt(incident)}"
        for item in pending(incident, tracker=ends.tracker, papers=ends.papers)
        if item.is_due(now)
    )
    return tuple((FILE, f"file:{attempt}", attempt) for attempt in attempts)


def _on_databases(incident: Incident) -> list[tuple[str, str, str]]:
    """What is done to databases: backups that are taken, restores that are planned or made."""
    due: list[tuple[str, str, str]] = []
    for backup in incident.backups:
        if backup.state is BackupState.UNDER_WAY:
            attempt = f"{incident.id}/{backup.database}/{backup.number}"
            due.append((BACKUP, f"backup:{attempt}", attempt))
    for restore in incident.restores:
        restore_id = f"{incident.id}/{restore.number}"
        if restore.state is RestoreState.PLANNING and incident.is_open:
            due.append((PLAN_RESTORE, f"plan-restore:{restore_id}", restore_id))
        if restore.state is RestoreState.RUNNING:
            due.append((RESTORE, f"restore:{restore_id}", restore_id))
    return due
