"""A metric that is looked at again and again: one look in many may not raise an alarm by chance."""

from bot.domain.no_worse import LOOKS, Better, Expectation, assess, row
from bot.domain.series import SHARE, Series
from bot.domain.verdict import Row, Verdict
from tests.unit.test_no_worse import BEFORE, NOW, STEP, noisy, series


def watched(after: Series, expected: Expectation | None = None, before: Series | None = BEFORE) -> Row:
    return row(expected or Expectation(), what="p95", before=before, during=None, after=after, lately=True)


def test_each_of_many_looks_has_to_be_surer() -> None:
    """Of a change that is just worse enough to be seen once."""
    after = series(noisy(20, 133.0, seed=2))
    assert assess(Expectation(), BEFORE, after).verdict is Verdict.FAIL
    assert assess(Expectation(), BEFORE, after, looks=LOOKS).verdict is Verdict.UNVERIFIED
    assert watched(after).verdict is Verdict.UNVERIFIED
    assert watched(series(noisy(20, 200.0, seed=2))).verdict is Verdict.FAIL


def test_a_share_of_few_requests_breaks_a_limit_only_surely() -> None:
    """Three of eighty are more than two percent, and may well be chance."""
    limit = Expectation(no_worse=False, at_most=0.02)
    failed = [0.1, 0, 0.1, 0, 0, 0.1, 0, 0]
    few = series(failed, SHARE, counts=[10] * 8)
    assert assess(limit, None, few).verdict is Verdict.FAIL
    assert watched(few, limit, None).verdict is Verdict.PASS
    many = series(failed, SHARE, counts=[10_000] * 8)
    assert watched(many, limit, None).verdict is Verdict.FAIL
    uncounted = series(failed, SHARE)
    assert watched(uncounted, limit, None).verdict is Verdict.FAIL


def test_a_share_that_has_to_be_high_as_well() -> None:
    limit = Expectation(better=Better.HIGHER, no_worse=False, at_least=0.98)
    worked = [0.9, 1, 0.9, 1, 1, 0.9, 1, 1]
    assert watched(series(worked, SHARE, counts=[10] * 8), limit, None).verdict is Verdict.PASS
    assert watched(series(worked, SHARE, counts=[10_000] * 8), limit, None).verdict is Verdict.FAIL


def test_the_newest_values_count_by_themselves_and_it_says_up_to_when_it_looked() -> None:
    after = series([*noisy(400, 100.0, seed=5), *noisy(16, 300.0, seed=6)])
    assert assess(Expectation(), BEFORE, after).verdict is Verdict.PASS
    found = watched(after)
    assert found.verdict is Verdict.FAIL
    assert found.sentence.startswith("lately: ")
    assert found.numbers["last_seen"] == (NOW + STEP * 416).timestamp()
    once = row(Expectation(), what="p95", before=BEFORE, during=None, after=after)
    assert once.verdict is Verdict.PASS
    assert "last_seen" not in once.numbers
