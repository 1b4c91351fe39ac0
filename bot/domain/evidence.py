"""What was measured of a service, and whether it is as good as it was.

One `Probe` is one answer to one request from outside. Everything else here is arithmetic on probes.
Latencies are milliseconds, rates are shares between 0 and 1, times are UTC.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum

from bot.domain.base import Value

TREND = 2
"""How many bad answers of one endpoint it takes to call it ill."""
MANY_SLOW = 5
"""How many slow answers it takes where it is looked at again and again."""
SLOW_SHARE = 0.2
"""And of how many of the answers they have to be, at least."""


class Outcome(StrEnum):
    """Of anything that was tried. Unknown is observed before anything is tried again."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Look(StrEnum):
    """How often probes are judged, and so how sure it has to be that they are slow.

    Once: as a rollback is proven. Lately: one of many looks at the newest. Over all: the end of many looks.
    """

    ONCE = "once"
    LATELY = "lately"
    OVER_ALL = "over all"


class Probe(Value):
    """One request and its answer. `error` is a short kind ("timeout", "connection refused"), never a body."""

    endpoint: str
    at: datetime
    ok: bool
    status: int | None = None
    latency_ms: float | None = None
    version: str | None = None
    error: str = ""


class EndpointStats(Value):
    """Counts and percentiles of one endpoint's probes. Percentiles are of answered probes only."""

    endpoint: str
    count: int
    errors: int
    p50_ms: float | None
    p95_ms: float | None

    @property
    def error_rate(self) -> float:
        return self.errors / self.count if self.count else 0.0


class BaselineSource(StrEnum):
    PROBES = "probes"
    THRESHOLDS = "thresholds"


class Thresholds(Value):
    """What is still acceptable. The factor applies to a measured baseline, the absolute values always."""

    max_error_rate: float = 0.02
    max_p95_ms: float = 1000.0
    latency_factor: float = 2.0
    latency_slack_ms: float = 50.0


class Baseline(Value):
    """What good looked like, and how that is known. Without measurements only the thresholds speak."""

    source: BaselineSource
    version: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    endpoints: tuple[EndpointStats, ...] = ()
    thresholds: Thresholds = Thresholds()

    @property
    def sentence(self) -> str:
        """How the card says what it compares with."""
        if self.source is BaselineSource.THRESHOLDS:
            return "the thresholds in kaeru.yml (nothing was measured while it was well)"
        count = sum(e.count for e in self.endpoints)
        return f"{count} probes of {self.version} while it was well"

    @property
    def limits(self) -> str:
        """What answers were held to, after "within"."""
        if self.source is BaselineSource.THRESHOLDS:
            return self.sentence
        return f"what {self.sentence} allow"

    def limit_p95_ms(self, endpoint: str) -> float:
        """The latency above which `endpoint` counts as slow."""
        for stats in self.endpoints:
            if stats.endpoint == endpoint and stats.p95_ms is not None:
                relative = stats.p95_ms * self.thresholds.latency_factor + self.thresholds.latency_slack_ms
                return min(relative, self.thresholds.max_p95_ms)
        return self.thresholds.max_p95_ms

    def limit_error_rate(self, endpoint: str) -> float:
        """The share of errors above which `endpoint` counts as failing: never stricter than it was itself."""
        own = next((e.error_rate for e in self.endpoints if e.endpoint == endpoint), 0.0)
        return max(own, self.thresholds.max_error_rate)


class Finding(Value):
    """One endpoint's judgement: the numbers, the limits, and a sentence."""

    endpoint: str
    stats: EndpointStats
    limit_error_rate: float
    limit_p95_ms: float
    verdict: Outcome
    sentence: str

    @property
    def lets_few_pass(self) -> bool:
        """Whether it is well although a number is above its limit: too few bad answers are no trend."""
        slow = self.stats.p95_ms is not None and self.stats.p95_ms > self.limit_p95_ms
        return self.verdict is Outcome.SUCCEEDED and (slow or self.stats.error_rate > self.limit_error_rate)


def percentile(values: Sequence[float], share: float) -> float | None:
    """The nearest-rank percentile; None for no values."""
    if not values:
        return None
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def summarize(probes: Iterable[Probe]) -> tuple[EndpointStats, ...]:
    """Statistics per endpoint, in order of first appearance."""
    return tuple(_stats(endpoint, group) for endpoint, group in _by_endpoint(probes).items())


