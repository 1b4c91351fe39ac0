"""What the picture of an incident shows: probes around it, the moments people remember, and the versions."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby

from bot.domain.evidence import Outcome, Probe, percentile
from bot.domain.incident import Incident
from bot.domain.releases import spoken
from bot.domain.reports import SOURCE as USERS
from bot.domain.reports import broken, rate_series
from bot.domain.series import SHARE
from bot.domain.verdict import VerdictTable
from bot.ports.charts import ChartData, Curve, Moment, Span

SHORTEST_LEAD, LONGEST_LEAD = timedelta(seconds=20), timedelta(minutes=10)


def chart_of(incident: Incident, probes: Sequence[Probe], verdicts: Sequence[VerdictTable] = ()) -> ChartData:
    """The picture's data. Before the incident it shows about as much time as the incident itself took.

    The curves are the numbers of the newest verdict, as they stand in its table.
    """
    began = incident.detected_at or incident.declared_at
    ended = incident.closed_at or (probes[-1].at if probes else began)
    lead = min(max(ended - began, SHORTEST_LEAD), LONGEST_LEAD)
    shown = tuple(p for p in probes if p.at >= began - lead)
    return ChartData(
        title=f"{incident.id}: {incident.service}",
        probes=shown,
        moments=tuple(sorted(_moments(incident), key=lambda moment: moment.at)),
        spans=tuple(_spans(shown, _bad(incident))),
        baseline_p95_ms=_while_well(incident, probes, began),
        curves=tuple(_curves(verdicts[-1], began - lead)) if verdicts else (),
        reports=_reports(incident, ended),
    )


def _reports(incident: Incident, ended: datetime) -> Curve | None:
    """What users reported a minute while there was a channel to report in; None where nobody did."""
    ailing = broken(incident.reports)
    if not ailing:
        return None
    since = min(incident.declared_at, ailing[0].at)
    series = rate_series(ailing, since, max(ended, ailing[-1].at, since + timedelta(minutes=1)))
    if series is None:
        return None
    points = ((series.ends(index), value) for index, value in enumerate(series.values))
    # Where the first time that was counted begins.
    return Curve(
        label="User reports a minute",
        unit="/min",
        points=((series.since, None), *points),
        bars=True,
    )


def _curves(table: VerdictTable, since: datetime) -> Iterator[Curve]:
    """One for each row that has values over time, what matters most first. Reports of users have a place of their own."""
    for row in table.ranked:
        if row.source == USERS:
            continue
        found = [cell.series for cell in (row.before, row.during, row.after) if cell and cell.series]
        points = [
            (series.ends(index), value)
            for series in found
            for index, value in enumerate(series.values)
            if series.ends(index) >= since
        ]
        if any(value is not None for _, value in points):
            unit = found[0].unit
            ordered = tuple(sorted(points, key=lambda point: point[0]))
            yield Curve(label=row.what, unit=unit, points=ordered, share=unit == SHARE)


def _moments(incident: Incident) -> Iterator[Moment]:
    yield Moment(at=incident.declared_at, label="declared")
    for run in incident.runs:
        yield Moment(at=run.approved_at, label="approved")
        if run.outcome in (Outcome.FAILED, Outcome.UNKNOWN) and run.ended_at is not None:
            yield Moment(at=run.ended_at, label="failed" if run.outcome is Outcome.FAILED else "unknown")
    if incident.mitigated_at is not None:
        yield Moment(at=incident.mitigated_at, label="mitigated")
    if incident.verified_at is not None:
        yield Moment(at=incident.verified_at, label="verified")
    if incident.closed_at is not None:
        yield Moment(at=incident.closed_at, label="closed")


def _bad(incident: Incident) -> set[str]:
    """What the versions call themselves that were left or did not help. With other settings a version calls itself the same."""
    left = {spoken(run.from_version) for run in incident.runs}
    failed = {spoken(run.to_version) for run in incident.runs if run.outcome is Outcome.FAILED}
    alike = {
        spoken(run.to_version) for run in incident.runs if spoken(run.from_version) == spoken(run.to_version)
    }
    return (left | failed) - alike


def _spans(probes: Sequence[Probe], bad: set[str]) -> Iterator[Span]:
    answered = [p for p in probes if p.version]
    for version, group in groupby(answered, key=lambda p: p.version):
        stretch = list(group)
        yield Span(since=stretch[0].at, until=stretch[-1].at, label=str(version), good=version not in bad)


def _while_well(incident: Incident, probes: Sequence[Probe], began: datetime) -> float | None:
    """The 95th percentile over all endpoints before the incident, as the picture's own line is over all of them."""
    bad = _bad(incident)
    latencies = [
        p.latency_ms for p in probes if p.at < began and p.latency_ms is not None and p.version not in bad
    ]
    return percentile(latencies, 0.95)
