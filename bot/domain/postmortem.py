"""The postmortem as a value: what a template needs, in plain text, with nothing invented.

An empty text or None means that it was not recorded or not measured; the template says so.
Moments are in the zone that was asked for, lengths are `timedelta`.
"""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any

from bot.domain import events as e
from bot.domain.account import (
    DebtLine,
    PlanLine,
    RunLine,
    SeverityChange,
    WayLine,
    debts,
    plans,
    runs,
    severities,
    ways,
)
from bot.domain.account_backups import BackupLine, backups
from bot.domain.account_reports import ReportLine, user_reports
from bot.domain.base import BOT, Value, Version
from bot.domain.chronicle import Line, events_of, lines
from bot.domain.comparison import Comparison, Illness, compare, illness
from bot.domain.durations import Times, measure
from bot.domain.evidence import Outcome, Probe
from bot.domain.filing import action_id
from bot.domain.incident import Filing, Incident
from bot.domain.paging import on_call_users
from bot.domain.plan import Plan
from bot.domain.prose import Names, escaped, listed, name, plain
from bot.domain.releases import spoken
from bot.domain.timeline import Completeness, Entry, Verification
from bot.domain.verdict import VerdictTable


class Role(Value):
    role: str
    who: str


class OpenAction(Value):
    """`owner` is empty where nobody has taken it on; `reference` and `url` say which issue it is, or are empty."""

    text: str
    owner: str
    reference: str = ""
    url: str = ""


class LeftLine(Value):
    """Something that was left open when the incident was closed, and who accepted that."""

    text: str
    who: str
    at: datetime


class Loss(Value):
    """Something that was meant for Slack and never arrived."""

    at: datetime
    what: str
    reason: str


class Postmortem(Value):
    """Every field is explained in docs/postmortem.md, because teams write their own templates against it."""

    incident_id: str
    service: str
    revision: int
    written_at: datetime
    zone: str
    status: str
    verified: bool
    severity: str
    severities: tuple[SeverityChange, ...]
    from_version: Version | None
    to_version: Version | None
    declared_by: str
    responders: str
    roles: tuple[Role, ...]
    detected_at: datetime | None
    declared_at: datetime
    mitigated_at: datetime | None
    verified_at: datetime | None
    closed_at: datetime | None
    closed_by: str
    times: Times
    summary: str
    impact: str
    illness: Illness | None
    plans: tuple[PlanLine, ...]
    ways: tuple[WayLine, ...]
    runs: tuple[RunLine, ...]
    debts: tuple[DebtLine, ...]
    backups: tuple[BackupLine, ...]
    baseline: str
    evidence: tuple[Comparison, ...]
    verdicts: tuple[VerdictTable, ...]
    user_reports: tuple[ReportLine, ...]
    root_cause: str
    lessons: str
    actions: tuple[OpenAction, ...]
    left_open: tuple[LeftLine, ...]
    losses: tuple[Loss, ...]
    completeness: str
    complete: bool
    timeline: tuple[Line, ...]
    everything: tuple[Line, ...]


def build(
    incident: Incident,
    entries: Sequence[Entry],
    probes: Sequence[Probe],
    *,
    kept: Completeness,
    expected_messages: int | None,
    verification: Verification,
    names: Names,
    zone: tzinfo,
    now: datetime,
    revision: int = 1,
) -> Postmortem:
    """Put the postmortem together.

    `kept` counts what the timeline has; `expected_messages` is how many the channel itself has, None where
    it could not be counted. `names` maps ids of people and channels to display names. `probes` should reach from well
    before the incident until now. Raises pydantic.ValidationError for an entry that holds no known event.
    """
    events = events_of(entries)
    shown = [ev.plan for ev in events if isinstance(ev, e.PlanReady)]
    plan = _plan_of(incident, shown)
    # With other settings a version calls itself the same: its answers do not tell whether it was still ill.
    bad = {spoken(p.from_version) for p in shown if spoken(p.from_version) != spoken(p.to_version)}
    ill = illness(incident, probes, bad)
    everything = lines(entries, incident, names)
    complete, statement = state_completeness(kept, expected_messages, verification)
    postmortem = Postmortem(
        incident_id=incident.id,
        service=incident.service,
        revision=revision,
        written_at=now,
        zone=now.astimezone(zone).tzname() or str(zone),
        status=_status(incident),
        verified=incident.verified_at is not None,
        severity=incident.severity.label if incident.severity else "",
        severities=severities(events, names),
        from_version=plan.from_version if plan else None,
        to_version=incident.run.to_version if incident.run else None,
        declared_by=name(incident.declared_by, names),
        responders=_responders(incident, names),
        roles=tuple(Role(role=role, who=name(user, names)) for role, user in incident.roles.items()),
        detected_at=incident.detected_at,
        declared_at=incident.declared_at,
        mitigated_at=incident.mitigated_at,
        verified_at=incident.verified_at,
        closed_at=incident.closed_at,
        closed_by=name(incident.closed_by, names) if incident.closed_by else "",
        times=measure(events),
        summary=_said(incident.summary, names),
        impact=_said(incident.impact, names),
        illness=ill,
        plans=plans(incident, events, names),
        ways=ways(events, names),
        runs=runs(incident, events, names),
        debts=debts(events, names),
        backups=backups(events, names),
        baseline=plan.baseline.sentence if plan else "",
        evidence=compare(
            probes,
            ill,
            plan.baseline if plan else None,
            began=incident.mitigated_at or incident.detected_at or incident.declared_at,
        ),
        verdicts=tuple(ev.table for ev in events if isinstance(ev, e.VerdictReached)),
        user_reports=user_reports(events, names),
        root_cause=_said(incident.root_cause, names),
        lessons=_said(incident.lessons, names),
        actions=_actions(incident, names),
        left_open=tuple(
            LeftLine(text=_said(one.text, names), who=name(one.by, names), at=one.at)
            for one in incident.accepted
        ),
        losses=tuple(
            Loss(at=ev.at, what=_said(ev.what, names), reason=_said(ev.reason, names))
            for ev in events
            if isinstance(ev, e.DeliveryFailed)
        ),
        completeness=statement,
        complete=complete,
        timeline=tuple(line for line in everything if line.short),
        everything=everything,
    )
    return _in_zone(postmortem, zone)


