"""Where the service is left when a rollback did not succeed."""

import pytest

from bot.domain.evidence import EndpointStats, Outcome
from bot.workflows.verdict import Stage, safest


def stats(errors: int, count: int = 10) -> tuple[EndpointStats, ...]:
    return (EndpointStats(endpoint="/", count=count, errors=errors, p50_ms=10.0, p95_ms=20.0),)


@pytest.mark.parametrize("stage", list(Stage))
def test_nothing_is_moved_on_an_unknown_outcome(stage: Stage) -> None:
    decided = safest(stage, Outcome.UNKNOWN, stats(5), stats(10))
    assert not decided.go_back
    assert not decided.target_is_bad


def test_where_nothing_was_changed_nothing_is_put_back_and_nobody_is_blamed() -> None:
    decided = safest(Stage.UNTOUCHED, Outcome.FAILED, stats(5), stats(5))
    assert not decided.go_back
    assert not decided.target_is_bad


def test_a_switch_that_failed_is_put_back() -> None:
    decided = safest(Stage.APPLY, Outcome.FAILED, stats(5), ())
    assert decided.go_back
    assert decided.target_is_bad


@pytest.mark.parametrize(("before", "after", "go_back"), [(3, 8, True), (8, 3, False), (5, 5, False)])
def test_a_bad_target_stays_unless_it_fails_more_users(before: int, after: int, go_back: bool) -> None:
    decided = safest(Stage.PROVE, Outcome.FAILED, stats(before), stats(after))
    assert decided.go_back is go_back
    assert decided.target_is_bad


def test_a_target_that_answers_nobody_is_the_worst() -> None:
    assert safest(Stage.PROVE, Outcome.FAILED, stats(3), ()).go_back
