"""What restores are after an event that concerns one. Part of the fold in `lifecycle`."""

from typing import Any

from bot.domain import events as e
from bot.domain.events.databases import RestoreEvent
from bot.domain.incident import Incident
from bot.domain.restores import Restore, RestoreState


def restored(incident: Incident, event: RestoreEvent) -> dict[str, Any]:
    """What changes in the incident. Raises Impossible for an unknown restore."""
    changes: dict[str, Any]
    match event:
        case e.RestoreAsked():
            asked = Restore(
                number=event.number,
                database=event.database,
                backup=event.backup,
                into=event.into,
                replace=event.replace,
                asked_by=event.by,
                asked_at=event.at,
            )
            return {"restores": (*incident.restores, asked)}
        case e.RestorePlanned():
            changes = {
                "state": RestoreState.READY,
                "plan": event.plan,
                "ready_at": event.at,
                "taken": event.taken,
                "others": event.others,
            }
        case e.RestoreBlocked():
            changes = {"state": RestoreState.BLOCKED, "detail": event.reason}
        case e.RestoreApproved():
            changes = {"approvals": (*incident.restore(event.number).approvals, event.by)}
        case e.RestoreRejected():
            changes = {"state": RestoreState.REJECTED, "detail": event.reason}
        case e.RestoreBegun():
            changes = {"state": RestoreState.RUNNING}
        case e.RestoreEnded():
            changes = {"state": RestoreState.ENDED, "outcome": event.outcome, "detail": event.detail}
    incident.restore(event.number)
    changed = (r.model_copy(update=changes) if r.number == event.number else r for r in incident.restores)
    return {"restores": tuple(changed)}
