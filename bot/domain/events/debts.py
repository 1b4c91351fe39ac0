"""What is suspended, and given back."""

from typing import Literal

from bot.domain.debts import Debt
from bot.domain.events.base import Happened


class DebtTaken(Happened):
    """Something was suspended in the world so that the rollback lasts."""

    type: Literal["debt_taken"] = "debt_taken"
    debt: Debt


class DebtTakenOver(Happened):
    """Somebody sees to it outside kaeru that it is given back."""

    type: Literal["debt_taken_over"] = "debt_taken_over"
    debt_id: str


class RepaymentAsked(Happened):
    """Somebody asked kaeru to give it back; that is under way from here on."""

    type: Literal["repayment_asked"] = "repayment_asked"
    debt_id: str


class DebtKept(Happened):
    """It could not be given back and is suspended still; `reason` is a sentence with what to do next."""

    type: Literal["debt_kept"] = "debt_kept"
    debt_id: str
    reason: str


class DebtRepaid(Happened):
    """It is not suspended any more. By kaeru where it was found so; `text` is what was said of it."""

    type: Literal["debt_repaid"] = "debt_repaid"
    debt_id: str
    text: str = ""


class DebtAccepted(Happened):
    """Somebody accepts that this stays open when the incident is closed; `text` says what it is."""

    type: Literal["debt_accepted"] = "debt_accepted"
    debt_id: str
    text: str = ""
