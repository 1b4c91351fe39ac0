"""When a metric is no worse than before, when it is, and when nobody can tell."""

import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bot.domain.no_worse import Better, Expectation, assess, row, unread
from bot.domain.series import SHARE, Series, grid, shares, shown
from bot.domain.verdict import Verdict

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
STEP = timedelta(seconds=15)
COMPARED = Expectation()


def series(values: Sequence[float | None], unit: str = "ms", **more: object) -> Series:
    return Series.model_validate({"unit": unit, "since": NOW, "step": STEP, "values": values, **more})


def noisy(count: int, middle: float, *, seed: int = 1, by: float = 0.1) -> list[float | None]:
    rng = random.Random(seed)  # noqa: S311 - the same numbers in every run
    return [middle * math.exp(rng.gauss(0, by)) for _ in range(count)]


BEFORE = series(noisy(240, 100.0))


@pytest.mark.parametrize(
    ("factor", "verdict", "words"),
    [
        (1.0, Verdict.PASS, "at most"),
        (0.5, Verdict.PASS, "at most"),
        (1.25, Verdict.UNVERIFIED, "anything between"),
        (1.6, Verdict.FAIL, "at least"),
    ],
)
def test_latency_against_what_it_was(factor: float, verdict: Verdict, words: str) -> None:
    found = assess(COMPARED, BEFORE, series(noisy(20, 100.0 * factor, seed=2)))
    assert found.verdict is verdict
    assert words in found.sentence
    assert "up to 122 ms is acceptable" in found.sentence
    assert (
        found.numbers["worse_by_at_least"] <= found.numbers["worse_by"] <= found.numbers["worse_by_at_most"]
    )


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.0, Verdict.PASS), (2.0, Verdict.PASS), (0.5, Verdict.FAIL)]
)
def test_where_higher_is_better_less_is_worse(factor: float, verdict: Verdict) -> None:
    orders = Expectation(better=Better.HIGHER)
    found = assess(orders, BEFORE, series(noisy(20, 100.0 * factor, seed=3)))
    assert found.verdict is verdict
    assert "down to 81 ms is acceptable" in found.sentence


def counted(shares_: Sequence[float | None], each: float = 500.0) -> Series:
    return series(shares_, SHARE, counts=[None if s is None else each for s in shares_])


def test_errors_against_what_they_were() -> None:
    before = counted([0.002, 0.004] * 60)
    assert assess(COMPARED, before, counted([0.004, 0.002] * 10)).verdict is Verdict.PASS
    bad = assess(COMPARED, before, counted([0.05, 0.04] * 10))
    assert bad.verdict is Verdict.FAIL
    assert bad.sentence.startswith("4.5 %, 0.3 % before: at least")


def test_few_requests_prove_nothing_however_good_they_look() -> None:
    before = counted([0.0] * 120, each=2)
    found = assess(COMPARED, before, counted([0.0] * 20, each=2))
    assert found.verdict is Verdict.UNVERIFIED
    assert "takes more values" in found.sentence


def test_a_burst_that_the_typical_value_does_not_show_is_seen() -> None:
    """A quarter of the values are dreadful; the median is as it was."""
    since = [400.0 if n % 4 == 0 else 100.0 + n % 3 for n in range(40)]
    found = assess(COMPARED, BEFORE, series(since))
    assert found.verdict is Verdict.FAIL
    assert "10 of 40 values since are above" in found.sentence


def test_a_single_wild_value_is_no_alarm() -> None:
    since = noisy(20, 100.0, seed=2)
    since[7] = 5000.0
    assert assess(COMPARED, BEFORE, series(since)).verdict is Verdict.PASS


def test_a_gap_is_never_green_and_does_not_hide_a_failure() -> None:
    well, ill = noisy(20, 100.0, seed=2), noisy(20, 300.0, seed=2)
    well[3] = ill[3] = None
    gap = assess(COMPARED, BEFORE, series(well))
    assert (gap.verdict, gap.sentence) == (Verdict.UNVERIFIED, "1 of 20 values since are missing")
    assert assess(COMPARED, BEFORE, series(ill)).verdict is Verdict.FAIL
    tolerant = Expectation(gaps=0.05)
    assert assess(tolerant, BEFORE, series(well)).verdict is Verdict.PASS


