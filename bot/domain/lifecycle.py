"""Which event may follow which, and what an incident is after it.

`TRANSITIONS` is the whole table. `evolve` is total over it: an event that the status does not allow raises
`Impossible`, a defect of the caller; people's mistakes are refused in `decide`.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from bot.domain import events as e
from bot.domain.base import BOT
from bot.domain.evidence import Outcome
from bot.domain.incident import (
    Action,
    ForwardFix,
    Impossible,
    Incident,
    Owed,
    PlanRecord,
    PlanState,
    Status,
    Worse,
)
from bot.domain.lifecycle_backups import backed_up
from bot.domain.lifecycle_evidence import judged
from bot.domain.lifecycle_filing import filed, with_a_new_revision
from bot.domain.lifecycle_notices import told
from bot.domain.lifecycle_paging import paged
from bot.domain.lifecycle_reports import reported
from bot.domain.lifecycle_traffic import shifted
from bot.domain.restores import Restore, RestoreState
from bot.domain.run import Run, Step, StepState
from bot.domain.ways_back import Way

_ANY = frozenset(Status)
_AFTER_RUN = frozenset({Status.STUCK, Status.MITIGATED, Status.VERIFIED})
_OPEN = _ANY - {Status.CLOSED}
_RUNNING = frozenset({Status.ROLLING_BACK})

# Which statuses allow an event, and where it leads (None: it stays where it is).
TRANSITIONS: dict[type[e.Happened], tuple[frozenset[Status], Status | None]] = {
    e.ChannelOpened: (_ANY, None),
    e.SomeoneJoined: (_OPEN, None),
    e.SeveritySet: (_OPEN, None),  # leads to DECIDING or FIXING_FORWARD before a run; see _severity_set
    e.RoleAssigned: (_OPEN, None),
    e.NoteAdded: (_ANY, None),
    e.ActionAdded: (_ANY, None),
    e.PlanRequested: (_OPEN - _RUNNING, None),  # after a run it leads back to DECIDING; see _plan_requested
    e.PlanReady: (_OPEN, None),
    e.PlanBlocked: (_OPEN, None),
    e.PlanSuperseded: (_OPEN, None),
    e.WayChosen: (
        frozenset({Status.DECIDING}),
        None,
    ),  # a forward fix leads to FIXING_FORWARD; see _way_chosen
    e.PlanExpired: (_OPEN, None),
    e.PlanRejected: (_OPEN, None),
    e.ApprovalGiven: (frozenset({Status.DECIDING}), None),
    e.GlassBroken: (frozenset({Status.DECIDING}), None),
    e.HoldPlaced: (_OPEN, None),
    e.HoldReleased: (_OPEN, None),
    e.RollbackChosen: (frozenset({Status.FIXING_FORWARD, Status.STUCK}), Status.DECIDING),
    e.ForwardFixReminded: (frozenset({Status.FIXING_FORWARD}), None),
    e.RollbackApproved: (frozenset({Status.DECIDING}), Status.ROLLING_BACK),
    e.StepAdded: (_RUNNING, None),
    e.StepStarted: (_RUNNING | {Status.MITIGATED, Status.STUCK}, None),
    e.StepPrinted: (_RUNNING | {Status.MITIGATED, Status.STUCK}, None),
    e.StepFinished: (_RUNNING | {Status.MITIGATED, Status.STUCK}, None),
    e.IncidentMitigated: (_RUNNING, Status.MITIGATED),
    e.IncidentVerified: (frozenset({Status.MITIGATED}), Status.VERIFIED),
    e.RollbackFailed: (_RUNNING, Status.STUCK),
    e.IncidentRelapsed: (frozenset({Status.MITIGATED}), Status.STUCK),
    e.VerdictReached: (_OPEN, None),
    e.IncidentLeftUnverified: (frozenset({Status.MITIGATED}), None),
    e.DebtTaken: (_ANY, None),
    e.DebtTakenOver: (_ANY, None),
    e.RepaymentAsked: (_ANY - _RUNNING, None),
    e.DebtKept: (_ANY, None),
    e.DebtRepaid: (_ANY, None),
    e.BackupBegun: (_OPEN, None),
    e.BackupFinished: (_ANY, None),
    e.BackupFailed: (_ANY, None),
    e.BackupAccepted: (_OPEN, None),
    e.BackupSkipped: (_OPEN, None),
    e.TrafficShifted: (_RUNNING, None),
    e.TrafficAsked: (_RUNNING, None),
    e.TrafficContinued: (_RUNNING, None),
    e.TrafficStopped: (_RUNNING, None),
    e.RestoreAsked: (_OPEN, None),
    e.RestorePlanned: (_OPEN, None),
    e.RestoreBlocked: (_OPEN, None),
    e.RestoreApproved: (_OPEN, None),
    e.RestoreRejected: (_OPEN, None),
    e.RestoreBegun: (_OPEN, None),
    e.RestoreEnded: (_OPEN, None),
    e.PageBegun: (_OPEN, None),
    e.Paged: (_ANY, None),
    e.PageFailed: (_ANY, None),
    e.PageSpared: (_ANY, None),
    e.PageAcknowledged: (_OPEN, None),
    e.PagerTold: (_ANY, None),
    e.AlertReceived: (_ANY, None),
    e.UserReported: (_ANY, None),
    e.UserReportWithdrawn: (_ANY, None),
    e.ExerciseMarked: (_ANY, None),
    e.StakeholdersTold: (_ANY, None),
    e.UpdateWritten: (_ANY, None),
    e.NoticesDue: (_ANY, None),
    e.NoticeSent: (_ANY, None),
    e.NoticeFailed: (_ANY, None),
    e.DeliveryFailed: (_ANY, None),
    e.LessonsRecorded: (_ANY, None),
    e.IncidentClosed: (_OPEN - _RUNNING, Status.CLOSED),
    e.PostmortemPosted: (frozenset({Status.CLOSED}), None),
    e.DebtAccepted: (_ANY, None),
    e.QuarantineLifted: (_ANY, None),
    e.ActionFiled: (_ANY, None),
    e.ActionNotFiled: (_ANY, None),
    e.PostmortemPublished: (_ANY, None),
    e.PostmortemNotPublished: (_ANY, None),
    e.FilingAsked: (_ANY, None),
    e.ChannelArchived: (_ANY, None),
}


def fold(events: Iterable[e.Event]) -> Incident:
    """Rebuild an incident from its events. Raises Impossible where they cannot have happened."""
    incident: Incident | None = None
    for event in events:
        incident = evolve(incident, event)
    if incident is None:
        raise Impossible("an incident begins with IncidentDeclared")
    return incident


def evolve(incident: Incident | None, event: e.Event) -> Incident:
    """The incident after `event`. Raises Impossible if the table does not allow it."""
    if isinstance(event, e.IncidentDeclared):
        if incident is not None:
            raise Impossible("an incident is declared once")
        return _declared(event)
    if incident is None:
        raise Impossible("an incident begins with IncidentDeclared")
    allowed, leads_to = TRANSITIONS[type(event)]
    if incident.status not in allowed:
        raise Impossible(f"{event.type} cannot follow while {incident.id} is {incident.status}")
    changes: dict[str, Any] = _changes(incident, event)
    if leads_to is not None:
        changes.setdefault("status", leads_to)
    if changes.get("status") is Status.DECIDING and incident.status is not Status.DECIDING:
        changes["deciding_since"] = event.at
    return incident.model_copy(update={**changes, "length": incident.length + 1})


def _declared(event: e.IncidentDeclared) -> Incident:
    return Incident(
        id=event.incident_id,
        service=event.service,
        status=Status.OPEN,
        declared_at=event.at,
        declared_by=event.by,
        source_channel=event.source_channel,
        detected_at=event.detected_at,
        exercise=event.exercise,
        declared_as_exercise=event.exercise,
    )


def _changes(incident: Incident, event: e.Event) -> dict[str, Any]:  # noqa: C901, PLR0911, PLR0912, PLR0915 - a table in match form
    match event:
        case e.ChannelOpened():
            return {"channel_id": event.channel_id, "channel_name": event.name}
        case e.SomeoneJoined():
            return {"joined": tuple(dict.fromkeys((*incident.joined, event.by)))}
        case e.SeveritySet():
            return {**_severity_set(incident, event), "worse": None}
        case e.AlertReceived(worse=worse) if worse is not None:
            return {"worse": Worse(severity=worse, number=incident.length + 1)}
        case e.RoleAssigned():
            return _role_assigned(incident, event)
        case e.ActionAdded():
            return {"actions": (*incident.actions, Action(text=event.text, owner=event.owner))}
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
        case e.HoldPlaced():
            return {"held_by": event.by, "hold_reason": event.reason}
        case e.HoldReleased():
            return {"held_by": None, "hold_reason": ""}
        case e.ForwardFixReminded():
            return _reminded(incident, event)
        case e.RollbackApproved():
            return _run_created(incident, event)
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
        case e.VerdictReached() | e.IncidentLeftUnverified():
            return judged(incident, event)
        case e.DebtTaken():
            others = tuple(owed for owed in incident.debts if owed.debt.id != event.debt.id)
            return {"debts": (*others, Owed(debt=event.debt, since=event.at))}
        case e.DebtTakenOver():
            return _owed(incident, event.debt_id, owner=event.by)
        case e.RepaymentAsked():
            # The number of the event itself: no other try of this incident has it.
            return _owed(incident, event.debt_id, asked_by=event.by, attempt=incident.length + 1, note="")
        case e.DebtKept():
            return _owed(incident, event.debt_id, asked_by=None, note=event.reason)
        case e.DebtRepaid():
            return {"debts": tuple(owed for owed in incident.debts if owed.debt.id != event.debt_id)}
        case e.BackupBegun() | e.BackupFinished() | e.BackupFailed() | e.BackupAccepted() | e.BackupSkipped():
            return backed_up(incident, event)
        case e.TrafficShifted() | e.TrafficAsked() | e.TrafficContinued() | e.TrafficStopped():
            return shifted(incident, event)
        case (
            e.PageBegun() | e.Paged() | e.PageFailed() | e.PageSpared() | e.PageAcknowledged() | e.PagerTold()
        ):
            return paged(incident, event)
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
            return _restore(
                incident,
                event.number,
                state=RestoreState.READY,
                plan=event.plan,
                ready_at=event.at,
                taken=event.taken,
                others=event.others,
            )
        case e.RestoreBlocked():
            return _restore(incident, event.number, state=RestoreState.BLOCKED, detail=event.reason)
        case e.RestoreApproved():
            agreed = (*incident.restore(event.number).approvals, event.by)
            return _restore(incident, event.number, approvals=agreed)
        case e.RestoreRejected():
            return _restore(incident, event.number, state=RestoreState.REJECTED, detail=event.reason)
        case e.RestoreBegun():
            return _restore(incident, event.number, state=RestoreState.RUNNING)
        case e.RestoreEnded():
            return _restore(
                incident,
                event.number,
                state=RestoreState.ENDED,
                outcome=event.outcome,
                detail=event.detail,
            )
        case e.UserReported() | e.UserReportWithdrawn():
            return reported(incident, event)
        case e.ExerciseMarked():
            return {"exercise": event.exercise, "declared_as_exercise": False}
        case e.NoticesDue() | e.NoticeSent() | e.NoticeFailed():
            return told(incident, event)
        case e.LessonsRecorded():
            learned = {"root_cause": event.root_cause, "lessons": event.lessons, "impact": event.impact}
            again = incident.postmortem_wanted + (incident.status is Status.CLOSED)
            return {**learned, "postmortem_wanted": again}
        case e.IncidentClosed():
            closed = {"closed_at": event.at, "closed_by": event.by, "summary": event.summary}
            return {**closed, "held_by": None, "postmortem_wanted": incident.postmortem_wanted + 1}
        case e.PostmortemPosted():
            return with_a_new_revision(incident, event)
        case (
            e.ActionFiled()
            | e.ActionNotFiled()
            | e.PostmortemPublished()
            | e.PostmortemNotPublished()
            | e.FilingAsked()
            | e.DebtAccepted()
            | e.QuarantineLifted()
            | e.ChannelArchived()
        ):
            return filed(incident, event)
        case _:
            return {}


def _owed(incident: Incident, debt_id: str, **changes: object) -> dict[str, Any]:
    changed = (o.model_copy(update=changes) if o.debt.id == debt_id else o for o in incident.debts)
    return {"debts": tuple(changed)}


def _restore(incident: Incident, number: int, **changes: object) -> dict[str, Any]:
    incident.restore(number)
    changed = (r.model_copy(update=changes) if r.number == number else r for r in incident.restores)
    return {"restores": tuple(changed)}


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


def _role_assigned(incident: Incident, event: e.RoleAssigned) -> dict[str, Any]:
    changes: dict[str, Any] = {"roles": {**incident.roles, event.role: event.user}}
    if event.role == "fixer" and incident.forward_fix is not None:
        changes["forward_fix"] = incident.forward_fix.model_copy(update={"owner": event.user})
    return changes


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
