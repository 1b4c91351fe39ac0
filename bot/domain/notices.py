"""What people outside of an incident are told, and how much of it each of them may know.

A template is given nothing but a `Known`. What an audience may not know is not in its `Known` at all, so no
template, not even one that a team has written itself, can tell it by mistake.

    engineers    everything, people and versions too
    support      which service, and what the team wrote about users and in summary; kaeru adds no versions, no people
    executives   the same, and how much is left to do
    customers    the public name of what they use, how it is and since when; nothing that anybody wrote
"""

import hashlib
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum

from pydantic import Field

from bot.domain import events as e
from bot.domain.base import Value
from bot.domain.incident import Incident
from bot.domain.prose import Names, escaped, listed, name, plain
from bot.domain.releases import spoken
from bot.domain.severity import Severity


class Moment(StrEnum):
    """When people are told something."""

    BEGUN = "begun"
    MITIGATED = "mitigated"
    RELAPSED = "relapsed"
    VERIFIED = "verified"
    CLOSED = "closed"


class Audience(StrEnum):
    ENGINEERS = "engineers"
    SUPPORT = "support"
    EXECUTIVES = "executives"
    CUSTOMERS = "customers"


class Effect(StrEnum):
    """How much users have of it, in the words of status pages."""

    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"


class Known(Value):
    """What one audience may know at one moment, in plain text. An empty text or None: not known, or not theirs.

    `service` is what this audience calls it. `thread` is the same for all notices of one incident; for customers
    it is a number that says nothing. Moments are in the zone that was asked for.
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


class Notice(Value):
    """Something that is told: a subject of one line and a text in paragraphs, both plain."""

    subject: str = Field(min_length=1, max_length=200)
    text: str = Field(min_length=1)
    known: Known


def moment_of(event: e.Event) -> Moment | None:
    """The moment that `event` is for people outside of the incident; None: they are not told of it."""
    match event:
        case e.IncidentDeclared():
            return Moment.BEGUN
        case e.IncidentMitigated():
            return Moment.MITIGATED
        case e.IncidentRelapsed():
            return Moment.RELAPSED
        case e.IncidentVerified():
            return Moment.VERIFIED
        case e.IncidentClosed():
            return Moment.CLOSED
        case _:
            return None


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
        solved=incident.mitigated_at is not None,
        lasted=max(over - began, timedelta()) if over else None,
    )
    if audience is Audience.CUSTOMERS:
        return told
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
        "reason": _said(event.reason, names) if isinstance(event, e.IncidentRelapsed) else "",
        "root_cause": _said(incident.root_cause, names),
    }
    return told.model_copy(update=inside)


def notice_key(incident: Incident, notifier: str) -> str:
    """The same for every try to tell `notifier` (its identity) of the newest event of `incident`."""
    return f"{incident.id}/{incident.length}/{notifier}"


def _public_thread(incident: Incident) -> str:
    """Ids of incidents name the service as it is called inside."""
    return hashlib.sha256(f"notices of {incident.id}".encode()).hexdigest()[:16]


def _said(text: str, names: Names) -> str:
    return plain(escaped(text), names).strip()


def _responders(incident: Incident, names: Names) -> str:
    everyone = dict.fromkeys((*incident.roles.values(), *incident.joined))
    return listed([name(user, names) for user in everyone]) if everyone else ""


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
