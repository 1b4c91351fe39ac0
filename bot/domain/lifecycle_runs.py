"""What a run is after an event that concerns it. Part of the fold in `lifecycle`."""

from typing import Any

from bot.domain import events as e
from bot.domain.evidence import Outcome
from bot.domain.incident import Incident
from bot.domain.run import Step, StepState

RunEvent = (
    e.StepAdded
    | e.StepStarted
    | e.StepFinished
    | e.IncidentMitigated
    | e.IncidentVerified
    | e.RollbackFailed
    | e.IncidentRelapsed
)


def ran(incident: Incident, event: RunEvent) -> dict[str, Any]:
    """What changes in the incident. Raises Impossible for an unknown run."""
    match event:
        case e.StepAdded():
            run = incident.find_run(event.run_id)
            added = Step(id=event.step_id, title=event.title)
            return _run(incident, run.id, steps=(*run.steps, added))
        case e.StepStarted() | e.StepFinished():
            return _stepped(incident, event)
        case e.IncidentMitigated():
            ended = _run(incident, event.run_id, outcome=Outcome.SUCCEEDED, findings=event.findings)
            return {**ended, "mitigated_at": event.at}
        case e.IncidentVerified():
            return {
                **_run(incident, event.run_id, findings=event.findings, ended_at=event.at),
                "verified_at": event.at,
            }
        case e.RollbackFailed():
            return _run(
                incident,
                event.run_id,
                outcome=event.outcome,
                reason=event.reason,
                ended_at=event.at,
                findings=event.findings,
                took_place=event.took_place,
            )
        case e.IncidentRelapsed():
            ended = _run(
                incident,
                event.run_id,
                outcome=Outcome.FAILED,
                reason=event.reason,
                ended_at=event.at,
                findings=event.findings,
            )
            return {**ended, "mitigated_at": None}


def _run(incident: Incident, run_id: str, **changes: object) -> dict[str, Any]:
    incident.find_run(run_id)
    return {"runs": tuple(r.model_copy(update=changes) if r.id == run_id else r for r in incident.runs)}


def _stepped(incident: Incident, event: e.StepStarted | e.StepFinished) -> dict[str, Any]:
    run = incident.find_run(event.run_id)
    if isinstance(event, e.StepStarted):
        step: Step = run.step(event.step_id)
        changed = run.with_step(
            event.step_id,
            state=StepState.RUNNING,
            detail=event.detail,
            started_at=step.started_at or event.at,
        )
    else:
        changed = run.with_step(
            event.step_id,
            state=StepState(event.outcome.value),
            detail=event.detail,
            finished_at=event.at,
            untouched=event.untouched,
            blameless=event.blameless,
        )
        if event.findings:
            changed = changed.model_copy(update={"findings": event.findings})
    return {"runs": tuple(changed if r.id == run.id else r for r in incident.runs)}