def test_a_partial_answer_is_never_green() -> None:
    found = assess(COMPARED, BEFORE, series(noisy(20, 100.0, seed=2), partial=True))
    assert (found.verdict, found.sentence) == (Verdict.UNVERIFIED, "the answer was not complete")


@pytest.mark.parametrize("since", [None, series([]), series([None] * 20)])
def test_nothing_since_is_unverified(since: Series | None) -> None:
    found = assess(COMPARED, BEFORE, since)
    assert (found.verdict, found.sentence) == (Verdict.UNVERIFIED, "nothing was measured since")


@pytest.mark.parametrize("before", [None, series([]), series([100.0] * 7)])
def test_nothing_to_compare_with_is_unverified(before: Series | None) -> None:
    found = assess(COMPARED, before, series(noisy(20, 100.0)))
    assert found.verdict is Verdict.UNVERIFIED
    assert "from before, at least 8 are needed to compare" in found.sentence


def test_too_few_values_since_are_unverified() -> None:
    found = assess(COMPARED, BEFORE, series([100.0] * 7))
    assert (found.verdict, found.sentence) == (Verdict.UNVERIFIED, "7 values since, at least 8 are needed")


def test_thresholds_alone_need_no_before() -> None:
    limits = Expectation(no_worse=False, at_most=200, at_least=50)
    assert assess(limits, None, series([100.0] * 20)).verdict is Verdict.PASS
    blip = assess(limits, None, series([*[100.0] * 19, 500.0]))
    assert blip.verdict is Verdict.PASS
    assert "1 value beyond it" in blip.sentence
    over = assess(limits, None, series([*[100.0] * 18, 500.0, 700.0]))
    assert over.verdict is Verdict.FAIL
    assert over.sentence == "2 of 20 values break the limit, up to 700 ms; at most 200 ms is acceptable"
    under = assess(limits, None, series([*[100.0] * 18, 10.0, 20.0]))
    assert "at least 50 ms is acceptable" in under.sentence
    assert under.verdict is Verdict.FAIL


def test_a_threshold_of_a_share_is_about_all_of_it() -> None:
    limit = Expectation(no_worse=False, at_most=0.02)
    assert assess(limit, None, counted([0.0] * 19 + [0.3])).verdict is Verdict.PASS
    assert assess(limit, None, counted([0.0] * 19 + [1.0])).verdict is Verdict.FAIL


def test_a_broken_threshold_fails_what_is_no_worse_than_before() -> None:
    both = Expectation(at_most=90)
    found = assess(both, BEFORE, series(noisy(20, 100.0, seed=2)))
    assert found.verdict is Verdict.FAIL
    assert "at most 90 ms is acceptable" in found.sentence


def test_that_nothing_is_expected_is_unverified() -> None:
    found = assess(Expectation(no_worse=False), BEFORE, BEFORE)
    assert (found.verdict, found.sentence) == (Verdict.UNVERIFIED, "nothing is expected of it")


def test_different_units_are_not_compared() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        assess(COMPARED, BEFORE, series([1.0], "s"))


values = st.lists(st.one_of(st.none(), st.floats(0, 1e6, allow_subnormal=False)), max_size=30)
expectations = st.builds(
    Expectation,
    better=st.sampled_from(Better),
    tolerance=st.floats(0, 2),
    slack=st.one_of(st.none(), st.floats(0, 10)),
    at_most=st.one_of(st.none(), st.floats(0, 1e6)),
)


@given(expectations, values, values)
@settings(deadline=None)
def test_what_has_a_gap_is_never_green_whatever_the_values(
    expected: Expectation, before: list[float | None], after: list[float | None]
) -> None:
    found = assess(expected, series(before), series(after))
    assert found.sentence
    if None in after or len(after) < expected.least:
        assert found.verdict is not Verdict.PASS
    assert all(math.isfinite(number) for number in found.numbers.values())


@given(st.lists(st.floats(1, 1e4), min_size=20, max_size=20), st.floats(1.0, 100.0))
@settings(deadline=None)
def test_worse_values_never_make_it_pass(after: list[float], factor: float) -> None:
    as_it_was = assess(COMPARED, BEFORE, series(list(after)))
    worse = assess(COMPARED, BEFORE, series([value * factor for value in after]))
    rank = [Verdict.FAIL, Verdict.UNVERIFIED, Verdict.PASS].index
    if as_it_was.verdict is not Verdict.PASS:
        assert worse.verdict is not Verdict.PASS
    if as_it_was.verdict is Verdict.FAIL and factor > 1:
        assert rank(worse.verdict) <= rank(as_it_was.verdict)


