"""Decisions about bringing a backup back: asked for by one, agreed to by two, done once."""

from collections.abc import Sequence
from datetime import datetime

from bot.domain import events as e
from bot.domain.base import UserId, refuse
from bot.domain.decide.state import Events, must_be_open
from bot.domain.evidence import Outcome
from bot.domain.incident import Incident, Status
from bot.domain.lifecycle import evolve
from bot.domain.policy import Policy, check_may_decide, mention
from bot.domain.prose import typed
from bot.domain.restores import PERSONS, Restore, RestorePlan, RestoreState, Shelved

_LIFELESS = {
    RestoreState.PLANNING: "The plan of this restore is still being made; wait a moment.",
    RestoreState.BLOCKED: "There is no plan for this restore. Press Try again, or choose another backup.",
    RestoreState.REJECTED: "This restore was set aside. Ask for another one with `/incident restore`.",
    RestoreState.RUNNING: "This restore is under way already.",
    RestoreState.ENDED: "This restore has ended. Ask for another one with `/incident restore`.",
}
_WAITING = (RestoreState.PLANNING, RestoreState.READY, RestoreState.BLOCKED)


def ask_restore(
    incident: Incident,
    *,
    database: str,
    backup: str,
    into: str,
    replace: bool,
    by: UserId,
    policy: Policy,
    now: datetime,
) -> Events:
    """Ask for a restore's plan. One of the same database that waits for a decision is set aside for it."""
    must_be_open(incident)
    check_may_decide(policy, by)
    if incident.restoring is not None:
        refuse(f"A restore of {typed(incident.restoring.database)} is under way; wait until it has ended.")
    older = tuple(
        e.RestoreRejected(at=now, by=by, number=one.number, reason="another restore was asked for")
        for one in incident.restores
        if one.database == database and one.state in _WAITING
    )
    number = len(incident.restores) + 1
    asked = e.RestoreAsked(
        at=now, by=by, number=number, database=database, backup=backup, into=into, replace=replace
    )
    return (*older, asked)


def ask_again(
    incident: Incident, number: int, *, backup: str | None, by: UserId, policy: Policy, now: datetime
) -> Events:
    """The same restore once more, planned afresh; with another `backup` where one is named."""
    asked = incident.restore(number)
    return ask_restore(
        incident,
        database=asked.database,
        backup=asked.backup if backup is None else backup,
        into=asked.into,
        replace=asked.replace,
        by=by,
        policy=policy,
        now=now,
    )


def restore_planned(
    incident: Incident,
    number: int,
    plan: RestorePlan,
    others: Sequence[Shelved],
    *,
    taken: Shelved | None = None,
    now: datetime,
) -> Events:
    """Accept a finished plan; silent where it is not waited for any more."""
    if not _is_planning(incident, number):
        return ()
    return (e.RestorePlanned(at=now, number=number, plan=plan, taken=taken, others=tuple(others)),)


def restore_blocked(incident: Incident, number: int, reason: str, *, now: datetime) -> Events:
    return (e.RestoreBlocked(at=now, number=number, reason=reason),) if _is_planning(incident, number) else ()


def approve_restore(
    incident: Incident, *, number: int, digest: str, by: UserId, policy: Policy, now: datetime
) -> Events:
    """One person's agreement; with that of the second one it begins. Whoever asked for it may be one of the two."""
    must_be_open(incident)
    restore = incident.restore(number)
    if restore.state is not RestoreState.READY:
        refuse(_LIFELESS[restore.state])
    if restore.digest != digest:
        refuse(
            "This button belongs to an older plan of the restore. Look at the newest card and decide there."
        )
    check_may_decide(policy, by)
    if restore.ready_at is not None and now >= restore.ready_at + policy.expires_after:
        refuse("This plan has expired, and the database may have moved on. Press Fresh plan.")
    if failed := restore.failed_checks:
        refuse(
            f"The restore would fail: {failed[0].name}, {typed(failed[0].detail)}. Put it right and press Try again."
        )
    if by in restore.approvals:
        others = [user for user in policy.approvers if user not in restore.approvals]
        refuse(
            f"You have agreed already; a second person has to. Ask {mention(others) if others else 'someone else'}."
        )
    must_not_restore(incident)
    if incident.held_by is not None:
        refuse(f"<@{incident.held_by}> put this on hold. Release it first.")
    if incident.status is Status.ROLLING_BACK:
        refuse("A rollback is under way; wait until it has ended, then agree to the restore.")
    given = e.RestoreApproved(at=now, by=by, number=number, digest=digest)
    agreed = {user for user in evolve(incident, given).restore(number).approvals if policy.allows(user)}
    if len(agreed) < PERSONS:
        return (given,)
    return (given, e.RestoreBegun(at=now, by=by, number=number))


def reject_restore(incident: Incident, *, number: int, by: UserId, policy: Policy, now: datetime) -> Events:
    must_be_open(incident)
    restore = incident.restore(number)
    if restore.state not in _WAITING:
        refuse(_LIFELESS[restore.state])
    check_may_decide(policy, by)
    return (e.RestoreRejected(at=now, by=by, number=number),)


def restore_ended(incident: Incident, number: int, outcome: Outcome, detail: str, *, now: datetime) -> Events:
    """Silent where that is known."""
    if incident.restore(number).state is not RestoreState.RUNNING:
        return ()
    return (e.RestoreEnded(at=now, number=number, outcome=outcome, detail=detail),)


def must_not_restore(incident: Incident) -> None:
    """Raises Refusal while a database is being replaced: nothing else is begun meanwhile."""
    restore: Restore | None = incident.restoring
    if restore is not None:
        refuse(f"A restore of {typed(restore.database)} is under way; wait until it has ended.")


def _is_planning(incident: Incident, number: int) -> bool:
    return incident.is_open and incident.restore(number).state is RestoreState.PLANNING
