"""Numbers over all incidents: how long things took, and how often rolling back was right.

Only closed incidents that were no exercise are in the numbers; the others are counted. A time whose beginning or end
is missing is in none of them, and every number says of how many it is. What nobody knows is called so:

    right         mitigated, watched to the end and verified, and no further rollback was needed in the incident
    relapsed      mitigated, and ill again: within the watch, or so that people rolled back once more
    failed        it was carried out and did not help
    not verified  mitigated, and nobody knows whether it stayed well
    unknown       its outcome is unknown
    stopped       carried out, and stopped before all users were back; nothing says that it was wrong
    not tried     approved, and ended before its version could be put to the proof
    under way     not ended yet
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum

from bot.domain import events as e
from bot.domain.base import Value
from bot.domain.durations import Times, human, measure
from bot.domain.evidence import Outcome, percentile
from bot.domain.incident import Incident
from bot.domain.run import RAMP
from bot.domain.severity import Severity

FEW = 10
"""With fewer values than this a 90th percentile is but the longest of them, and called so."""


class Ending(StrEnum):
    """How one rollback ended; see the module."""

    RIGHT = "right"
    RELAPSED = "relapsed"
    FAILED = "failed"
    UNVERIFIED = "not verified"
    UNKNOWN = "unknown"
    STOPPED = "stopped"
    NOT_TRIED = "not tried"
    UNDER_WAY = "under way"


JUDGED = (Ending.RIGHT, Ending.RELAPSED, Ending.FAILED)
"""Of these it is known whether it was right."""


class Case(Value):
    """What of one incident goes into the numbers. `endings` are those of its rollbacks, in their order."""

    incident_id: str
    service: str
    severity: Severity | None
    declared_at: datetime
    is_open: bool
    exercise: bool
    times: Times
    endings: tuple[Ending, ...] = ()
    fixed_forward: bool = False

    @property
    def counts(self) -> bool:
        return not self.is_open and not self.exercise


class Spread(Value):
    """A length over several incidents: known of `count` among `of`. Nothing is known where `count` is 0."""

    of: int
    count: int = 0
    median: timedelta | None = None
    p90: timedelta | None = None
    longest: timedelta | None = None

    @property
    def sentence(self) -> str:
        """`median 3 min, longest 8 min (of 3 incidents)`."""
        if not self.count:
            return f"not known (of {_incidents(self.of)})"
        known = (
            f"of {_incidents(self.count)}"
            if self.count == self.of
            else f"of {self.count} of {self.of} incidents"
        )
        if self.count == 1:
            return f"{human(self.median)} ({known})"
        most = f"longest {human(self.longest)}" if self.count < FEW else f"90 % within {human(self.p90)}"
        return f"median {human(self.median)}, {most} ({known})"


class Group(Value):
    """Some incidents that count. `decide`, `approve`, `mitigate` and `ill` are as in `bot.domain.durations`.

    `endings` are of all their rollbacks; `forward` of the incidents were fixed forward without one, `neither` had
    neither.
    """

    name: str
    incidents: int
    decide: Spread
    approve: Spread
    mitigate: Spread
    ill: Spread
    endings: dict[Ending, int]
    forward: int
    neither: int

    @property
    def rollbacks(self) -> int:
        return sum(self.endings.values())

    @property
    def judged(self) -> int:
        """Of how many rollbacks it is known whether they were right."""
        return sum(self.endings.get(ending, 0) for ending in JUDGED)

    @property
    def right(self) -> int:
        return self.endings.get(Ending.RIGHT, 0)

    @property
    def sentence(self) -> str:
        """How often rolling back was right, and of how many nobody knows."""
        if not self.rollbacks:
            return "no rollback"
        share = f" ({self.right / self.judged * 100:.0f} %)" if self.judged >= FEW else ""
        known = f"right {self.right} of {self.judged}{share}" if self.judged else "not known of any"
        told = ", ".join(
            f"{count} {ending.value}"
            for ending in Ending
            if ending is not Ending.RIGHT and (count := self.endings.get(ending, 0))
        )
        return f"{known}; {told}" if told else known


class Stats(Value):
    """Everything. `since` is None for all there is; `left_out` says that there are older ones than were read."""

    since: datetime | None
    until: datetime
    service: str | None
    open: int
    exercises: int
    left_out: bool
    whole: Group
    services: tuple[Group, ...] = ()
    severities: tuple[Group, ...] = ()
    months: tuple[Group, ...] = ()
    cases: tuple[Case, ...] = ()

    @property
    def sentence(self) -> str:
        """`3 closed incidents; not in the numbers: 1 still open, 2 exercises`."""
        number = self.whole.incidents
        told = "1 closed incident" if number == 1 else f"{number} closed incidents"
        exercises = "1 exercise" if self.exercises == 1 else f"{self.exercises} exercises"
        beside = [
            text
            for count, text in ((self.open, f"{self.open} still open"), (self.exercises, exercises))
            if count
        ]
        return f"{told}; not in the numbers: {', '.join(beside)}" if beside else told


def case_of(incident: Incident, events: Sequence[e.Event]) -> Case:
    """Raises Impossible where the events cannot have happened."""
    return Case(
        incident_id=incident.id,
        service=incident.service,
        severity=incident.severity,
        declared_at=incident.declared_at,
        is_open=incident.is_open,
        exercise=incident.exercise,
        times=measure(events),
        endings=endings(events),
        fixed_forward=incident.forward_fix is not None and not incident.runs,
    )


def endings(events: Iterable[e.Event]) -> tuple[Ending, ...]:
    """How every rollback of an incident ended."""
    found: dict[str, Ending] = {}
    stranded = set[str]()
    for event in events:
        match event:
            case e.RollbackApproved(run_id=run_id):
                # Whoever rolls back once more was not helped by what seemed well.
                again = {
                    r: Ending.RELAPSED for r, x in found.items() if x in (Ending.RIGHT, Ending.UNVERIFIED)
                }
                found |= again
                found[run_id] = Ending.UNDER_WAY
            case e.StepFinished(run_id=run_id, step_id=step) if step == RAMP:
                if event.outcome is not Outcome.SUCCEEDED:
                    stranded.add(run_id)
            case e.IncidentMitigated(run_id=run_id):
                found[run_id] = Ending.UNVERIFIED
            case e.IncidentVerified(run_id=run_id):
                found[run_id] = Ending.RIGHT
            case e.IncidentRelapsed(run_id=run_id):
                found[run_id] = Ending.RELAPSED
            case e.RollbackFailed(run_id=run_id):
                found[run_id] = _failed(event, stranded=run_id in stranded)
            case _:
                pass
    return tuple(found.values())


def _failed(event: e.RollbackFailed, *, stranded: bool) -> Ending:
    if event.outcome is Outcome.UNKNOWN:
        return Ending.UNKNOWN
    if event.took_place:
        return Ending.FAILED
    return Ending.STOPPED if stranded else Ending.NOT_TRIED


def stats_of(
    cases: Iterable[Case],
    *,
    since: datetime | None,
    until: datetime,
    zone: tzinfo,
    service: str | None = None,
    left_out: bool = False,
) -> Stats:
    """The numbers. Months are those in which incidents were declared, by the calendar of `zone`."""
    every = sorted(cases, key=lambda case: (case.declared_at, case.incident_id))
    counted = [case for case in every if case.counts]
    return Stats(
        since=since,
        until=until,
        service=service,
        open=sum(case.is_open and not case.exercise for case in every),
        exercises=sum(case.exercise for case in every),
        left_out=left_out,
        whole=group("all", counted),
        services=_groups(counted, lambda case: case.service),
        severities=_groups(counted, lambda case: case.severity.label if case.severity else "not set", _RANKS),
        months=_groups(counted, lambda case: f"{case.declared_at.astimezone(zone):%Y-%m}"),
        cases=tuple(counted),
    )


_RANKS = {severity.label: place for place, severity in enumerate(Severity)}


def group(name: str, cases: Sequence[Case]) -> Group:
    every = [ending for case in cases for ending in case.endings]
    return Group(
        name=name,
        incidents=len(cases),
        decide=spread([case.times.decide for case in cases]),
        approve=spread([case.times.approve for case in cases]),
        mitigate=spread([case.times.mitigate for case in cases]),
        ill=spread([case.times.ill for case in cases]),
        endings={ending: every.count(ending) for ending in Ending if ending in every},
        forward=sum(case.fixed_forward for case in cases),
        neither=sum(not case.endings and not case.fixed_forward for case in cases),
    )


def spread(lengths: Sequence[timedelta | None]) -> Spread:
    """Median and 90th percentile by nearest rank: each is a length that was really measured."""
    known = [length.total_seconds() for length in lengths if length is not None]
    if not known:
        return Spread(of=len(lengths))
    return Spread(
        of=len(lengths),
        count=len(known),
        median=_at(known, 0.5),
        p90=_at(known, 0.9),
        longest=timedelta(seconds=max(known)),
    )


def _at(seconds: Sequence[float], share: float) -> timedelta | None:
    found = percentile(seconds, share)
    return None if found is None else timedelta(seconds=found)


def _groups(
    cases: Sequence[Case], key: Callable[[Case], str], ranks: dict[str, int] | None = None
) -> tuple[Group, ...]:
    found: dict[str, list[Case]] = {}
    for case in cases:
        found.setdefault(key(case), []).append(case)

    def order(name: str) -> tuple[int, str]:
        return ((ranks or {}).get(name, len(ranks or {})), name)

    return tuple(group(name, found[name]) for name in sorted(found, key=order))


def _incidents(count: int) -> str:
    return "1 incident" if count == 1 else f"{count} incidents"
