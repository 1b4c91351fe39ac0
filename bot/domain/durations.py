"""How long things took, from the events alone.

Every time is None while one of its two moments is missing: nothing is guessed.

    detect     the bad version was first seen (`detected_at`)  until  the incident was declared
    decide     declared  until  it was decided to roll back; without a rollback, until the first severity
    approve    people could decide on the plan  until  its last approval
    roll back  the last approval  until  mitigated
    mitigate   declared  until  mitigated
    verify     mitigated  until  verified
    ill        the bad version was first seen  until  mitigated
    total      declared  until  closed

Where there were several runs, `approve` and `roll back` are of the last one, and `mitigate` ends with the
mitigation that held: a relapse takes its mitigation back.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.domain import events as e
from bot.domain.base import Value
from bot.domain.incident import Incident, Status
from bot.domain.lifecycle import evolve
from bot.domain.run import Run

NOT_KNOWN = "not known"


class Times(Value):
    """See the module for what each one measures."""

    detect: timedelta | None = None
    decide: timedelta | None = None
    approve: timedelta | None = None
    roll_back: timedelta | None = None
    mitigate: timedelta | None = None
    verify: timedelta | None = None
    ill: timedelta | None = None
    total: timedelta | None = None


def measure(events: Sequence[e.Event]) -> Times:
    """The times of the incident that `events` tell. Raises Impossible if they cannot have happened."""
    incident: Incident | None = None
    decided_at: datetime | None = None
    severity_at: datetime | None = None
    decidable_at: dict[str, datetime] = {}
    for event in events:
        if isinstance(event, e.RollbackApproved) and incident is not None:
            decidable_at[event.run_id] = _decidable_since(incident, event)
        incident = evolve(incident, event)
        if incident.status is Status.DECIDING and decided_at is None:
            decided_at = event.at
        if isinstance(event, e.SeveritySet) and severity_at is None:
            severity_at = event.at
    if incident is None:
        return Times()
    run = incident.run
    return Times(
        detect=_between(incident.detected_at, incident.declared_at),
        decide=_between(incident.declared_at, decided_at or severity_at),
        approve=_between(decidable_at[run.id], run.approved_at) if run else None,
        roll_back=_between(run.approved_at, incident.mitigated_at) if run else None,
        mitigate=_between(incident.declared_at, incident.mitigated_at),
        verify=_between(incident.mitigated_at, incident.verified_at),
        ill=_between(incident.detected_at, incident.mitigated_at),
        total=_between(incident.declared_at, incident.closed_at),
    )


def _decidable_since(incident: Incident, event: e.RollbackApproved) -> datetime:
    """When the approved card was there and the severity, which says who must approve, was set too."""
    record = incident.record
    moments = (record.ready_at if record else None, incident.deciding_since)
    return max((moment for moment in moments if moment is not None), default=event.at)


def _between(since: datetime | None, until: datetime | None) -> timedelta | None:
    """Never negative: a person who declares before the probes notice has detected it in no time."""
    if since is None or until is None:
        return None
    return max(until - since, timedelta())


def step_length(run: Run, step_id: str) -> timedelta | None:
    """How long a step took; None unless it both started and finished. Raises KeyError for an unknown step."""
    step = run.step(step_id)
    return _between(step.started_at, step.finished_at)


def human(length: timedelta | None) -> str:
    """`0.4 s`, `42 s`, `1 min 42 s`, `3 h 05 min`, `2 d 04 h`; "not known" for None."""
    if length is None:
        return NOT_KNOWN
    if length < timedelta():
        return f"−{human(-length)}"
    seconds = length.total_seconds()
    if seconds < 9.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    if whole < 3600:
        return _pair(whole // 60, "min", whole % 60, "s")
    minutes = round(whole / 60)
    if minutes < 24 * 60:
        return _pair(minutes // 60, "h", minutes % 60, "min")
    hours = round(minutes / 60)
    return _pair(hours // 24, "d", hours % 24, "h")


def _pair(large: int, large_unit: str, small: int, small_unit: str) -> str:
    if not large:
        return f"{small} {small_unit}"
    return f"{large} {large_unit} {small:02d} {small_unit}" if small else f"{large} {large_unit}"
