"""Which event may follow which, and what an incident is after it.

`TRANSITIONS` is the whole table. `evolve` is total over it: an event that the status does not allow raises
`Impossible`, a defect of the caller; people's mistakes are refused in `decide`.
"""

from collections.abc import Iterable
from typing import Any

from bot.domain import events as e
from bot.domain.incident import (
    Action,
    Impossible,
    Incident,
    Status,
    Worse,
)
from bot.domain.lifecycle_backups import backed_up
from bot.domain.lifecycle_debts import owed
from bot.domain.lifecycle_evidence import judged
from bot.domain.lifecycle_filing import filed, with_a_new_revision
from bot.domain.lifecycle_notices import told
from bot.domain.lifecycle_paging import paged
from bot.domain.lifecycle_plans import planned
from bot.domain.lifecycle_reports import reported
from bot.domain.lifecycle_restores import restored
from bot.domain.lifecycle_runs import ran
from bot.domain.lifecycle_traffic import shifted

_ANY = frozenset(Status)
_OPEN = _ANY - {Status.CLOSED}
_RUNNING = frozenset({Status.ROLLING_BACK})

# Which statuses allow an event, and where it leads (None: it stays where it is).
TRANSITIONS: dict[type[e.Happened], tuple[frozenset[Status], Status | None]] = {
    e.ChannelOpened: (_ANY, None),
    e.SomeoneJoined: (_OPEN, None),
    e.SeveritySet: (_OPEN, None),  # leads to DECIDING or FIXING_FORWARD before a run; see lifecycle_plans
    e.RoleAssigned: (_OPEN, None),
    e.NoteAdded: (_ANY, None),
    e.ActionAdded: (_ANY, None),
    e.PlanRequested: (_OPEN - _RUNNING, None),  # after a run it leads back to DECIDING; see lifecycle_plans
    e.PlanReady: (_OPEN, None),
    e.PlanBlocked: (_OPEN, None),
    e.PlanSuperseded: (_OPEN, None),
    e.WayChosen: (
        frozenset({Status.DECIDING}),
        None,
    ),  # a forward fix leads to FIXING_FORWARD; see lifecycle_plans
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


def _changes(incident: Incident, event: e.Event) -> dict[str, Any]:  # noqa: C901, PLR0911, PLR0912 - a table in match form
    match event:
        case e.ChannelOpened():
            return {"channel_id": event.channel_id, "channel_name": event.name}
        case e.SomeoneJoined():
            return {"joined": tuple(dict.fromkeys((*incident.joined, event.by)))}
        case e.AlertReceived(worse=worse) if worse is not None:
            return {"worse": Worse(severity=worse, number=incident.length + 1)}
        case e.RoleAssigned():
            return _role_assigned(incident, event)
        case e.ActionAdded():
            return {"actions": (*incident.actions, Action(text=event.text, owner=event.owner))}
        case e.HoldPlaced():
            return {"held_by": event.by, "hold_reason": event.reason}
        case e.HoldReleased():
            return {"held_by": None, "hold_reason": ""}
        case (
            e.SeveritySet()
            | e.PlanRequested()
            | e.PlanReady()
            | e.PlanBlocked()
            | e.PlanSuperseded()
            | e.PlanExpired()
            | e.PlanRejected()
            | e.WayChosen()
            | e.ApprovalGiven()
            | e.GlassBroken()
            | e.ForwardFixReminded()
            | e.RollbackApproved()
        ):
            return planned(incident, event)
        case (
            e.StepAdded()
            | e.StepStarted()
            | e.StepFinished()
            | e.IncidentMitigated()
            | e.IncidentVerified()
            | e.RollbackFailed()
            | e.IncidentRelapsed()
        ):
            return ran(incident, event)
        case e.DebtTaken() | e.DebtTakenOver() | e.RepaymentAsked() | e.DebtKept() | e.DebtRepaid():
            return owed(incident, event)
        case (
            e.RestoreAsked()
            | e.RestorePlanned()
            | e.RestoreBlocked()
            | e.RestoreApproved()
            | e.RestoreRejected()
            | e.RestoreBegun()
            | e.RestoreEnded()
        ):
            return restored(incident, event)
        case e.VerdictReached() | e.IncidentLeftUnverified():
            return judged(incident, event)
        case e.BackupBegun() | e.BackupFinished() | e.BackupFailed() | e.BackupAccepted() | e.BackupSkipped():
            return backed_up(incident, event)
        case e.TrafficShifted() | e.TrafficAsked() | e.TrafficContinued() | e.TrafficStopped():
            return shifted(incident, event)
        case (
            e.PageBegun() | e.Paged() | e.PageFailed() | e.PageSpared() | e.PageAcknowledged() | e.PagerTold()
        ):
            return paged(incident, event)
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
        case (
            e.IncidentDeclared()  # see _declared
            | e.NoteAdded()
            | e.RollbackChosen()
            | e.AlertReceived()
            | e.StepPrinted()
            | e.StakeholdersTold()
            | e.UpdateWritten()
            | e.DeliveryFailed()
        ):
            return {}


def _role_assigned(incident: Incident, event: e.RoleAssigned) -> dict[str, Any]:
    changes: dict[str, Any] = {"roles": {**incident.roles, event.role: event.user}}
    if event.role == "fixer" and incident.forward_fix is not None:
        changes["forward_fix"] = incident.forward_fix.model_copy(update={"owner": event.user})
    return changes
