"""Decisions about what an incident leaves open, and about what leaves it once it is closed."""

from collections.abc import Sequence
from datetime import datetime

from bot.domain import events as e
from bot.domain.base import UserId, refuse
from bot.domain.decide.state import Events
from bot.domain.filing import action_id
from bot.domain.incident import Filing, Incident, Status
from bot.domain.left_open import Left, LeftKind, left_open
from bot.domain.prose import typed

ALL = "all"
"""In the place of ids: whatever is left open."""


def accept_left(incident: Incident, named: Sequence[str], *, by: UserId, now: datetime) -> Events:
    """Accept by name that these stay open, by their ids or keys. What is owed has `by` as its owner from then on."""
    return tuple(_accepted(left, by, now) for left in _chosen(incident, named))


def refuse_left(incident: Incident) -> None:
    """Raises Refusal where something is left open."""
    left = left_open(incident)
    if not left:
        return
    if left[0].kind is LeftKind.OWED:
        refuse(
            f"Something is still suspended because of this rollback, and nobody sees to it: "
            f"{typed(left[0].text)} Press Give back or I see to it in the incident's channel, then close."
        )
    what = " ".join(typed(one.text) for one in left)
    refuse(
        f"This stays open: {what} Settle it, or accept it by name with `/incident close accept`, "
        "or one by one with `/incident accept`."
    )


def file_again(incident: Incident, *, by: UserId, now: datetime) -> Events:
    """Have what has not left yet tried again at once."""
    if incident.status is not Status.CLOSED:
        refuse("Actions are filed and the postmortem is published once the incident is closed.")
    return (e.FilingAsked(at=now, by=by),)


def channel_archived(incident: Incident, channel_id: str, *, now: datetime) -> Events:
    """Silent where that is known."""
    return () if incident.archived_at is not None else (e.ChannelArchived(at=now, channel_id=channel_id),)


def filing_of(incident: Incident, text: str) -> Filing:
    """How far the action with these words has come."""
    return incident.filings.get(action_id(text), Filing())


def _chosen(incident: Incident, named: Sequence[str]) -> tuple[Left, ...]:
    left = left_open(incident)
    if ALL in named:
        return left
    chosen = tuple(one for one in left if one.id in named or one.key in named)
    known = {name for one in chosen for name in (one.id, one.key)}
    for name in named:
        if name not in known:
            there = ", ".join(one.id for one in left)
            refuse(
                f"{name} is not left open here, or not any more. "
                + (f"What is: {there}." if there else "Nothing is.")
            )
    return chosen


def _accepted(left: Left, by: UserId, now: datetime) -> e.Event:
    if left.kind is LeftKind.OWED:
        return e.DebtTakenOver(at=now, by=by, debt_id=left.id)
    return e.DebtAccepted(at=now, by=by, debt_id=left.id, text=left.text)