def state_completeness(
    kept: Completeness, expected_messages: int | None, verification: Verification
) -> tuple[bool, str]:
    """Whether the timeline is whole and unchanged, and the sentences that say so or say what is not."""
    missing = 0 if expected_messages is None else max(0, expected_messages - kept.messages)
    if expected_messages is None:
        counted = f"{_count(kept.messages, 'message')} (how many the channel has could not be counted)"
    elif missing:
        counted = f"{kept.messages} of {_count(expected_messages, 'message')}, so {missing} missing"
    elif kept.messages > expected_messages:
        counted = f"{_count(kept.messages, 'message')} (the channel itself still has {expected_messages})"
    else:
        counted = f"{kept.messages} of {_count(expected_messages, 'message')}"
    held = (
        f"The timeline holds {counted}, {_count(kept.edits, 'edit')}, {_count(kept.deletions, 'deletion')} "
        f"and {_count(kept.events, 'event')}."
    )
    chain = (
        f"The chain of {_count(verification.count, 'entry')} is verified; its head is {verification.head}."
        if verification.intact
        else f"The chain is broken: {verification.reason}. Do not rely on it from there on."
    )
    return verification.intact and expected_messages is not None and not missing, f"{held} {chain}"


def _count(number: int, noun: str) -> str:
    plural = "entries" if noun == "entry" else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


def _plan_of(incident: Incident, shown: Sequence[Plan]) -> Plan | None:
    """The plan that was carried out last; failing that, the last one that was shown."""
    run = incident.run
    carried_out = [plan for plan in shown if run is not None and plan.number == run.plan_number]
    candidates = carried_out or shown
    return candidates[-1] if candidates else None


_ENDED = {
    Outcome.SUCCEEDED: "did not hold",
    Outcome.FAILED: "failed",
    Outcome.UNKNOWN: "has an unknown outcome",
    None: "has not ended",
}


def _status(incident: Incident) -> str:
    run = incident.run
    if incident.verified_at is not None:
        state = "Mitigated and verified"
    elif incident.mitigated_at is not None:
        state = "Mitigated, not verified"
    elif run is not None:
        state = f"Not mitigated, not verified: the last rollback {_ENDED[run.outcome]}"
    elif incident.forward_fix is not None:
        state = "Forward fix, no rollback was made; not verified by kaeru"
    else:
        state = "No rollback was made; not verified"
    return state if not incident.is_open else f"{state}; still open"


def _actions(incident: Incident, names: Names) -> tuple[OpenAction, ...]:
    """What people have written down, and before it what is still to be given back."""
    owed = ((f"Give back: {o.debt.text} {o.debt.until}", o.owner, Filing()) for o in incident.debts)
    added = ((a.text, a.owner, incident.filings.get(action_id(a.text), Filing())) for a in incident.actions)
    return tuple(
        OpenAction(
            text=_said(text, names),
            owner=name(owner, names) if owner else "",
            reference=filing.reference,
            url=filing.url,
        )
        for text, owner, filing in (*owed, *added)
    )


def _responders(incident: Incident, names: Names) -> str:
    everyone = (
        incident.declared_by,
        *incident.joined,
        *incident.roles.values(),
        *on_call_users(incident.pages),
        *(page.acknowledged_by for page in incident.pages if page.acknowledged_by),
        *(user for run in incident.runs for user in run.approved_by),
    )
    return listed([name(user, names) for user in dict.fromkeys(everyone) if user != BOT]) or "nobody"


def _said(text: str, names: Names) -> str:
    return plain(escaped(text), names).strip()


def _in_zone(value: Postmortem, zone: tzinfo) -> Postmortem:
    """The same value with every moment in `zone`."""
    return Postmortem.model_construct(
        **{key: _moved(getattr(value, key), zone) for key in type(value).model_fields}
    )


def _moved(value: Any, zone: tzinfo) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(zone)
    if isinstance(value, tuple):
        return tuple(_moved(item, zone) for item in value)
    if isinstance(value, Value):
        changes = {key: _moved(getattr(value, key), zone) for key in type(value).model_fields}
        return value.model_copy(update=changes)
    return value
