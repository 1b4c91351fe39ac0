"""Probes put into bins of equal length, so that fifty thousand of them draw as fast as fifty."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from bot.domain.evidence import Probe

MOST_BINS = 150
ROUNDS_PER_BIN = 4
_LENGTHS_S = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200)
_DAY_S = 86_400

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """One value per bin. `since` and `until` are seconds since 1970; NaN where a bin holds nothing."""

    since: Floats
    until: Floats
    error_share: Floats
    p50_ms: Floats
    p95_ms: Floats

    @property
    def middle(self) -> Floats:
        return (self.since + self.until) / 2


def bins(probes: Sequence[Probe], since: datetime, until: datetime) -> Series | None:
    """Percentiles are nearest-rank, as everywhere in kaeru. None without probes."""
    if not probes:
        return None
    at = np.array([probe.at.timestamp() for probe in probes])
    failed = np.array([not probe.ok for probe in probes])
    latency = np.array([np.nan if p.latency_ms is None else p.latency_ms for p in probes])
    length = _length(at, until.timestamp() - since.timestamp())
    first = np.floor(at.min() / length)
    number = (np.floor(at / length) - first).astype(np.intp)
    count = int(number.max()) + 1
    total = np.bincount(number, minlength=count).astype(np.float64)
    errors = np.bincount(number, weights=failed, minlength=count)
    edges = (np.arange(count + 1) + first) * length
    with np.errstate(invalid="ignore"):
        share = np.where(total > 0, errors / total, np.nan)
    return Series(
        since=edges[:-1],
        until=edges[1:],
        error_share=share,
        p50_ms=_percentile(number, latency, count, 0.5),
        p95_ms=_percentile(number, latency, count, 0.95),
    )


def _length(at: Floats, window_s: float) -> float:
    """At most MOST_BINS bins, and none so short that its share of errors would be that of a round or two."""
    rounds = np.unique(np.floor(at))
    gap = float(np.median(np.diff(rounds))) if len(rounds) > 1 else 1.0
    least = max(window_s / MOST_BINS, gap * ROUNDS_PER_BIN)
    fitting = [length for length in _LENGTHS_S if length >= least]
    return float(fitting[0]) if fitting else float(np.ceil(least / _DAY_S) * _DAY_S)


def _percentile(number: NDArray[np.intp], values: Floats, count: int, share: float) -> Floats:
    answered = ~np.isnan(values)
    order = np.lexsort((values[answered], number[answered]))
    ranked, owner = values[answered][order], number[answered][order]
    size = np.bincount(owner, minlength=count)
    begin = np.cumsum(size) - size
    found = np.full(count, np.nan)
    some = size > 0
    place = begin + np.maximum(0, np.ceil(share * size).astype(np.intp) - 1)
    found[some] = ranked[place[some]]
    return found
