"""What was measured, and when that counts as ill."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.evidence import (
    Baseline,
    BaselineSource,
    Outcome,
    Probe,
    Thresholds,
    consecutive_version,
    judge,
    overall,
    percentile,
    summarize,
)

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
THRESHOLDS = Baseline(source=BaselineSource.THRESHOLDS, thresholds=Thresholds())


def probe(*, ok: bool = True, ms: float | None = 20.0, version: str | None = "v1", after: int = 0) -> Probe:
    return Probe(endpoint="/", at=NOW + timedelta(seconds=after), ok=ok, latency_ms=ms, version=version)


def measured(p95_ms: float, *, errors: int = 0) -> Baseline:
    seen = [probe(ms=p95_ms, ok=n >= errors) for n in range(100)]
    return Baseline(source=BaselineSource.PROBES, version="v1", endpoints=summarize(seen))


def test_nothing_measured_is_unknown_never_good() -> None:
    assert overall(judge([], THRESHOLDS)) is Outcome.UNKNOWN


def test_one_bad_answer_among_many_is_a_blip_and_two_are_an_illness() -> None:
    blip = [probe(ok=n != 3) for n in range(20)]
    ill = [probe(ok=n not in (3, 9)) for n in range(20)]
    assert overall(judge(blip, THRESHOLDS)) is Outcome.SUCCEEDED
    assert overall(judge(ill, THRESHOLDS)) is Outcome.FAILED


def test_a_single_answer_that_failed_is_all_there_is_and_counts() -> None:
    assert overall(judge([probe(ok=False)], THRESHOLDS)) is Outcome.FAILED


def test_latency_is_compared_with_what_was_measured() -> None:
    slow = [probe(ms=350.0) for _ in range(20)]
    assert overall(judge(slow, measured(20.0))) is Outcome.FAILED
    assert overall(judge(slow, measured(200.0))) is Outcome.SUCCEEDED
    finding = judge(slow, measured(20.0))[0]
    assert finding.sentence == "p95 350 ms (at most 90 ms is acceptable)"


def test_the_absolute_limit_holds_however_slow_it_was_before() -> None:
    assert overall(judge([probe(ms=1500.0)] * 20, measured(2000.0))) is Outcome.FAILED


def test_a_baseline_with_errors_of_its_own_is_not_held_against_the_target() -> None:
    noisy = measured(20.0, errors=10)
    assert overall(judge([probe(ok=n >= 10) for n in range(100)], noisy)) is Outcome.SUCCEEDED
    assert overall(judge([probe(ok=n >= 12) for n in range(100)], noisy)) is Outcome.FAILED


def test_a_round_counts_only_when_all_of_it_was_well_and_of_that_version() -> None:
    good = (probe(), probe())
    assert consecutive_version([good, good, good], "v1") == 3
    assert consecutive_version([good, (probe(), probe(ok=False)), good], "v1") == 1
    assert consecutive_version([good, (probe(), probe(version="v2"))], "v1") == 0
    assert consecutive_version([(probe(version=None),)], "v1") == 0


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1.0))
def test_a_percentile_is_one_of_the_values_and_grows_with_its_share(
    values: list[float], share: float
) -> None:
    found = percentile(values, share)
    assert found in values
    assert min(values) <= (found or 0.0) <= max(values)
    assert percentile(values, 1.0) == max(values)


@pytest.mark.parametrize("values", [[]])
def test_no_values_have_no_percentile(values: list[float]) -> None:
    assert percentile(values, 0.5) is None
