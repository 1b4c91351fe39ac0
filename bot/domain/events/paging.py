"""People on call, and the alerts that call them."""

from typing import Literal

from bot.domain.alerts import Alert, Suspect
from bot.domain.events.base import Happened
from bot.domain.paging import OnCallName, PagerAction, Why
from bot.domain.severity import Severity


class PageBegun(Happened):
    """Whoever is on call is called from here on. `number` counts the pages of the incident from 1.

    `severity` is that of an alert which is worse than the incident's own.
    """

    type: Literal["page_begun"] = "page_begun"
    number: int
    why: Why = "declared"
    severity: Severity | None = None


class Paged(Happened):
    """The pager has taken it; `people` are those it names as on call, `through` is whose on-call it is."""

    type: Literal["paged"] = "paged"
    number: int
    through: str
    people: tuple[OnCallName, ...] = ()
    note: str = ""


class PageFailed(Happened):
    """The pager could not be told; `reason` is in sentences with what to do. With `unknown` it may have been."""

    type: Literal["page_failed"] = "page_failed"
    number: int
    action: PagerAction = "page"
    through: str = ""
    reason: str
    unknown: bool = False


class PageSpared(Happened):
    """Nobody had to be called any more; with `unknown` somebody may have been, and the pager is told what follows."""

    type: Literal["page_spared"] = "page_spared"
    number: int
    reason: str
    unknown: bool = False


class PageAcknowledged(Happened):
    """Somebody is on it."""

    type: Literal["page_acknowledged"] = "page_acknowledged"
    number: int


class PagerTold(Happened):
    """The pager knows that somebody is on it, or that it is over."""

    type: Literal["pager_told"] = "pager_told"
    number: int
    action: PagerAction
    through: str = ""


class AlertReceived(Happened):
    """A monitoring system said something. `opened` is whether the incident began by it; `suspects` come newest first.

    `worse` is how bad it is by the alert, where people have chosen a severity that is milder.
    """

    type: Literal["alert_received"] = "alert_received"
    alert: Alert
    opened: bool = False
    suspects: tuple[Suspect, ...] = ()
    worse: Severity | None = None
