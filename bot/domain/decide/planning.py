"""Decisions about plans: asking for one, replacing it, taking it in."""

from collections.abc import Sequence
from datetime import datetime

from bot.domain import events as e
from bot.domain.alerts import Alert, Suspect
from bot.domain.base import BOT, UserId, Version, refuse
from bot.domain.databases import ChosenWay
from bot.domain.decide.state import ALIVE, Events, is_alive, must_be_open, must_not_run
from bot.domain.incident import Incident, PlanState, Status
from bot.domain.plan import Plan
from bot.domain.policy import Policy, check_may_decide


def declare(
    *,
    incident_id: str,
    service: str,
    by: UserId,
    source_channel: str | None,
    wanted: Version | None,
    detected_at: datetime | None,
    databases: Sequence[str] = (),
    alert: Alert | None = None,
    suspects: Sequence[Suspect] = (),
    exercise: bool = False,
    now: datetime,
) -> Events:
    """A new incident, the request for its first plan, and the backups of these `databases`.

    With an `alert` it began by that, and `suspects` are the deploys that are likely behind it.
    """
    heard = e.AlertReceived(at=now, alert=alert, opened=True, suspects=tuple(suspects)) if alert else None
    return (
        e.IncidentDeclared(
            at=now,
            by=by,
            incident_id=incident_id,
            service=service,
            source_channel=source_channel,
            wanted=wanted,
            detected_at=detected_at,
            exercise=exercise,
        ),
        e.PlanRequested(at=now, by=by, number=1, wanted=wanted),
        *(e.BackupBegun(at=now, by=by, database=name, number=1) for name in databases),
        *((heard,) if heard else ()),
    )


def join(
    incident: Incident,
    *,
    by: UserId,
    source_channel: str | None,
    wanted: Version | None,
    policy: Policy,
    now: datetime,
) -> Events:
    """A second `/rollback` of the same service: it joins.

    Where an approver names another version it replans, and so it does for anybody where no plan is alive.
    """
    events: Events = ()
    if by not in (incident.declared_by, *incident.joined):
        events += (e.SomeoneJoined(at=now, by=by, source_channel=source_channel),)
    record = incident.record
    alive = is_alive(record)
    if wanted is None:
        # Of a verified incident: whoever types it sees that it is not well any more.
        if incident.status not in (Status.DECIDING, Status.VERIFIED) or alive:
            return events
        return events + replan(incident, wanted=None, by=by, now=now, reason="a rollback was asked for again")
    if incident.status is Status.ROLLING_BACK or not policy.allows(by):
        return events
    if alive and record and wanted in (record.wanted, record.to_version):
        return events
    return events + choose_version(incident, wanted=wanted, by=by, now=now, reason=f"{wanted} was asked for")


def request_plan(incident: Incident, *, by: UserId, now: datetime, wanted: Version | None = None) -> Events:
    """Ask for a plan where none is alive: after an expiry, a rejection, or a block."""
    must_be_open(incident)
    must_not_run(incident)
    record = incident.record
    if is_alive(record):
        refuse("There is a newer plan already; look at the newest card.")
    ways = decided_so_far(incident)
    return replan(incident, wanted=wanted, by=by, now=now, reason="a fresh plan was asked for", ways=ways)


def choose_version(
    incident: Incident,
    *,
    wanted: Version | None,
    by: UserId,
    now: datetime,
    reason: str,
    policy: Policy | None = None,
) -> Events:
    """Another target version: the open card dies, a new plan is made."""
    must_be_open(incident)
    must_not_run(incident)
    if policy is not None:
        check_may_decide(policy, by)
    return replan(incident, wanted=wanted, by=by, now=now, reason=reason)


def world_moved(incident: Incident, *, number: int, reason: str, now: datetime) -> Events:
    """What the plan was made against is no longer so. Silent where that plan is not alive any more."""
    record = incident.record
    if (
        record is None
        or record.number != number
        or record.state is not PlanState.READY
        or not incident.is_open
    ):
        return ()
    ways = decided_so_far(incident)
    return replan(incident, wanted=record.wanted, by=BOT, now=now, reason=reason, ways=ways)


def replan(
    incident: Incident,
    *,
    wanted: Version | None,
    by: UserId,
    now: datetime,
    reason: str,
    ways: Sequence[ChosenWay] = (),
) -> Events:
    """Ask for the next plan; the one that is alive dies. `ways` are what was decided about databases."""
    record = incident.record
    events: Events = ()
    if record is not None and record.state in ALIVE:
        events += (e.PlanSuperseded(at=now, by=by, number=record.number, reason=reason),)
    number = record.number + 1 if record else 1
    asked = e.PlanRequested(at=now, by=by, number=number, wanted=wanted, reason=reason, ways=tuple(ways))
    return (*events, asked)


def decided_so_far(incident: Incident) -> tuple[ChosenWay, ...]:
    """What the next plan of the same rollback takes over of what was decided about databases.

    Whether it still fits is for the plan to find out. To reject a plan is to reject that as well, and what was
    decided for a rollback that was carried out is used up.
    """
    record = incident.record
    if record is None or record.state in (PlanState.REJECTED, PlanState.APPROVED):
        return ()
    return record.ways


def plan_ready(incident: Incident, plan: Plan, *, now: datetime) -> Events:
    """Accept a finished plan, unless another number is being made by now."""
    return (e.PlanReady(at=now, plan=plan),) if _is_arming(incident, plan.number) else ()


def plan_blocked(incident: Incident, *, number: int, reason: str, now: datetime) -> Events:
    return (e.PlanBlocked(at=now, number=number, reason=reason),) if _is_arming(incident, number) else ()


def _is_arming(incident: Incident, number: int) -> bool:
    record = incident.record
    arming = record is not None and record.number == number and record.state is PlanState.ARMING
    return arming and incident.is_open