shares_ = st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=8, max_size=30)


@given(shares_, shares_, st.floats(1, 1e5))
@settings(deadline=None)
def test_shares_of_any_kind_can_be_judged(
    before: list[float | None], after: list[float | None], each: float
) -> None:
    for more in ({}, {"counts": [each] * len(after)}):
        older = series(before, SHARE, **({"counts": [each] * len(before)} if more else {}))
        found = assess(COMPARED, older, series(after, SHARE, **more))
        assert all(math.isfinite(number) for number in found.numbers.values())


def test_a_row_keeps_what_it_was_made_of() -> None:
    during = series([None, 900.0, 950.0])
    after = series(noisy(20, 100.0, seed=2))
    made = row(COMPARED, what="checkout p95", before=BEFORE, during=during, after=after)
    assert made.verdict is Verdict.PASS
    assert made.before is not None
    assert made.before.series == BEFORE
    assert made.during is not None
    assert made.during.shown == "925 ms, 1 of 3 values missing"
    assert made.after is not None
    assert made.after.numbers["points"] == 20
    assert type(made).model_validate_json(made.model_dump_json()) == made


def test_what_could_not_be_had_is_an_unverified_row() -> None:
    made = unread(what="checkout p95", reason="Prometheus cannot be reached.")
    assert (made.verdict, made.before, made.required) == (Verdict.UNVERIFIED, None, True)


def test_a_series_is_cut_where_nothing_of_another_time_is_in_it() -> None:
    whole = series([float(n) for n in range(40)], lookback=timedelta(minutes=1))
    cut = whole.between(NOW + timedelta(minutes=2), NOW + timedelta(minutes=5))
    # The value that ends at 3 min is the first one that looks back no further than 2 min.
    assert cut.ends(0) == NOW + timedelta(minutes=3)
    assert cut.values[0] == 11.0
    assert cut.until == NOW + timedelta(minutes=5)
    assert cut.values[-1] == 19.0
    assert whole.between(NOW, NOW + timedelta(hours=1)).values[0] == 3.0
    assert whole.between(NOW + timedelta(hours=2), NOW + timedelta(hours=3)).values == ()


@given(st.integers(0, 10**6), st.integers(0, 10**4), st.sampled_from([1, 7, 15, 60]))
def test_windows_that_touch_have_no_step_in_common(offset: int, length: int, step_s: int) -> None:
    step = timedelta(seconds=step_s)
    since = NOW + timedelta(seconds=offset)
    middle, until = since + timedelta(seconds=length), since + timedelta(seconds=3 * length)
    (first, count), (second, _) = grid(since, middle, step), grid(middle, until, step)
    assert since <= first < since + step
    assert not count or first + step * count <= middle
    assert second >= first + step * count
    assert grid(middle, since - step, step)[1] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"values": [float("nan")]},
        {"values": [float("inf")]},
        {"values": [1.0], "counts": [1.0, 2.0]},
        {"values": [0.5], "counts": [0.0]},
        {"values": [0.5], "counts": [None]},
        {"unit": SHARE, "values": [1.5]},
        {"step": timedelta(0)},
    ],
)
def test_a_series_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    given_ = {"unit": "ms", "since": NOW, "step": STEP, "values": [1.0]} | wrong
    with pytest.raises(ValidationError):
        Series.model_validate(given_)


def test_all_of_it_is_one_whatever_rounding_says() -> None:
    assert shares([0.1 + 0.2, 0.0, 1.0, None, 1.0, 2.0], [0.3, 5.0, 0.0, 1.0, None, 1.0]) == (
        1,
        0,
        None,
        None,
        None,
        2,
    )


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0, SHARE, "0 %"),
        (0.00312, SHARE, "0.31 %"),
        (0.4567, SHARE, "45.7 %"),
        (1.0, SHARE, "100 %"),
        (123.456, "ms", "123 ms"),
        (12345.6, "orders/min", "12,346 orders/min"),
        (0.01234, "", "0.0123"),
    ],
)
def test_numbers_as_people_read_them(value: float, unit: str, text: str) -> None:
    assert shown(value, unit) == text
