"""What an incident's backups are after an event that concerns one of them. Part of the fold in `lifecycle`."""

from typing import Any

from bot.domain import events as e
from bot.domain.backups import BackupRecord, BackupState
from bot.domain.incident import Impossible, Incident

BackupEvent = e.BackupBegun | e.BackupFinished | e.BackupFailed | e.BackupAccepted | e.BackupSkipped


def backed_up(incident: Incident, event: BackupEvent) -> dict[str, Any]:
    """What changes in the incident. Raises Impossible for a try that is not the newest one."""
    match event:
        case e.BackupBegun():
            begun = BackupRecord(
                database=event.database, number=event.number, asked_by=event.by, begun_at=event.at
            )
            known = tuple(begun if one.database == event.database else one for one in incident.backups)
            return {"backups": known if begun in known else (*known, begun)}
        case e.BackupFinished():
            changes: dict[str, Any] = {
                "state": BackupState.TAKEN,
                "taken": event.backup,
                "ended_at": event.at,
            }
        case e.BackupFailed():
            changes = {"state": BackupState.FAILED, "reason": event.reason, "ended_at": event.at}
        case e.BackupAccepted():
            changes = {"accepted_by": event.by}
        case e.BackupSkipped():
            changes = {"skipped_by": event.by}
    record = incident.backup(event.database)
    if record is None or record.number != event.number:
        raise Impossible(f"{incident.id} has no backup {event.number} of {event.database}")
    changed = (one.model_copy(update=changes) if one is record else one for one in incident.backups)
    return {"backups": tuple(changed)}
