"""What a benchmark found, and what was aimed at."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Aim:
    """`sign` is `<=` or `>=`."""

    sign: str
    limit: float

    def __str__(self) -> str:
        return f"{self.sign} {self.limit:g}"

    def holds(self, value: float) -> bool:
        return value <= self.limit if self.sign == "<=" else value >= self.limit


@dataclass(frozen=True)
class Result:
    """`note` says what was measured and how far the single values lie apart."""

    name: str
    value: float
    unit: str
    aim: Aim
    note: str

    @property
    def holds(self) -> bool:
        return self.aim.holds(self.value)


def demand_load(name: str, *, answered: int, fewest: int, rate: float, aimed_at: float) -> None:
    """No failures among too few requests, or at a rate that was not reached, say nothing. Raises RuntimeError."""
    if answered < fewest or rate < 0.9 * aimed_at:
        raise RuntimeError(
            f"{name}: {answered} answers at {rate:.0f} a second are too few to tell; "
            f"{fewest} at {aimed_at:g} were wanted. Give the machine more rest."
        )


def at_most(limit: float) -> Aim:
    return Aim("<=", limit)


def at_least(limit: float) -> Aim:
    return Aim(">=", limit)


def percentile(values: Sequence[float], share: int) -> float:
    """The value that `share` percent of `values` do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def spread(values: Sequence[float], *, digits: int = 3) -> str:
    """`p50 1.2, p95 3.4, 1.1–3.9 of 20`."""
    p50, p95 = median(values), percentile(values, 95)
    low, high = min(values), max(values)
    return f"p50 {p50:.{digits}f}, p95 {p95:.{digits}f}, {low:.{digits}f}–{high:.{digits}f} of {len(values)}"
