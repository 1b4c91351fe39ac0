"""The decisions: a state, a command, the facts and the time in; the events that follow out.

Nothing here reads a clock or a database. A person's mistake raises `Refusal` with a sentence for them.
"""

from datetime import datetime, timedelta

from bot.domain import events as e
from bot.domain.base import BOT, Refusal, UserId, Version, refuse
from bot.domain.incident import Incident, PlanRecord, PlanState, Status
from bot.domain.lifecycle import evolve
from bot.domain.plan import Check, Plan
from bot.domain.policy import Policy, check_may_approve, check_may_decide, tally
from bot.domain.prose import typed
from bot.domain.run import Step
from bot.domain.severity import Severity

Events = tuple[e.Event, ...]

_LIFELESS = {
    PlanState.ARMING: "The plan is still being made; wait a moment.",
    PlanState.BLOCKED: "There is no plan to decide on. Use Choose version, or fix forward.",
    PlanState.SUPERSEDED: "This plan is out of date; a newer one is below.",
    PlanState.EXPIRED: "This plan has expired. Press Refresh for a new one.",
    PlanState.REJECTED: "This plan was rejected. Use Choose version or /rollback for a new one.",
    PlanState.APPROVED: "This plan is approved already and under way.",
}


def declare(
    *,
    incident_id: str,
    service: str,
    by: UserId,
    source_channel: str | None,
    wanted: Version | None,
    detected_at: datetime | None,
    now: datetime,
) -> Events:
    """A new incident and the request for its first plan."""
    return (
        e.IncidentDeclared(
            at=now,
            by=by,
            incident_id=incident_id,
            service=service,
            source_channel=source_channel,
            wanted=wanted,
            detected_at=detected_at,
        ),
        e.PlanRequested(at=now, by=by, number=1, wanted=wanted),
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
    alive = _is_alive(record)
    if wanted is None:
        # Of a verified incident: whoever types it sees that it is not well any more.
        if incident.status not in (Status.DECIDING, Status.VERIFIED) or alive:
            return events
        return events + _replan(
            incident, wanted=None, by=by, now=now, reason="a rollback was asked for again"
        )
    if incident.status is Status.ROLLING_BACK or not policy.allows(by):
        return events
    if alive and record and wanted in (record.wanted, record.to_version):
        return events
    return events + choose_version(incident, wanted=wanted, by=by, now=now, reason=f"{wanted} was asked for")


_ALIVE = (PlanState.ARMING, PlanState.READY)


def _is_alive(record: PlanRecord | None) -> bool:
    """Whether a plan is on its way to an approval. One that cannot be approved may be replaced by anybody."""
    if record is None or record.state not in _ALIVE:
        return False
    return record.plan is None or not failed_checks(record.plan)


def set_severity(
    incident: Incident,
    severity: Severity,
    *,
    by: UserId,
    policy: Policy,
    policy_so_far: Policy,
    forward_fix_after: timedelta,
    steps: tuple[Step, ...],
    now: datetime,
) -> Events:
    """Set or change the severity; `policy` is the one of the new severity.

    Anybody may say how bad it is. To lower it so far that an open plan is set aside is to reject that plan,
    and takes somebody who may do that by the `policy_so_far`. Where a plan stands open, its approvals are counted again under the new policy. They may suffice now, and
    then the run begins, if `by` is somebody who may decide; `steps` are those of that run.
    """
    _must_be_open(incident)
    if incident.severity is severity:
        refuse(f"The severity is {severity.label} already.")
    if incident.status is Status.DECIDING and not severity.rolls_back and _is_alive(incident.record):
        check_may_decide(policy_so_far, by)
    fixes_forward = not severity.rolls_back and incident.status in (
        Status.OPEN,
        Status.FIXING_FORWARD,
        Status.DECIDING,
    )
    event = e.SeveritySet(
        at=now,
        by=by,
        severity=severity,
        owner=(incident.roles.get("fixer") or incident.declared_by) if fixes_forward else None,
        forward_fix_due_at=now + forward_fix_after if fixes_forward else None,
    )
    return (event, *_recount(evolve(incident, event), by=by, policy=policy, steps=steps, now=now))


def _recount(
    incident: Incident, *, by: UserId, policy: Policy, steps: tuple[Step, ...], now: datetime
) -> Events:
    record = incident.record
    if incident.status is not Status.DECIDING or incident.held_by is not None:
        return ()
    if record is None or record.plan is None or record.state is not PlanState.READY or not record.approvals:
        return ()
    due = expires_at(incident, policy)
    if not policy.allows(by) or (due is not None and now >= due) or failed_checks(record.plan):
        return ()
    count = tally(policy, record.approvals, requesters=incident.requesters)
    if not count.reached:
        return ()
    return (_approved(incident, record.plan, approved_by=count.approvals, steps=steps, by=by, now=now),)


def request_plan(incident: Incident, *, by: UserId, now: datetime, wanted: Version | None = None) -> Events:
    """Ask for a plan where none is alive: after an expiry, a rejection, or a block."""
    _must_be_open(incident)
    _must_not_run(incident)
    record = incident.record
    if _is_alive(record):
        refuse("There is a newer plan already; look at the newest card.")
    return _replan(incident, wanted=wanted, by=by, now=now, reason="a fresh plan was asked for")


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
    _must_be_open(incident)
    _must_not_run(incident)
    if policy is not None:
        check_may_decide(policy, by)
    return _replan(incident, wanted=wanted, by=by, now=now, reason=reason)


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
    return _replan(incident, wanted=record.wanted, by=BOT, now=now, reason=reason)


def _replan(incident: Incident, *, wanted: Version | None, by: UserId, now: datetime, reason: str) -> Events:
    record = incident.record
    events: Events = ()
    if record is not None and record.state in _ALIVE:
        events += (e.PlanSuperseded(at=now, by=by, number=record.number, reason=reason),)
    number = record.number + 1 if record else 1
    return (*events, e.PlanRequested(at=now, by=by, number=number, wanted=wanted, reason=reason))


def plan_ready(incident: Incident, plan: Plan, *, now: datetime) -> Events:
    """Accept a finished plan, unless another number is being made by now."""
    return (e.PlanReady(at=now, plan=plan),) if _is_arming(incident, plan.number) else ()


def plan_blocked(incident: Incident, *, number: int, reason: str, now: datetime) -> Events:
    return (e.PlanBlocked(at=now, number=number, reason=reason),) if _is_arming(incident, number) else ()


def _is_arming(incident: Incident, number: int) -> bool:
    record = incident.record
    arming = record is not None and record.number == number and record.state is PlanState.ARMING
    return arming and incident.is_open


def approve(
    incident: Incident,
    *,
    number: int,
    digest: str,
    by: UserId,
    policy: Policy,
    steps: tuple[Step, ...],
    now: datetime,
) -> Events:
    """One person's approval; with the last one the run comes into being."""
    record, plan = _open_plan(incident, number=number, digest=digest, policy=policy, now=now)
    # Somebody who approved under another policy may complete the quorum of this one by saying it again.
    again = _recount(incident, by=by, policy=policy, steps=steps, now=now) if by in record.approvals else ()
    if again:
        return again
    check_may_approve(policy, by, requesters=incident.requesters, approvals=record.approvals)
    given = e.ApprovalGiven(at=now, by=by, number=number, digest=digest)
    count = tally(policy, (*record.approvals, by), requesters=incident.requesters)
    if not count.reached:
        return (given,)
    return (given, _approved(incident, plan, approved_by=count.approvals, steps=steps, by=by, now=now))


def break_glass(
    incident: Incident,
    *,
    number: int,
    digest: str,
    by: UserId,
    reason: str,
    policy: Policy,
    steps: tuple[Step, ...],
    now: datetime,
) -> Events:
    """Go ahead alone: only Critical, only where the policy has it, only with a reason."""
    record, plan = _open_plan(incident, number=number, digest=digest, policy=policy, now=now)
    check_may_decide(policy, by)
    if incident.severity is not Severity.CRITICAL or not policy.break_glass:
        refuse("Break-glass is for Critical incidents whose policy allows it. Ask for the missing approval.")
    if not reason.strip():
        refuse("Say why it cannot wait for another approval; the reason is kept in the timeline.")
    broken = e.GlassBroken(at=now, by=by, number=number, digest=digest, reason=reason.strip())
    approved_by = tuple(dict.fromkeys((*record.approvals, by)))
    run = _approved(
        incident,
        plan,
        approved_by=approved_by,
        steps=steps,
        by=by,
        now=now,
        break_glass_reason=reason.strip(),
    )
    return (broken, run)


def _approved(
    incident: Incident,
    plan: Plan,
    *,
    approved_by: tuple[UserId, ...],
    steps: tuple[Step, ...],
    by: UserId,
    now: datetime,
    break_glass_reason: str = "",
) -> e.RollbackApproved:
    return e.RollbackApproved(
        at=now,
        by=by,
        run_id=f"{incident.id}-run-{len(incident.runs) + 1}",
        number=plan.number,
        digest=plan.digest,
        approved_by=approved_by,
        steps=steps,
        break_glass_reason=break_glass_reason,
    )


def reject(
    incident: Incident, *, number: int, by: UserId, reason: str, policy: Policy, now: datetime
) -> Events:
    _must_be_open(incident)
    record = _record_of(incident, number)
    if record.state is not PlanState.READY:
        refuse(_LIFELESS[record.state])
    check_may_decide(policy, by)
    return (e.PlanRejected(at=now, by=by, number=number, reason=reason.strip()),)


def hold(incident: Incident, *, by: UserId, reason: str, policy: Policy, now: datetime) -> Events:
    """Nothing new begins while an incident is held; a step that runs is let finish."""
    _must_be_open(incident)
    check_may_decide(policy, by)
    if incident.held_by is not None:
        refuse(f"<@{incident.held_by}> holds this incident already. Release it with /incident hold off.")
    return (e.HoldPlaced(at=now, by=by, reason=reason.strip()),)


def release(
    incident: Incident, *, by: UserId, policy: Policy, steps: tuple[Step, ...], now: datetime
) -> Events:
    """Go on. Approvals that came to suffice while it was held begin the run now."""
    _must_be_open(incident)
    check_may_decide(policy, by)
    if incident.held_by is None:
        refuse("Nothing is on hold here.")
    event = e.HoldReleased(at=now, by=by)
    return (event, *_recount(evolve(incident, event), by=by, policy=policy, steps=steps, now=now))


def roll_back_after_all(incident: Incident, *, by: UserId, now: datetime) -> Events:
    """Leave the forward fix; the plan that was armed meanwhile is shown for approval."""
    if incident.status is not Status.FIXING_FORWARD:
        refuse("No forward fix is under way here.")
    events: Events = (e.RollbackChosen(at=now, by=by),)
    record = incident.record
    if record is None or record.state not in _ALIVE:
        events += _replan(incident, wanted=None, by=by, now=now, reason="a rollback was chosen after all")
    return events


def remind_of_forward_fix(incident: Incident, *, again_after: timedelta, now: datetime) -> Events:
    """Due reminders only; silent otherwise."""
    fix = incident.forward_fix
    if incident.status is not Status.FIXING_FORWARD or fix is None or now < fix.due_at or incident.held_by:
        return ()
    return (e.ForwardFixReminded(at=now, due_at=now + again_after),)


def expires_at(incident: Incident, policy: Policy) -> datetime | None:
    """When the open card dies; None while there is none. The clock starts once people can decide."""
    record = incident.record
    if incident.status is not Status.DECIDING or record is None or record.state is not PlanState.READY:
        return None
    since = max(t for t in (record.ready_at, incident.deciding_since) if t is not None)
    return since + policy.expires_after


def expire(incident: Incident, *, policy: Policy, now: datetime) -> Events:
    """Silent unless the open card's time has come."""
    due = expires_at(incident, policy)
    if due is None or now < due or incident.record is None:
        return ()
    return (e.PlanExpired(at=now, number=incident.record.number),)


def close(
    incident: Incident, *, by: UserId, summary: str, unverified: bool, policy: Policy, now: datetime
) -> Events:
    """Close it. A mitigated incident whose watch window still runs wants an explicit word.

    Closing while a plan stands open is to reject it, and takes somebody who may do that.
    """
    _must_be_open(incident)
    if incident.status is Status.ROLLING_BACK:
        refuse("The rollback is under way; wait until it has ended, then close.")
    if incident.status is Status.MITIGATED and not unverified:
        refuse(
            "The service is being watched and not verified yet. Wait for it, "
            "or close all the same with `/incident close unverified`; the postmortem will say so."
        )
    if incident.status is Status.DECIDING and _is_alive(incident.record):
        check_may_decide(policy, by)
    return (e.IncidentClosed(at=now, by=by, summary=summary.strip()),)


def _open_plan(
    incident: Incident, *, number: int, digest: str, policy: Policy, now: datetime
) -> tuple[PlanRecord, Plan]:
    _must_be_open(incident)
    record = _record_of(incident, number)
    if record.state is not PlanState.READY or record.plan is None:
        refuse(_LIFELESS[record.state])
    if record.plan.digest != digest:
        refuse("This button belongs to an older plan. Look at the newest plan card and decide there.")
    if incident.status is Status.FIXING_FORWARD:
        refuse("A forward fix is under way. Press Roll back after all first.")
    if incident.status is not Status.DECIDING:
        refuse("Choose a severity first; it decides who must approve.")
    if incident.held_by is not None:
        refuse(f"<@{incident.held_by}> put this on hold. Release it first.")
    due = expires_at(incident, policy)
    if due is not None and now >= due:
        refuse(_LIFELESS[PlanState.EXPIRED])
    if failed := failed_checks(record.plan):
        refuse(
            f"The preflight failed, so the rollback would fail too: {failed[0].name}, {typed(failed[0].detail)}. "
            f"Put it right and type `/rollback {incident.service}` again for a new plan, or choose another version."
        )
    return record, record.plan


def failed_checks(plan: Plan) -> tuple[Check, ...]:
    """The preflight checks without which the rollback cannot work."""
    return tuple(check for check in plan.checks if check.required and not check.ok)


def _record_of(incident: Incident, number: int) -> PlanRecord:
    for record in incident.plans:
        if record.number == number:
            return record
    raise Refusal(f"{incident.id} has no plan {number}.")


def _must_be_open(incident: Incident) -> None:
    if not incident.is_open:
        refuse("This incident is closed. Start a new one with /rollback.")


def _must_not_run(incident: Incident) -> None:
    if incident.status is Status.ROLLING_BACK:
        refuse("A rollback is under way; nothing else can be chosen until it has ended.")
