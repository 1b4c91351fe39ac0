"""The arithmetic behind "no worse than before", against numbers that are known from elsewhere."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.samples import Interval, above, difference, rate, shift, t_quantile, tau

floats = st.floats(-1e6, 1e6, allow_nan=False, allow_subnormal=False)


@pytest.mark.parametrize(
    ("probability", "freedom", "table"),
    [
        (0.95, 4, 2.132),
        (0.95, 10, 1.812),
        (0.95, 30, 1.697),
        (0.975, 10, 2.228),
        (0.99, 20, 2.528),
        (0.95, 1e9, 1.6449),
    ],
)
def test_students_t_is_that_of_the_tables(probability: float, freedom: float, table: float) -> None:
    assert t_quantile(probability, freedom) == pytest.approx(table, rel=0.005)


def remembering(seed: int, count: int, phi: float) -> list[float]:
    rng = random.Random(seed)  # noqa: S311 - the same numbers in every run
    values, last = [], rng.gauss(0, 1)
    for _ in range(count):
        last = phi * last + math.sqrt(1 - phi * phi) * rng.gauss(0, 1)
        values.append(last)
    return values


@pytest.mark.parametrize("phi", [0.0, 0.3, 0.6, 0.8])
def test_tau_is_that_of_a_process_whose_tau_is_known(phi: float) -> None:
    """(1 + φ) / (1 − φ) for a first-order autoregression."""
    found = [tau(remembering(seed, 2000, phi)) for seed in range(10)]
    assert sum(found) / len(found) == pytest.approx((1 + phi) / (1 - phi), rel=0.25)


def test_memory_is_not_invented_and_never_below_one() -> None:
    assert tau([5.0] * 30) == 1.0
    assert tau([None] * 5) == 1.0
    assert tau([1.0, -1.0] * 50) == 1.0


def test_a_wild_value_does_not_hide_memory() -> None:
    values = remembering(3, 400, 0.8)
    wild = [*values[:200], 1e9, *values[201:]]
    assert tau(wild) == pytest.approx(tau(values), rel=0.1)


def test_gaps_are_not_bridged() -> None:
    values = remembering(4, 400, 0.8)
    apart: list[float | None] = [v for value in values for v in (value, None)]
    assert tau(apart) < tau(values) / 2


@given(st.lists(floats, min_size=4, max_size=30), st.floats(-1000, 1000))
def test_the_shift_of_a_shifted_sample_is_the_shift(values: list[float], by: float) -> None:
    found = shift(values, [value + by for value in values], 1.0, 0.95)
    assert found.estimate == pytest.approx(by, abs=1e-3 * (1 + max(map(abs, values))))
    assert found.low <= found.estimate <= found.high


def test_the_bounds_are_those_that_mann_and_whitney_give() -> None:
    """Ten against ten: the 28th smallest of the 100 differences bounds it at 5 % (tables: U = 27)."""
    old = [float(n) for n in range(10)]
    new = [n + 0.5 + n * n / 50 for n in range(10)]
    differences = sorted(b - a for a in old for b in new)
    found = shift(old, new, 1.0, 0.95)
    # Student's t instead of the normal distribution makes it a little wider.
    assert differences[24] <= found.low <= differences[28]
    assert differences[71] <= found.high <= differences[75]


def test_too_few_values_bound_nothing() -> None:
    found = shift([1.0, 2.0], [3.0, 4.0], 1.0, 0.95)
    assert 1 <= found.estimate <= 3
    assert (found.low, found.high) == (-math.inf, math.inf)


def test_more_memory_is_less_certainty() -> None:
    values = [float(n % 7) for n in range(40)]
    sure, unsure = (shift(values, values, memory, 0.95) for memory in (1.0, 4.0))
    assert unsure.low < sure.low <= 0 <= sure.high < unsure.high


def newcombe(a: int, n: int, b: int, m: int) -> Interval:
    before = rate([a / n], [float(n)], 1.0)._replace(freedom=1e9)
    after = rate([b / m], [float(m)], 1.0)._replace(freedom=1e9)
    return difference(before, after, 0.975)


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        # Newcombe (1998), table II, method 10, the difference p1 - p2.
        ((48, 80, 56, 70), 0.0524, 0.3339),
        ((3, 10, 9, 10), 0.1705, 0.8090),
        ((0, 29, 5, 56), -0.0381, 0.1926),
    ],
)
def test_the_difference_is_newcombes(counts: tuple[int, int, int, int], low: float, high: float) -> None:
    found = newcombe(*counts)
    assert found.low == pytest.approx(low, abs=0.0002)
    assert found.high == pytest.approx(high, abs=0.0002)


def test_no_failure_at_all_still_leaves_room_for_some() -> None:
    few, many = (rate([0.0] * 20, [float(n)] * 20, 1.0) for n in (5, 5000))
    assert difference(few, few, 0.95).high > 0.02
    assert 0 < difference(many, many, 0.95).high < 0.0001


def test_requests_that_fail_together_count_less() -> None:
    spread = rate([0.1] * 20, [100.0] * 20, 1.0)
    bursts = rate([1.0, 1.0] + [0.0] * 18, [100.0] * 20, 1.0)
    assert spread.share == bursts.share
    assert difference(bursts, bursts, 0.95).high > 3 * difference(spread, spread, 0.95).high


@given(st.integers(0, 50), st.integers(1, 50), st.sampled_from([0.9, 0.95, 0.99]))
def test_a_bound_is_below_what_was_seen(count: int, size: int, confidence: float) -> None:
    share = min(count, size) / size
    assert 0 <= above(share, size, confidence) <= share + 1e-9
