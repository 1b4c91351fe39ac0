"""The service before, while and after it was ill, endpoint by endpoint, against the limits that were used."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from bot.domain.base import Value
from bot.domain.evidence import Baseline, EndpointStats, Look, Outcome, Probe, judge, summarize
from bot.domain.incident import Incident


class Illness(Value):
    """When it was ill, as far as probes tell.

    It begins when the bad version was first seen (or with the declaration, where nobody saw it) and ends
    with the last probe before the mitigation that failed or that the bad version answered.
    `errors` of `count` probes failed in between.
    """

    since: datetime
    until: datetime
    errors: int
    count: int

    @property
    def error_rate(self) -> float:
        return self.errors / self.count if self.count else 0.0


class Comparison(Value):
    """One endpoint. None, and an unknown verdict, where nothing was measured. Limits are those of the baseline."""

    endpoint: str
    before: EndpointStats | None
    during: EndpointStats | None
    after: EndpointStats | None
    limit_error_rate: float
    limit_p95_ms: float
    during_verdict: Outcome
    after_verdict: Outcome


def illness(incident: Incident, probes: Sequence[Probe], bad_versions: Iterable[str]) -> Illness | None:
    """None where no probe saw it ill."""
    bad = frozenset(bad_versions)
    since = incident.detected_at or incident.declared_at
    until = max(
        (
            p.at
            for p in probes
            if p.at >= since
            and (incident.mitigated_at is None or p.at <= incident.mitigated_at)
            and (not p.ok or p.version in bad)
        ),
        default=None,
    )
    if until is None:
        return None
    during = [p for p in probes if since <= p.at <= until]
    return Illness(since=since, until=until, errors=sum(not p.ok for p in during), count=len(during))


def compare(
    probes: Sequence[Probe], ill: Illness | None, baseline: Baseline | None, *, began: datetime
) -> tuple[Comparison, ...]:
    """Where the baseline was measured, its numbers are the ones before; `began` splits where nobody saw it ill."""
    against = baseline or Baseline.model_validate({"source": "thresholds"})
    since, until = (ill.since, ill.until) if ill else (began, began)
    before = {s.endpoint: s for s in against.endpoints or summarize(p for p in probes if p.at < since)}
    during = {f.endpoint: f for f in judge((p for p in probes if ill and since <= p.at <= until), against)}
    since_then = [p for p in probes if p.at > until]
    after = {f.endpoint: f for f in judge(since_then, against, look=Look.OVER_ALL)}
    rows = []
    for endpoint in dict.fromkeys((*before, *during, *after)):
        ill_then, well_then = during.get(endpoint), after.get(endpoint)
        rows.append(
            Comparison(
                endpoint=endpoint,
                before=before.get(endpoint),
                during=ill_then.stats if ill_then else None,
                after=well_then.stats if well_then else None,
                limit_error_rate=against.limit_error_rate(endpoint),
                limit_p95_ms=against.limit_p95_ms(endpoint),
                during_verdict=ill_then.verdict if ill_then else Outcome.UNKNOWN,
                after_verdict=well_then.verdict if well_then else Outcome.UNKNOWN,
            )
        )
    return tuple(rows)
