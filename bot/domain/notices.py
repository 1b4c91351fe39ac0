"""What people outside of an incident are told, and how much of it each of them may know.

A template is given nothing but a `Known`. What an audience may not know is not in its `Known` at all, so no
template, not even one that a team has written itself, can tell it by mistake.

    engineers    everything, people and versions too
    support      which service, and what the team wrote about users and in summary; kaeru adds no versions, no people
    executives   the same, and how much is left to do
    customers    the public name of what they use, how it is and since when; nothing that anybody wrote

An update is what somebody wrote for exactly the audience that gets it, customers too.
"""

import hashlib
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Protocol

from pydantic import Field

from bot.domain import events as e
from bot.domain.audiences import Addressee, Audience, Moment, Telling
from bot.domain.base import BOT, Value
from bot.domain.evidence import Outcome
from bot.domain.incident import Incident
from bot.domain.prose import Names, escaped, listed, name, plain
from bot.domain.releases import spoken
from bot.domain.severity import Severity


class Effect(StrEnum):
    """How much users have of it, in the words of status pages."""

    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"


class Known(Value):
    """What one audience may know at one moment, in plain text. An empty text or None: not known, or not theirs.

    `service` is what this audience calls it. `thread` is the same for all notices of one incident; for customers
    it is a number that says nothing. Moments are in the zone that was asked for.
    `unsolved`: a rollback was tried, and users are not known to be well. Without one, whoever closes it knows better.
    """

    moment: Moment
    audience: Audience
    thread: str
    service: str
    at: datetime
    began_at: datetime
    effect: Effect | None = None
    meaning: str = ""
    solved: bool = False
    unsolved: bool = False
    verified: bool = False
    lasted: timedelta | None = None
    incident_id: str = ""
    severity: str = ""
    impact: str = ""
    summary: str = ""
    open_actions: int | None = None
    channel: str = ""
    declared_by: str = ""
    responders: str = ""
    from_version: str = ""
    to_version: str = ""
    reason: str = ""
    root_cause: str = ""
    update: str = ""


class Wanting(Protocol):
    """Somebody who wants to be told, and of what."""

    @property
    def audience(self) -> Audience: ...

    @property
    def moments(self) -> Collection[Moment]: ...


class Notice(Value):
    """Something that is told: a subject of one line and a text in paragraphs, both plain."""

    subject: str = Field(min_length=1, max_length=200)
    text: str = Field(min_length=1)
    known: Known


def moment_of(event: e.Event) -> Moment | None:
    """The moment that `event` is for people outside of the incident; None: they are not told of it."""
    return _MOMENTS.get(type(event))


def concerns(incident: Incident, event: e.Event, audience: Audience) -> bool:
    """Whether `audience` is told of `event`, which has a moment; `incident` is the state after it.

    Of what an alert has opened customers begin to hear only when somebody has decided something: it may be nothing.
    """
    return _may_begin(incident, event, audience) and _fits(incident, event, audience)


def _fits(incident: Incident, event: e.Event, audience: Audience) -> bool:
    match event:
        case e.SeveritySet():
            # A label of an alert is nobody's judgement, and they have just heard that it begins.
            return event.by != BOT and incident.is_open and incident.mitigated_at is None
        case e.PlanRequested():
            return taken_up_again(incident, event)
        case e.ExerciseMarked():
            return event.exercise
        case e.UpdateWritten():
            return event.audience is audience
        case e.IncidentClosed():
            # For customers a problem is over once.
            return audience is not Audience.CUSTOMERS or incident.verified_at is None
        case _:
            return True


def taken_up_again(incident: Incident, event: e.PlanRequested) -> bool:
    """Whether it is ill again after its watch had ended well, or unverified; `incident` is the state after it.

    By an alert, or because somebody asked for a rollback again: one to a version that they name may have other reasons.
    """
    run = incident.run
    if run is None or run.ended_at is None or event.wanted is not None:
        return False
    first = run.plan_number == event.number - 1 and incident.deciding_since == event.at
    return first and run.outcome is Outcome.SUCCEEDED and run.ended_at < event.at


def notices_due(incident: Incident, event: e.Event, those: Mapping[str, "Wanting"]) -> e.NoticesDue | None:
    """Who of `those`, by their names in kaeru.yml, is to be told of `event`; None where nobody is.

    `incident` is the state after the event. Of an exercise nobody hears; who has heard of it before it was called so
    is told once that it is one.
    """
    moment = moment_of(event)
    if moment is None:
        return None
    if incident.exercise and moment not in (Moment.EXERCISE, Moment.UPDATE):
        return None
    heard = _have_heard(incident)
    to = tuple(
        Addressee(name=name, audience=one.audience)
        for name, one in those.items()
        if (name in heard if moment is Moment.EXERCISE else moment in one.moments)
        and concerns(incident, event, one.audience)
    )
    if not to:
        return None
    return e.NoticesDue(at=event.at, number=incident.length, moment=moment, addressees=to)


def _may_begin(incident: Incident, event: e.Event, audience: Audience) -> bool:
    """Whether `audience` hears it already, or may begin to with `event`."""
    told = any(
        one.audience is Audience.CUSTOMERS for r in incident.notices if not r.is_update for one in r.to
    )
    if audience is Audience.CUSTOMERS and incident.declared_by == BOT and not told:
        decided = isinstance(event, e.SeveritySet | e.PageAcknowledged | e.RollbackApproved)
        return isinstance(event, e.UpdateWritten) or (decided and event.by != BOT)
    return not isinstance(event, e.PageAcknowledged)


