"""kaeru's own probes in the verdict's table: one row per endpoint."""

from collections.abc import Iterable

from bot.domain.comparison import Comparison
from bot.domain.evidence import EndpointStats
from bot.domain.verdict import Cell, Row, Verdict

SOURCE = "HTTP"


def rows_of_probes(comparisons: Iterable[Comparison]) -> tuple[Row, ...]:
    """Rows of kaeru's own probes, endpoint by endpoint, as they were judged."""
    return tuple(
        Row(
            source=SOURCE,
            what=one.endpoint,
            before=_probed(one.before),
            during=_probed(one.during),
            after=_probed(one.after),
            verdict=Verdict.of(one.after_verdict),
            sentence=_limits(one),
            numbers={"limit_error_rate": one.limit_error_rate, "limit_p95_ms": one.limit_p95_ms},
        )
        for one in comparisons
    )


def _probed(stats: EndpointStats | None) -> Cell | None:
    if stats is None or not stats.count:
        return None
    p95 = "" if stats.p95_ms is None else f", p95 {stats.p95_ms:.0f} ms"
    numbers = {"count": stats.count, "errors": stats.errors, "p50_ms": stats.p50_ms, "p95_ms": stats.p95_ms}
    return Cell(
        shown=f"{stats.errors} of {stats.count} failed{p95}",
        numbers={name: float(value) for name, value in numbers.items() if value is not None},
    )


def _limits(one: Comparison) -> str:
    limits = (
        f"at most {one.limit_error_rate * 100:.3g} % errors and p95 {one.limit_p95_ms:.0f} ms are acceptable"
    )
    if one.after is None or not one.after.count:
        return f"nothing was measured since; {limits}"
    return limits
