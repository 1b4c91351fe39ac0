"""What an incident is after its evidence was judged."""

from typing import Any

from bot.domain import events as e
from bot.domain.incident import Incident

EvidenceEvent = e.VerdictReached | e.IncidentLeftUnverified


def judged(incident: Incident, event: EvidenceEvent) -> dict[str, Any]:
    """The changes. Raises Impossible for an unknown run."""
    run = incident.find_run(event.run_id)
    changes: dict[str, Any] = {}
    match event:
        case e.VerdictReached():
            others = tuple(table for table in run.verdicts if table.moment is not event.table.moment)
            changes = {"verdicts": (*others, event.table.lean)}
        case e.IncidentLeftUnverified():
            changes = {"ended_at": event.at, "reason": event.reason, "findings": event.findings}
    changed = run.model_copy(update=changes)
    return {"runs": tuple(changed if one.id == run.id else one for one in incident.runs)}
