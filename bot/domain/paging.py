"""Calling whoever is on call because of an incident: when it is due, and where it stands."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from bot.domain.base import UserId, Value
from bot.domain.severity import Severity

Why = Literal["declared", "relapsed", "worse"]
PagerAction = Literal["page", "acknowledge", "resolve"]


class OnCallName(Value):
    """Somebody on call, as the pager names them. `level` 1 is called first; `user` is their Slack id, if known."""

    name: str
    level: int = 1
    user: UserId | None = None


class PageState(StrEnum):
    CALLING = "calling"
    CALLED = "called"
    FAILED = "failed"
    SPARED = "spared"


class PageRecord(Value):
    """One call of the people on call. `number` counts them within the incident, from 1.

    `severity` is that of an alert which was worse than the incident's own. `through` is whose on-call it was, `note` what was left out. `reason` says why nobody could be called, or was
    not; with `unknown` somebody may have been all the same. `told` is whether the pager knows of the
    acknowledgement, `resolved` whether it knows that it is over; `trouble` says why it could not be told.
    """

    number: int
    why: Why = "declared"
    severity: Severity | None = None
    begun_at: datetime
    state: PageState = PageState.CALLING
    through: str = ""
    people: tuple[OnCallName, ...] = ()
    called_at: datetime | None = None
    note: str = ""
    reason: str = ""
    unknown: bool = False
    acknowledged_by: UserId | None = None
    acknowledged_at: datetime | None = None
    told: bool = False
    resolved: bool = False
    trouble: str = ""

    @property
    def may_ring(self) -> bool:
        """Whether the pager may still be calling people for it."""
        maybe = self.state in (PageState.FAILED, PageState.SPARED) and self.unknown
        return (self.state is PageState.CALLED or maybe) and not self.resolved


def on_call_users(pages: tuple[PageRecord, ...]) -> tuple[UserId, ...]:
    """Everybody who was called and is known in Slack, each once."""
    return tuple(dict.fromkeys(one.user for page in pages for one in page.people if one.user is not None))
