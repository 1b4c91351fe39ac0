"""What a balancer has served, and whether that is what was asked for."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.evidence import Outcome
from bot.domain.served import Served, Window, between, interval, judge_errors, judge_share

T0 = datetime(2026, 11, 25, 12, tzinfo=UTC)


def served(
    seconds: float, to_service: int, total: int, errors: int | None = None, own: int | None = None
) -> Served:
    at = T0 + timedelta(seconds=seconds)
    return Served(at=at, to_service=to_service, total=total, errors=errors, service_errors=own)


def window(to_service: int, total: int, errors: int | None = 0) -> Window:
    return Window(
        since=T0, until=T0 + timedelta(minutes=1), to_service=to_service, total=total, errors=errors
    )


def test_between_two_counts_lies_what_was_served() -> None:
    found = between(served(0, 10, 100, 50, 1), served(60, 35, 200, 130, 3))
    assert found == Window(since=T0, until=T0 + timedelta(minutes=1), to_service=25, total=100, errors=2)
    assert found.share == 0.25


def test_all_errors_are_the_services_where_everything_reached_it() -> None:
    found = between(served(0, 0, 0, 0), served(60, 50, 50, 4))
    assert found is not None
    assert found.errors == 4
    mixed = between(served(0, 0, 0, 0), served(60, 50, 60, 4))
    assert mixed is not None
    assert mixed.errors is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, served(1, 1, 1)),
        (served(1, 1, 1), None),
        (served(0, 10, 100), served(60, 3, 200)),  # the counters began anew
        (served(0, 10, 100), served(60, 12, 90)),
        (served(60, 10, 100), served(0, 20, 200)),
        (served(0, 10, 10, 0, 5), served(60, 20, 20, 0, 2)),
    ],
)
def test_across_a_gap_nothing_is_concluded(before: Served | None, after: Served | None) -> None:
    assert between(before, after) is None


@given(st.integers(0, 500), st.integers(0, 500))
def test_the_interval_holds_what_was_seen(hits: int, misses: int) -> None:
    count = hits + misses
    low, high = interval(hits, count)
    assert 0 <= low <= high <= 1
    if count:
        assert low <= hits / count <= high
        wider = interval(hits * 4, count * 4)
        assert wider[1] - wider[0] < high - low


def test_the_interval_is_wilsons() -> None:
    # As R's binom::binom.wilson(10, 100) gives it.
    assert interval(10, 100) == pytest.approx((0.0552291, 0.1743657), abs=1e-5)
    assert interval(0, 20) == pytest.approx((0.0, 0.1611252), abs=1e-5)


@pytest.mark.parametrize(
    ("to_service", "total", "wanted", "outcome"),
    [
        (250, 1000, 0.25, Outcome.SUCCEEDED),
        (2, 8, 0.25, Outcome.UNKNOWN),  # right, and too few to say so
        (0, 8, 0.25, Outcome.UNKNOWN),  # wrong, and too few to say so
        (0, 60, 0.25, Outcome.FAILED),
        (8, 8, 0.5, Outcome.UNKNOWN),  # drawn by lot this happens, and it is looked at many times
        (20, 20, 0.5, Outcome.FAILED),
        (500, 1000, 0.25, Outcome.FAILED),
        (100, 100, 1.0, Outcome.SUCCEEDED),
        (10, 10, 1.0, Outcome.UNKNOWN),
        (50, 100, 1.0, Outcome.FAILED),
        (0, 1000, 0.1, Outcome.FAILED),  # a tenth is not served where nothing is, whatever the tolerance
        (0, 0, 0.5, Outcome.UNKNOWN),
    ],
)
def test_the_share_that_was_served_counts(
    to_service: int, total: int, wanted: float, outcome: Outcome
) -> None:
    assert judge_share(window(to_service, total), wanted, 0.1).outcome is outcome


def test_without_a_measurement_no_share_is_good() -> None:
    part = judge_share(None, 0.5, 0.1)
    assert (part.outcome, part.sentence) == (
        Outcome.UNKNOWN,
        "what was served was not measured (asked for: 50 %)",
    )


@pytest.mark.parametrize(
    ("errors", "count", "outcome"),
    [
        (0, 100, Outcome.SUCCEEDED),
        (2, 100, Outcome.SUCCEEDED),
        (3, 100, Outcome.UNKNOWN),  # above, and by chance perhaps
        (20, 100, Outcome.FAILED),
        (1, 1, Outcome.UNKNOWN),  # a single answer is no trend
        (3, 3, Outcome.FAILED),
        (0, 5, Outcome.UNKNOWN),
    ],
)
def test_errors_fail_once_they_are_certain(errors: int, count: int, outcome: Outcome) -> None:
    part = judge_errors(window(count, 2 * count, errors), 0.02, 20)
    assert part is not None
    assert part.outcome is outcome


def test_what_nobody_counts_is_not_judged() -> None:
    assert judge_errors(window(5, 10, None), 0.02, 20) is None
    missing = judge_errors(None, 0.02, 20)
    assert missing is not None
    assert missing.outcome is Outcome.UNKNOWN


@given(st.integers(0, 300), st.integers(0, 300), st.sampled_from([0.1, 0.25, 0.5, 1.0]))
def test_a_share_that_passes_is_near(to_service: int, more: int, wanted: float) -> None:
    total = to_service + more
    part = judge_share(window(to_service, total), wanted, 0.1)
    if part.outcome is Outcome.SUCCEEDED:
        assert total >= 20
        assert abs(to_service / total - wanted) <= 0.1