def _by_endpoint(probes: Iterable[Probe]) -> dict[str, list[Probe]]:
    grouped: dict[str, list[Probe]] = {}
    for probe in probes:
        grouped.setdefault(probe.endpoint, []).append(probe)
    return grouped


def _stats(endpoint: str, group: Sequence[Probe]) -> EndpointStats:
    latencies = [p.latency_ms for p in group if p.latency_ms is not None]
    return EndpointStats(
        endpoint=endpoint,
        count=len(group),
        errors=sum(not p.ok for p in group),
        p50_ms=percentile(latencies, 0.5),
        p95_ms=percentile(latencies, 0.95),
    )


def judge(probes: Iterable[Probe], baseline: Baseline, *, look: Look = Look.ONCE) -> tuple[Finding, ...]:
    """Compare probes with the baseline, endpoint by endpoint. No probe at all is unknown, never good.

    One bad answer among many is a blip, not an illness: an endpoint fails when at least `TREND` answers are
    bad and their share is above what is acceptable. Where there are many looks, being slower than before takes more:
    `MANY_SLOW` slow answers that are at least `SLOW_SHARE` of all, lately with the newest among them; over all, fewer
    are enough where there are no more. What is above `max_p95_ms` is held to the first rule always.
    """
    grouped = _by_endpoint(probes)
    return tuple(_judge_one(endpoint, group, baseline, look) for endpoint, group in grouped.items())


def _judge_one(endpoint: str, group: Sequence[Probe], baseline: Baseline, look: Look) -> Finding:
    stats = _stats(endpoint, group)
    limit_errors = baseline.limit_error_rate(endpoint)
    limit_p95 = baseline.limit_p95_ms(endpoint)
    verdict, sentence = Outcome.SUCCEEDED, f"{_share(stats.error_rate)} errors, p95 {_ms(stats.p95_ms)}"
    if stats.errors >= min(TREND, stats.count) and stats.error_rate > limit_errors:
        verdict = Outcome.FAILED
        sentence = f"{stats.errors} of {stats.count} failed (at most {_share(limit_errors)} is acceptable)"
    elif _slow(group, limit_p95, look) or _slow(group, baseline.thresholds.max_p95_ms, Look.ONCE):
        verdict = Outcome.FAILED
        sentence = f"p95 {_ms(stats.p95_ms)} (at most {_ms(limit_p95)} is acceptable)"
    return Finding(
        endpoint=endpoint,
        stats=stats,
        limit_error_rate=limit_errors,
        limit_p95_ms=limit_p95,
        verdict=verdict,
        sentence=sentence,
    )


def _slow(group: Sequence[Probe], limit_ms: float, look: Look) -> bool:
    took = [p.latency_ms for p in group if p.latency_ms is not None]
    slow = sum(ms > limit_ms for ms in took)
    p95 = percentile(took, 0.95)
    if p95 is None or p95 <= limit_ms or slow < min(TREND, len(group)):
        return False
    if look is Look.ONCE:
        return True
    if look is Look.LATELY:
        # A burst that is over is no second look.
        return slow >= max(MANY_SLOW, SLOW_SHARE * len(took)) and took[-1] > limit_ms
    return slow >= max(min(MANY_SLOW, len(took)), SLOW_SHARE * len(took))


def overall(findings: Sequence[Finding]) -> Outcome:
    """Failed if anything failed; unknown if nothing was measured; otherwise succeeded."""
    if not findings:
        return Outcome.UNKNOWN
    return Outcome.FAILED if any(f.verdict is Outcome.FAILED for f in findings) else Outcome.SUCCEEDED


def consecutive_version(rounds: Sequence[Sequence[Probe]], version: str) -> int:
    """How many of the latest rounds in a row answered with `version` and nothing else, every probe well."""
    streak = 0
    for probes in reversed(rounds):
        versions = {p.version for p in probes if p.version is not None}
        if versions != {version} or not all(p.ok for p in probes):
            break
        streak += 1
    return streak


def _share(value: float) -> str:
    return f"{value * 100:.1f} %".replace(".0 %", " %")


def _ms(value: float | None) -> str:
    return "unmeasured" if value is None else f"{value:.0f} ms"
