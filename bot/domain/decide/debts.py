"""Decisions about what is suspended in the world: it is noticed once, owned by somebody, and given back once."""

from collections.abc import Sequence
from datetime import datetime

from bot.domain import events as e
from bot.domain.base import BOT, UserId, refuse
from bot.domain.debts import Debt
from bot.domain.decide.state import Events
from bot.domain.incident import Incident, Owed


def debts_seen(incident: Incident, debts: Sequence[Debt], *, now: datetime) -> Events:
    """What is suspended because of this incident, as far as it is news."""
    known = {owed.debt.id for owed in incident.debts}
    return tuple(e.DebtTaken(at=now, debt=debt) for debt in debts if debt.id not in known)


def debt_repaid(incident: Incident, debt_id: str, *, by: UserId = BOT, now: datetime) -> Events:
    """It was given back; silent where that is known. `by` is kaeru where it was found given back by others."""
    known = any(owed.debt.id == debt_id for owed in incident.debts)
    return (e.DebtRepaid(at=now, by=by, debt_id=debt_id),) if known else ()


def take_over_debt(incident: Incident, debt_id: str, *, by: UserId, now: datetime) -> Events:
    """Somebody sees to it outside kaeru: the incident may be closed while it is still suspended."""
    owed = owed_by(incident, debt_id)
    if owed.owner == by:
        return ()
    return (e.DebtTakenOver(at=now, by=by, debt_id=debt_id),)


def owed_by(incident: Incident, debt_id: str) -> Owed:
    """Raises Refusal where that has been given back."""
    for owed in incident.debts:
        if owed.debt.id == debt_id:
            return owed
    return refuse("That has been given back already.")
