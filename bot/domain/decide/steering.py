"""Decisions about the incident as a whole: how bad it is, which way out, and its end."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.domain import events as e
from bot.domain.base import BOT, UserId, refuse
from bot.domain.decide.approving import recount
from bot.domain.decide.leaving import accept_left, refuse_left
from bot.domain.decide.planning import replan
from bot.domain.decide.restoring import must_not_restore
from bot.domain.decide.state import ALIVE, Events, is_alive, must_be_open
from bot.domain.evidence import Outcome
from bot.domain.incident import Incident, Status
from bot.domain.lifecycle import evolve
from bot.domain.policy import Policy, check_may_decide
from bot.domain.run import Step
from bot.domain.severity import Severity


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
    must_be_open(incident)
    if incident.severity is severity:
        refuse(f"The severity is {severity.label} already.")
    if incident.status is Status.DECIDING and not severity.rolls_back and is_alive(incident.record):
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
        owner=(incident.roles.get("fixer") or _declarer(incident, by)) if fixes_forward else None,
        forward_fix_due_at=now + forward_fix_after if fixes_forward else None,
    )
    return (event, *recount(evolve(incident, event), by=by, policy=policy, steps=steps, now=now))


def _declarer(incident: Incident, by: UserId) -> UserId:
    """Whoever declared it; of one that began by an alert, whoever says how bad it is."""
    return by if incident.declared_by == BOT else incident.declared_by


def roll_back_after_all(incident: Incident, *, by: UserId, now: datetime) -> Events:
    """Leave the forward fix; the plan that was armed meanwhile is shown for approval."""
    if incident.status is not Status.FIXING_FORWARD:
        refuse("No forward fix is under way here.")
    events: Events = (e.RollbackChosen(at=now, by=by),)
    record = incident.record
    if record is None or record.state not in ALIVE:
        events += replan(incident, wanted=None, by=by, now=now, reason="a rollback was chosen after all")
    return events


def remind_of_forward_fix(incident: Incident, *, again_after: timedelta, now: datetime) -> Events:
    """Due reminders only; silent otherwise."""
    fix = incident.forward_fix
    if incident.status is not Status.FIXING_FORWARD or fix is None or now < fix.due_at or incident.held_by:
        return ()
    return (e.ForwardFixReminded(at=now, due_at=now + again_after),)


def why_unverified(incident: Incident) -> str:
    """Why nobody may take it for granted that users are well, and what to do; empty where they were seen to be.

    Where nothing was rolled back, whoever closes it knows better than kaeru.
    """
    run = incident.run
    if incident.left_unverified and run is not None:
        return f"It was watched and could not be verified ({run.reason}). Look at what is missing"
    if incident.status is Status.MITIGATED:
        return "The service is being watched and not verified yet. Wait for it"
    if run is None or incident.verified_at is not None:
        return ""
    how = "was not verified" if run.outcome is Outcome.SUCCEEDED else "did not succeed"
    return (
        f"The last rollback, to {run.to_version}, {how}, so nothing shows that users are well. "
        "Choose another version"
    )


def close(
    incident: Incident,
    *,
    by: UserId,
    summary: str,
    unverified: bool,
    policy: Policy,
    now: datetime,
    accept: Sequence[str] = (),
) -> Events:
    """Close it. One whose rollback was not verified wants an explicit word.

    Closing while a plan stands open is to reject it, and takes somebody who may do that. What is left open has to
    be settled before, or accepted by somebody's name: `accept` are those that `by` accepts with this.
    """
    must_be_open(incident)
    if incident.status is Status.ROLLING_BACK:
        if incident.run is not None and incident.run.traffic.asked:
            refuse(
                "The rollback waits for somebody to say whether users come back any further: press Continue or "
                "Stop, or `/incident traffic continue` or `/incident traffic stop`; then close."
            )
        refuse("The rollback is under way; wait until it has ended, then close.")
    must_not_restore(incident)
    if not unverified and (why := why_unverified(incident)):
        refuse(f"{why}, or close all the same with `/incident close unverified`; the postmortem will say so.")
    accepted = accept_left(incident, accept, by=by, now=now)
    after = incident
    for event in accepted:
        after = evolve(after, event)
    refuse_left(after)
    if incident.status is Status.DECIDING and is_alive(incident.record):
        check_may_decide(policy, by)
    return (*accepted, e.IncidentClosed(at=now, by=by, summary=summary.strip()))
