"""What is owed after an event that concerns it. Part of the fold in `lifecycle`."""

from typing import Any

from bot.domain import events as e
from bot.domain.incident import Incident, Owed

DebtEvent = e.DebtTaken | e.DebtTakenOver | e.RepaymentAsked | e.DebtKept | e.DebtRepaid


def owed(incident: Incident, event: DebtEvent) -> dict[str, Any]:
    """What changes in the incident."""
    match event:
        case e.DebtTaken():
            others = tuple(one for one in incident.debts if one.debt.id != event.debt.id)
            return {"debts": (*others, Owed(debt=event.debt, since=event.at))}
        case e.DebtTakenOver():
            return _owed(incident, event.debt_id, owner=event.by)
        case e.RepaymentAsked():
            # The number of the event itself: no other try of this incident has it.
            return _owed(incident, event.debt_id, asked_by=event.by, attempt=incident.length + 1, note="")
        case e.DebtKept():
            return _owed(incident, event.debt_id, asked_by=None, note=event.reason)
        case e.DebtRepaid():
            return {"debts": tuple(one for one in incident.debts if one.debt.id != event.debt_id)}


def _owed(incident: Incident, debt_id: str, **changes: object) -> dict[str, Any]:
    changed = (o.model_copy(update=changes) if o.debt.id == debt_id else o for o in incident.debts)
    return {"debts": tuple(changed)}
