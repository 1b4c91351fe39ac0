"""What two samples of a metric say about each other, with how sure that is.

Metrics remember: a slow minute follows a slow minute, and a `rate(…[5m])` every 15 s counts each request twenty
times. So all intervals are those of the *effective* number of values, the real one divided by `tau`, the integrated
autocorrelation time (Geyer's initial monotone sequence; Kendall's correction for its bias in short samples).

Where values have a typical size and wild exceptions (latency), `shift` is Hodges and Lehmann's estimate with the
interval that comes from inverting the Mann-Whitney test. Where each single event counts, however rare (the share of
failed requests), `rate` is Wilson's interval on the effective number of requests, which also allows for requests
that fail together, and `difference` puts two of them together as Newcombe does (method 10, MOVER).
"""

import bisect
import math
from collections.abc import Callable, Sequence
from statistics import NormalDist, fmean
from typing import NamedTuple

MOST_LAG = 0.25
"""Lags are looked at up to this share of a sample: beyond it, too few pairs are left."""
_HALVINGS = 45

Values = Sequence[float | None]


class Interval(NamedTuple):
    """An estimate and its one-sided bounds; infinite where nothing bounds it."""

    estimate: float
    low: float
    high: float


def t_quantile(probability: float, freedom: float) -> float:
    """Student's t, by Cornish and Fisher's expansion: within 2 % at 95 % from three degrees of freedom on."""
    z = NormalDist().inv_cdf(probability)
    f = max(freedom, 1.0)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + sum(term / f**n for n, term in enumerate(terms, 1))


def tau(*samples: Values, ranked: bool = True) -> float:
    """How many successive values are worth one independent value; at least 1. The samples share their memory.

    `ranked` looks at the order of values instead of their size, so that one wild value hides nothing.
    """
    centred = [_centred(sample, ranked=ranked) for sample in samples]
    sizes = [sum(value is not None for value in sample) for sample in centred]
    variance = sum(value * value for sample in centred for value in sample if value is not None)
    count = sum(sizes)
    if not count or variance == 0:
        return 1.0
    variance /= count
    longest = max(1, int(MOST_LAG * max(sizes)))

    def correlation(lag: int) -> float | None:
        total, pairs = 0.0, 0
        for sample in centred:
            for earlier, later in zip(sample, sample[lag:], strict=False):
                if earlier is not None and later is not None:
                    total += earlier * later
                    pairs += 1
        if not pairs:
            return None
        found = total / pairs / variance
        # Short samples take their own mean for the true one, and so look less alike than they are.
        return min(1.0, found + (1 + 3 * max(found, 0.0)) / count * len(samples))

    return min(_integrated(correlation, longest), count / 2)


def _integrated(correlation: Callable[[int], float | None], longest: int) -> float:
    """1 + 2 Σ ρ over pairs of lags, while the pairs stay positive and do not grow."""
    total, last, lag = -1.0, math.inf, 0
    while lag <= longest:
        first = 1.0 if lag == 0 else correlation(lag)
        second = correlation(lag + 1)
        if first is None or second is None:
            break
        pair = min(first + second, last)
        if pair <= 0:
            break
        total += 2 * pair
        last, lag = pair, lag + 2
    return max(1.0, total)


def _centred(sample: Values, *, ranked: bool) -> list[float | None]:
    known = sorted(value for value in sample if value is not None)
    if not known:
        return []
    if ranked:
        size = 2 * len(known)
        sample = [
            None if v is None else (bisect.bisect_left(known, v) + bisect.bisect_right(known, v)) / size
            for v in sample
        ]
    mean = fmean(value for value in sample if value is not None)
    return [None if value is None else value - mean for value in sample]


def shift(before: Values, after: Values, memory: float, confidence: float) -> Interval:
    """By how much `after` lies above `before`. Needs a value in each."""
    old = sorted(value for value in before if value is not None)
    new = sorted(value for value in after if value is not None)
    n, m = len(old) / memory, len(new) / memory
    spread = math.sqrt((n + m + 1) / (12 * n * m))
    reach = t_quantile(confidence, n + m - 2) * spread
    return Interval(
        _where(old, new, 0.5),
        -math.inf if 0.5 + reach >= 1 else _where(old, new, 0.5 + reach),
        math.inf if 0.5 - reach <= 0 else _where(old, new, 0.5 - reach),
    )


def _where(old: Sequence[float], new: Sequence[float], share: float) -> float:
    """The shift at which `share` of all pairs still have the new value above the old one."""
    low, high = new[0] - old[-1], new[-1] - old[0]
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _above(old, new, middle) > share:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _above(old: Sequence[float], new: Sequence[float], by: float) -> float:
    won = sum(bisect.bisect_left(old, value - by) + bisect.bisect_right(old, value - by) for value in new)
    return won / (2 * len(old) * len(new))


class Rate(NamedTuple):
    """A share, the variance of its estimate, and how many events it is made of; None: that is not known."""

    share: float
    variance: float
    events: float | None
    freedom: float


def rate(values: Values, counts: Values | None, memory: float) -> Rate:
    """The share over all of a sample, each value weighted with its count. Needs one value."""
    weights = [1.0] * len(values) if counts is None else [count or 0.0 for count in counts]
    known = [(value, weight) for value, weight in zip(values, weights, strict=True) if value is not None]
    total = sum(weight for _, weight in known)
    share = sum(value * weight for value, weight in known) / total
    squares = sum((weight * (value - share)) ** 2 for value, weight in known) / total**2
    size = len(known)
    variance = squares * size / max(1, size - 1) * memory
    return Rate(share, variance, None if counts is None else total, size / memory - 1)


def difference(before: Rate, after: Rate, confidence: float) -> Interval:
    """By how much the share grew."""
    together = max(_overdispersion(before), _overdispersion(after))
    freedom = max(1.0, before.freedom + after.freedom)
    reach = t_quantile(confidence, freedom)
    old_low, old_high = _bounds(before, together, reach)
    new_low, new_high = _bounds(after, together, reach)
    grown = after.share - before.share
    return Interval(
        grown,
        grown - math.hypot(after.share - new_low, old_high - before.share),
        grown + math.hypot(new_high - after.share, before.share - old_low),
    )


def _overdispersion(found: Rate) -> float:
    """How much more a share varies than single events would make it; those that fail together count less."""
    chance = found.share * (1 - found.share)
    if found.events is None or chance <= 0:
        return 1.0
    return max(1.0, found.variance / (chance / found.events))


def _bounds(found: Rate, together: float, reach: float) -> tuple[float, float]:
    if found.events is None:
        half = reach * math.sqrt(found.variance)
        return max(0.0, found.share - half), min(1.0, found.share + half)
    size, square = found.events / together, reach * reach
    middle = (found.share + square / (2 * size)) / (1 + square / size)
    half = reach / (1 + square / size)
    half *= math.sqrt(found.share * (1 - found.share) / size + square / (4 * size * size))
    return max(0.0, middle - half), min(1.0, middle + half)


def above(share: float, size: float, confidence: float) -> float:
    """The least share that such a share of `size` independent values speaks for (Wilson)."""
    low, _ = _bounds(Rate(share, 0.0, size, size), 1.0, NormalDist().inv_cdf(confidence))
    return low
