"""What plans and forward fixes are after what people decide about them. Part of the fold in `lifecycle`."""

from datetime import datetime
from typing import Any

from bot.domain import events as e
from bot.domain.base import BOT
from bot.domain.incident import ForwardFix, Impossible, Incident, PlanRecord, PlanState, Status
from bot.domain.run import Run, StepState
from bot.domain.ways_back import Way

_AFTER_RUN = frozenset({Status.STUCK, Status.MITIGATED, Status.VERIFIED})

PlanEvent = (
    e.SeveritySet
    | e.PlanRequested
    | e.PlanReady
    | e.PlanBlocked
    | e.PlanSuperseded
    | e.PlanExpired
    | e.PlanRejected
    | e.WayChosen
    | e.ApprovalGiven
    | e.GlassBroken
    | e.ForwardFixReminded
    | e.RollbackApproved
)


def planned(incident: Incident, event: PlanEvent) -> dict[str, Any]:  # noqa: PLR0911 - a table in match form
    """What changes in the incident. Raises Impossible for what cannot be said of the plan that is shown."""
    match event:
        case e.SeveritySet():
            return {**_severity_set(incident, event), "worse": None}
        case e.PlanRequested():
            return _plan_requested(incident, event)
        case e.PlanReady():
            return _record(
                incident,
                event.plan.number,
                state=PlanState.READY,
                plan=event.plan,
                ready_at=event.at,
                to_version=event.plan.to_version,
            )
        case e.PlanBlocked() | e.PlanSuperseded() | e.PlanExpired() | e.PlanRejected():
            return _plan_ended(incident, event)
        case e.WayChosen():
            return _way_chosen(incident, event)
        case e.ApprovalGiven() | e.GlassBroken():
            return _approved(incident, event)
        case e.ForwardFixReminded():
            return _reminded(incident, event)
        case e.RollbackApproved():
            return _run_created(incident, event)


def _severity_set(incident: Incident, event: e.SeveritySet) -> dict[str, Any]:
    changes: dict[str, Any] = {"severity": event.severity, "severity_at": event.at}
    if incident.status in (Status.OPEN, Status.FIXING_FORWARD, Status.DECIDING):
        changes["status"] = Status.DECIDING if event.severity.rolls_back else Status.FIXING_FORWARD
        changes["forward_fix"] = None
        if not event.severity.rolls_back:
            changes["plans"] = _set_aside(incident.plans)
        if event.owner is not None and event.forward_fix_due_at is not None:
            changes["forward_fix"] = ForwardFix(
                owner=event.owner, due_at=event.forward_fix_due_at, since=event.at
            )
    return changes


def _set_aside(plans: tuple[PlanRecord, ...]) -> tuple[PlanRecord, ...]:
    """Whoever approved did so for a rollback at once; if it comes to one later, they are asked again."""
    return tuple(r.model_copy(update={"approvals": ()}) if r.state is PlanState.READY else r for r in plans)


def _way_chosen(incident: Incident, event: e.WayChosen) -> dict[str, Any]:
    """A forward fix leaves the plan where it is, should it come to a rollback after all."""
    if event.way is not Way.FORWARD_FIX:
        return {}
    if event.owner is None or event.forward_fix_due_at is None:
        raise Impossible("a forward fix has an owner and a time")
    fix = ForwardFix(
        owner=event.owner,
        due_at=event.forward_fix_due_at,
        since=event.at,
        database=event.database,
        chosen_by=event.by,
    )
    return {"status": Status.FIXING_FORWARD, "forward_fix": fix, "plans": _set_aside(incident.plans)}


def _plan_requested(incident: Incident, event: e.PlanRequested) -> dict[str, Any]:
    before = incident.record
    # A plan that kaeru makes anew because the world moved is still the choice of whoever named the version.
    kept = before.chosen_by if before is not None and before.wanted == event.wanted else None
    asked = PlanRecord(
        number=event.number,
        wanted=event.wanted,
        requested_at=event.at,
        chosen_by=None if event.wanted is None else kept if event.by == BOT else event.by,
        ways=event.ways,
    )
    older = tuple(_put_away(r) for r in incident.plans)
    changes: dict[str, Any] = {"plans": (*older, asked)}
    if incident.status in _AFTER_RUN:
        changes |= {"status": Status.DECIDING, "mitigated_at": None, "verified_at": None}
        changes["runs"] = tuple(_concluded(run, event.at) for run in incident.runs)
    return changes


def _plan_ended(
    incident: Incident, event: e.PlanBlocked | e.PlanSuperseded | e.PlanExpired | e.PlanRejected
) -> dict[str, Any]:
    """The card dies, and its approvals with it."""
    match event:
        case e.PlanBlocked():
            return _record(incident, event.number, state=PlanState.BLOCKED, note=event.reason)
        case e.PlanExpired():
            return _record(incident, event.number, state=PlanState.EXPIRED, approvals=())
        case e.PlanSuperseded():
            state = PlanState.SUPERSEDED
        case e.PlanRejected():
            state = PlanState.REJECTED
    return _record(incident, event.number, state=state, note=event.reason, approvals=())


def _put_away(record: PlanRecord) -> PlanRecord:
    """Only the plans that were carried out are kept whole beside the newest one."""
    return record if record.state is PlanState.APPROVED else record.model_copy(update={"plan": None})


def _concluded(run: Run, at: datetime) -> Run:
    """A run that a newer plan replaces: what it was still watching is skipped."""
    steps = tuple(
        s.model_copy(update={"state": StepState.SKIPPED})
        if s.state in (StepState.RUNNING, StepState.PENDING)
        else s
        for s in run.steps
    )
    return run.model_copy(update={"steps": steps, "ended_at": run.ended_at or at})


def _record(incident: Incident, number: int, **changes: object) -> dict[str, Any]:
    if not any(r.number == number for r in incident.plans):
        raise Impossible(f"{incident.id} has no plan {number}")
    records = tuple(r.model_copy(update=changes) if r.number == number else r for r in incident.plans)
    return {"plans": records}


def _approved(incident: Incident, event: e.ApprovalGiven | e.GlassBroken) -> dict[str, Any]:
    record = incident.record
    if record is None or record.number != event.number or record.state is not PlanState.READY:
        raise Impossible(f"plan {event.number} of {incident.id} is not open for approval")
    return _record(incident, event.number, approvals=(*record.approvals, event.by))


def _reminded(incident: Incident, event: e.ForwardFixReminded) -> dict[str, Any]:
    fix = incident.forward_fix
    if fix is None:
        raise Impossible(f"{incident.id} has no forward fix to remind of")
    return {"forward_fix": fix.model_copy(update={"due_at": event.due_at, "reminders": fix.reminders + 1})}


def _run_created(incident: Incident, event: e.RollbackApproved) -> dict[str, Any]:
    record = incident.record
    if record is None or record.plan is None or record.number != event.number:
        raise Impossible(f"plan {event.number} of {incident.id} is not the one shown")
    run = Run(
        id=event.run_id,
        plan_number=event.number,
        digest=event.digest,
        from_version=record.plan.from_version,
        to_version=record.plan.to_version,
        approved_at=event.at,
        approved_by=event.approved_by,
        break_glass_reason=event.break_glass_reason,
        steps=event.steps,
    )
    return {**_record(incident, event.number, state=PlanState.APPROVED), "runs": (*incident.runs, run)}
