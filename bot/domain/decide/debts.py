"""Decisions about what is suspended in the world: it is noticed once, owned by somebody, and given back once."""

from collections.abc import Sequence
from datetime import datetime

from bot.domain import events as e
from bot.domain.base import BOT, UserId, refuse
from bot.domain.debts import Debt
from bot.domain.decide.state import Events
from bot.domain.incident import Incident, Owed, Status
from bot.domain.policy import Policy, check_may_decide


def debts_seen(incident: Incident, debts: Sequence[Debt], *, now: datetime) -> Events:
    """What is suspended because of this incident, as far as it is news."""
    known = {owed.debt.id for owed in incident.debts}
    return tuple(e.DebtTaken(at=now, debt=debt) for debt in debts if debt.id not in known)


def debt_repaid(incident: Incident, debt_id: str, *, by: UserId = BOT, now: datetime) -> Events:
    """It was given back; silent where that is known. `by` is kaeru where it was found given back by others.

    Found while kaeru itself gives it back, it is the work of whoever asked for that.
    """
    for owed in incident.debts:
        if owed.debt.id == debt_id:
            whose = owed.asked_by if by == BOT and owed.asked_by is not None else by
            return (e.DebtRepaid(at=now, by=whose, debt_id=debt_id, text=owed.debt.text),)
    return ()


def give_back(incident: Incident, named: str, *, by: UserId, policy: Policy, now: datetime) -> Events:
    """Ask kaeru to give it back; silent where that is under way. Who decides on rollbacks decides on this."""
    owed = owed_by(incident, named)
    check_may_decide(policy, by)
    _must_not_run(incident)
    if owed.asked_by is not None:
        return ()
    return (e.RepaymentAsked(at=now, by=by, debt_id=owed.debt.id),)


def debt_kept(incident: Incident, debt_id: str, *, attempt: int, reason: str, now: datetime) -> Events:
    """That attempt to give it back has failed; silent where another one or none is under way."""
    for owed in incident.debts:
        if owed.debt.id == debt_id and owed.attempt == attempt and owed.asked_by is not None:
            return (e.DebtKept(at=now, debt_id=debt_id, reason=reason),)
    return ()


def given_back_by_hand(
    incident: Incident, named: str, *, by: UserId, policy: Policy, now: datetime
) -> Events:
    """A person says that they gave it back where kaeru could not; offered only after kaeru has tried."""
    owed = owed_by(incident, named)
    check_may_decide(policy, by)
    if not owed.note:
        refuse("kaeru has not tried yet. Press Give back first.")
    return debt_repaid(incident, owed.debt.id, by=by, now=now)


def take_over_debt(incident: Incident, named: str, *, by: UserId, now: datetime) -> Events:
    """Somebody sees to it outside kaeru: the incident may be closed while it is still suspended."""
    owed = owed_by(incident, named)
    if owed.owner == by:
        return ()
    return (e.DebtTakenOver(at=now, by=by, debt_id=owed.debt.id),)


def must_be_seen_to(incident: Incident) -> bool:
    """Whether all that keeps this incident from being closed is something suspended that nobody sees to."""
    return incident.is_open and incident.status is not Status.ROLLING_BACK and bool(incident.unowned)


def owed_by(incident: Incident, named: str) -> Owed:
    """The debt with this id or key. Raises Refusal where that has been given back."""
    for owed in incident.debts:
        if named in (owed.debt.id, owed.debt.key):
            return owed
    return refuse("That has been given back already.")


def _must_not_run(incident: Incident) -> None:
    if incident.status is Status.ROLLING_BACK:
        refuse("The rollback is under way and needs this suspended; wait until it has ended.")