def _have_heard(incident: Incident) -> set[str]:
    """Who may have been told of it, and not since that it is an exercise."""
    last: dict[str, Moment] = {}
    for record in incident.notices:
        if not record.is_update:
            told = (one for one in record.to if one.state not in (Telling.FAILED, Telling.OUTDATED))
            last |= dict.fromkeys((one.name for one in told), record.moment)
    return {name for name, moment in last.items() if moment is not Moment.EXERCISE}


def known(
    incident: Incident,
    event: e.Event,
    audience: Audience,
    *,
    public_name: str,
    names: Names,
    zone: tzinfo,
) -> Known:
    """What `audience` may know when `event` happened; `incident` is the state after it.

    `public_name` is what customers call the service. `names` maps ids of people and channels to display names.
    Raises ValueError for an event that nobody outside is told of.
    """
    moment = moment_of(event)
    if moment is None:
        raise ValueError(f"Nobody outside is told of {event.type}.")
    began = min(t for t in (incident.detected_at, incident.declared_at) if t is not None)
    over = incident.mitigated_at or (incident.closed_at if moment is Moment.CLOSED else None)
    severity = incident.severity
    told = Known(
        moment=moment,
        audience=audience,
        thread=_public_thread(incident),
        service=" ".join(public_name.split()) or "our service",
        at=event.at.astimezone(zone),
        began_at=began.astimezone(zone),
        effect=_EFFECT[severity] if severity else None,
        meaning=_IN_PUBLIC[severity],
        solved=_is_solved(incident),
        unsolved=incident.run is not None and not _is_solved(incident),
        verified=incident.verified_at is not None,
        lasted=max(over - began, timedelta()) if over else None,
        update=_said(event.text, names) if isinstance(event, e.UpdateWritten) else "",
    )
    if audience is Audience.CUSTOMERS:
        return told
    if moment is Moment.EXERCISE:
        # How bad it was, and what it did to users, is not true any more.
        same = {"thread": incident.id, "service": incident.service, "incident_id": incident.id}
        return told.model_copy(update=same)
    run = incident.run
    inside: dict[str, str | int] = {
        "thread": incident.id,
        "service": incident.service,
        "incident_id": incident.id,
        "severity": severity.label if severity else "",
        "impact": _said(incident.impact, names),
        "summary": _said(incident.summary, names),
    }
    if audience is Audience.SUPPORT:
        return told.model_copy(update=inside)
    inside |= {"open_actions": len(incident.actions) + len(incident.debts)}
    if audience is Audience.EXECUTIVES:
        return told.model_copy(update=inside)
    inside |= {
        "meaning": severity.meaning if severity else "",
        "channel": f"#{incident.channel_name}" if incident.channel_name else "",
        "declared_by": name(incident.declared_by, names),
        "responders": _responders(incident, names),
        "from_version": spoken(run.from_version) if run else "",
        "to_version": spoken(run.to_version) if run else "",
        "reason": _said(event.reason, names)
        if isinstance(event, e.IncidentRelapsed | e.PlanRequested)
        else "",
        "root_cause": _said(incident.root_cause, names),
    }
    return told.model_copy(update=inside)


def notice_key(incident_id: str, number: int, notifier: str) -> str:
    """The same for every try to tell `notifier` (its identity) of event `number` of the incident."""
    return f"{incident_id}/{number}/{notifier}"


def _is_solved(incident: Incident) -> bool:
    """Whether users have a good version, as far as anybody knows: what came after it has not failed."""
    run = incident.run
    return incident.mitigated_at is not None and (run is None or run.outcome in (None, Outcome.SUCCEEDED))


def _public_thread(incident: Incident) -> str:
    """Ids of incidents name the service as it is called inside."""
    return hashlib.sha256(f"notices of {incident.id}".encode()).hexdigest()[:16]


def _said(text: str, names: Names) -> str:
    return plain(escaped(text), names).strip()


def _responders(incident: Incident, names: Names) -> str:
    everyone = dict.fromkeys(u for u in (*incident.roles.values(), *incident.joined) if u != BOT)
    return listed([name(user, names) for user in everyone]) if everyone else ""


_MOMENTS: dict[type[e.Happened], Moment] = {
    e.IncidentDeclared: Moment.BEGUN,
    e.PageAcknowledged: Moment.BEGUN,
    e.SeveritySet: Moment.ASSESSED,
    e.RollbackApproved: Moment.ROLLING_BACK,
    e.IncidentMitigated: Moment.MITIGATED,
    e.IncidentRelapsed: Moment.RELAPSED,
    e.PlanRequested: Moment.RELAPSED,
    e.IncidentVerified: Moment.VERIFIED,
    e.IncidentClosed: Moment.CLOSED,
    e.ExerciseMarked: Moment.EXERCISE,
    e.UpdateWritten: Moment.UPDATE,
}
_EFFECT = {
    Severity.CRITICAL: Effect.CRITICAL,
    Severity.HIGH: Effect.MAJOR,
    Severity.MEDIUM: Effect.MINOR,
    Severity.LOW: Effect.MINOR,
}
# The words of `Severity.meaning` are for the people inside: a bot does not speculate about a breach.
_IN_PUBLIC: dict[Severity | None, str] = {
    None: "it may not work as usual",
    Severity.CRITICAL: "it may not be available",
    Severity.HIGH: "important functions may not work",
    Severity.MEDIUM: "some functions may not work as usual",
    Severity.LOW: "a small part of it may not work as usual",
}
