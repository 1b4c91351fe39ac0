"""Decisions about calling people: when that is due, what came of it, and who is on it."""

from datetime import datetime

from bot.domain import events as e
from bot.domain.base import UserId, refuse
from bot.domain.decide.state import Events, must_be_open
from bot.domain.incident import Incident, Status
from bot.domain.paging import OnCallName, PagerAction, PageRecord, PageState
from bot.domain.policy import mention

_WAITS = (Status.OPEN, Status.FIXING_FORWARD, Status.DECIDING, Status.STUCK)
"""In these nothing happens unless people do it."""
_OVER = (Status.VERIFIED, Status.CLOSED)


def page_due(after: Incident, events: Events, *, wanted: bool) -> Events:
    """What follows `events`, which led to `after`, where people are to be called because of it.

    `wanted` is what the policy of its severity says. Once for the incident, and once more for every relapse; one that
    an alert takes up again is one, too. Never for an exercise, and at once where it turns out to be none. And once
    where an alert is worse than the severity that people chose: whoever fixes forward may sleep by now.
    """
    if not wanted or not after.is_open or after.exercise:
        return ()
    worse = next((x.worse for x in events if isinstance(x, e.AlertReceived) and x.worse is not None), None)
    relapse: e.Happened | None = next((x for x in events if isinstance(x, e.IncidentRelapsed)), None)
    if relapse is None and any(isinstance(event, e.PlanRequested) for event in events):
        heard = (x for x in events if isinstance(x, e.AlertReceived) and not x.opened)
        relapse = next(heard, None)
    if relapse is not None:
        return (e.PageBegun(at=relapse.at, number=len(after.pages) + 1, why="relapsed", severity=worse),)
    decisive = [event for event in events if isinstance(event, e.IncidentDeclared | e.SeveritySet)]
    # Where users are well again, a severity that is corrected calls nobody.
    if decisive and not after.pages and after.mitigated_at is None:
        return (e.PageBegun(at=decisive[-1].at, number=1),)
    real = any(isinstance(event, e.ExerciseMarked) and not event.exercise for event in events)
    if real and after.status in _WAITS and not any(_is_called(page) for page in after.pages):
        return (e.PageBegun(at=events[-1].at, number=len(after.pages) + 1),)
    if worse is not None and after.status in _WAITS and not any(page.severity for page in after.pages):
        return (e.PageBegun(at=events[-1].at, number=len(after.pages) + 1, why="worse", severity=worse),)
    return ()


def _is_called(page: PageRecord) -> bool:
    return page.state is PageState.CALLING or page.may_ring


def is_over(incident: Incident) -> bool:
    """Whether nobody has to be called for it any more."""
    return incident.status in _OVER or incident.exercise


def paged(
    incident: Incident,
    number: int,
    *,
    through: str,
    people: tuple[OnCallName, ...],
    note: str,
    now: datetime,
) -> Events:
    """The pager has taken it; silent where that page is over already."""
    if not _is_calling(incident, number):
        return ()
    return (e.Paged(at=now, number=number, through=through, people=people, note=note),)


def page_failed(
    incident: Incident, number: int, *, through: str, reason: str, unknown: bool, now: datetime
) -> Events:
    """Nobody could be called, or that is `unknown`; silent where that page is over already."""
    if not _is_calling(incident, number):
        return ()
    return (e.PageFailed(at=now, number=number, through=through, reason=reason, unknown=unknown),)


def page_spared(incident: Incident, number: int, *, reason: str, unknown: bool, now: datetime) -> Events:
    """Nobody has to be called any more; whether somebody was is `unknown`."""
    if not _is_calling(incident, number):
        return ()
    return (e.PageSpared(at=now, number=number, reason=reason, unknown=unknown),)


def acknowledge_page(incident: Incident, *, by: UserId, now: datetime) -> Events:
    """Somebody is on it. Anybody may say so, and the first who does is kept."""
    must_be_open(incident)
    record = incident.page
    if record is None:
        refuse("Nobody was paged because of this incident, so there is nothing to acknowledge.")
    if record.resolved or is_over(incident):
        refuse("It is over, and nobody is being called for it.")
    if record.acknowledged_by == by:
        refuse("You have acknowledged it already.")
    if record.acknowledged_by is not None:
        refuse(f"{mention((record.acknowledged_by,))} has acknowledged it already.")
    return (e.PageAcknowledged(at=now, by=by, number=record.number),)


def pager_told(
    incident: Incident, number: int, action: PagerAction, *, through: str, now: datetime
) -> Events:
    """The pager knows; silent where that is known already."""
    if not _is_to_be_told(incident, number, action):
        return ()
    return (e.PagerTold(at=now, number=number, action=action, through=through),)


def pager_not_told(
    incident: Incident, number: int, action: PagerAction, *, through: str, reason: str, now: datetime
) -> Events:
    """The pager could not be told; people have to do it there."""
    if not _is_to_be_told(incident, number, action):
        return ()
    return (e.PageFailed(at=now, number=number, action=action, through=through, reason=reason),)


def may_tell_pager(
    incident: Incident, number: int, action: PagerAction, *, beneath: int | None = None
) -> bool:
    """Whether the pager is to be told this of page `number` as things are now.

    The key of all its pages is the incident: what is said too late would silence a newer one. `beneath` is the number
    of the page for whose sake an older one is resolved.
    """
    if incident.page is None or not _is_to_be_told(incident, number, action):
        return False
    if incident.page.number != (beneath or number):
        return False
    return beneath is not None or is_over(incident) is (action == "resolve")


def _is_calling(incident: Incident, number: int) -> bool:
    record = _record(incident, number)
    return record is not None and record.state is PageState.CALLING


def _is_to_be_told(incident: Incident, number: int, action: PagerAction) -> bool:
    record = _record(incident, number)
    return record is not None and not (record.told if action == "acknowledge" else record.resolved)


def _record(incident: Incident, number: int) -> PageRecord | None:
    return next((one for one in incident.pages if one.number == number), None)
