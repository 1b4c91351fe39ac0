"""Decisions on an open plan: approve, break the glass, reject, hold and release, expire."""

from datetime import datetime

from bot.domain import events as e
from bot.domain.base import UserId, refuse
from bot.domain.databases import undecided
from bot.domain.decide.restoring import must_not_restore
from bot.domain.decide.state import (
    LIFELESS,
    Events,
    backups_in_the_way,
    failed_checks,
    must_be_open,
    record_of,
)
from bot.domain.incident import Incident, PlanRecord, PlanState, Status
from bot.domain.lifecycle import evolve
from bot.domain.plan import Plan
from bot.domain.policy import Policy, alone, check_may_approve, check_may_decide, tally
from bot.domain.prose import typed
from bot.domain.run import Step
from bot.domain.severity import Severity


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
    again = recount(incident, by=by, policy=policy, steps=steps, now=now) if by in record.approvals else ()
    if again:
        return again
    check_may_approve(
        policy, by, requesters=incident.requesters, approvals=record.approvals, deciders=plan.deciders
    )
    given = e.ApprovalGiven(at=now, by=by, number=number, digest=digest)
    count = tally(policy, (*record.approvals, by), requesters=incident.requesters, deciders=plan.deciders)
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
    if alone(approved_by, plan.deciders):
        refuse(
            "You chose what is done to the database, and nobody decides that alone, not even with broken glass. "
            "Somebody else has to approve this plan, or to break the glass."
        )
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


def recount(
    incident: Incident, *, by: UserId, policy: Policy, steps: tuple[Step, ...], now: datetime
) -> Events:
    """The run that begins because approvals suffice under `policy`, if `by` may decide; else nothing."""
    record = incident.record
    if incident.status is not Status.DECIDING or incident.held_by is not None or incident.restoring:
        return ()
    if record is None or record.plan is None or record.state is not PlanState.READY or not record.approvals:
        return ()
    due = expires_at(incident, policy)
    if not policy.allows(by) or (due is not None and now >= due) or failed_checks(record.plan):
        return ()
    if undecided(record.plan.databases) or backups_in_the_way(incident, record.plan):
        return ()
    count = tally(policy, record.approvals, requesters=incident.requesters, deciders=record.plan.deciders)
    if not count.reached:
        return ()
    return (_approved(incident, record.plan, approved_by=count.approvals, steps=steps, by=by, now=now),)


def reject(
    incident: Incident, *, number: int, by: UserId, reason: str, policy: Policy, now: datetime
) -> Events:
    must_be_open(incident)
    record = record_of(incident, number)
    if record.state is not PlanState.READY:
        refuse(LIFELESS[record.state])
    check_may_decide(policy, by)
    return (e.PlanRejected(at=now, by=by, number=number, reason=reason.strip()),)


def hold(incident: Incident, *, by: UserId, reason: str, policy: Policy, now: datetime) -> Events:
    """Nothing new begins while an incident is held; a step that runs is let finish."""
    must_be_open(incident)
    check_may_decide(policy, by)
    if incident.held_by is not None:
        refuse(f"<@{incident.held_by}> holds this incident already. Release it with /incident hold off.")
    return (e.HoldPlaced(at=now, by=by, reason=reason.strip()),)


def release(
    incident: Incident, *, by: UserId, policy: Policy, steps: tuple[Step, ...], now: datetime
) -> Events:
    """Go on. Approvals that came to suffice while it was held begin the run now."""
    must_be_open(incident)
    check_may_decide(policy, by)
    if incident.held_by is None:
        refuse("Nothing is on hold here.")
    event = e.HoldReleased(at=now, by=by)
    return (event, *recount(evolve(incident, event), by=by, policy=policy, steps=steps, now=now))


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


def _open_plan(
    incident: Incident, *, number: int, digest: str, policy: Policy, now: datetime
) -> tuple[PlanRecord, Plan]:
    must_be_open(incident)
    record = record_of(incident, number)
    if record.state is not PlanState.READY or record.plan is None:
        refuse(LIFELESS[record.state])
    if record.plan.digest != digest:
        refuse("This button belongs to an older plan. Look at the newest plan card and decide there.")
    if incident.status is Status.FIXING_FORWARD:
        refuse("A forward fix is under way. Press Roll back after all first.")
    if incident.status is not Status.DECIDING:
        refuse("Choose a severity first; it decides who must approve.")
    if incident.held_by is not None:
        refuse(f"<@{incident.held_by}> put this on hold. Release it first.")
    must_not_restore(incident)
    due = expires_at(incident, policy)
    if due is not None and now >= due:
        refuse(LIFELESS[PlanState.EXPIRED])
    if open_ones := undecided(record.plan.databases):
        refuse(
            f"Nobody has decided yet what is done about the database {open_ones[0].name}: choose one of the ways on "
            f"the plan card, or type `/incident way {open_ones[0].name}`. Then a fresh plan can be approved."
        )
    if failed := failed_checks(record.plan):
        refuse(
            f"The preflight failed, so the rollback would fail too: {failed[0].name}, {typed(failed[0].detail)}. "
            f"Put it right and type `/rollback {incident.service}` again for a new plan, or choose another version."
        )
    if in_the_way := backups_in_the_way(incident, record.plan):
        refuse(
            f"The rollback waits for the {in_the_way[0].name}, and would stop there: {typed(in_the_way[0].detail)}. "
            "This plan can be approved then."
        )
    return record, record.plan
