"""Counting, sorting and comparing what a log says."""

import math
import random
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.evidence import Outcome
from bot.domain.logjudge import LogLimits, compare, tail
from bot.domain.loglines import Level
from bot.domain.logrows import rows_of_log
from bot.domain.logwatch import (
    KINDS,
    MINUTES,
    TEXT,
    Finder,
    LogCounts,
    Minute,
    Tally,
    bounded,
    counted,
    newest_kinds,
)
from bot.domain.verdict import Verdict, overall
from integrations.process import redact

T0 = datetime(2026, 11, 24, 10, 0, 30, tzinfo=UTC)
FINDER = Finder(redact)
MINUTE = timedelta(minutes=1)
BEGIN = T0.replace(second=0)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def test_lines_are_counted_in_their_minute() -> None:
    lines = [
        (at(0), "ERROR a"),
        (at(29.9), "all well"),
        (at(30), "WARN b"),
        (at(31), "ERROR a"),
        (at(300), "ERROR late"),
    ]
    counts = counted(lines, finder=FINDER, since=T0, until=at(240))
    assert counts.minutes[0] == Minute(at=T0.replace(second=0), errors=1, total=2)
    assert counts.minutes[1] == Minute(at=T0.replace(second=0) + MINUTE, errors=1, warnings=1, total=2)
    assert len(counts.minutes) == 5, "the minutes without a line are there too"
    assert (counts.errors, counts.warnings, counts.total) == (2, 1, 4)
    assert [minute.at for minute in counts.whole] == [T0.replace(second=0) + n * MINUTE for n in (1, 2, 3)]
    assert counts.length == 4


def test_the_end_is_not_part_of_the_time() -> None:
    counts = counted([(at(60), "ERROR a"), (T0, "ERROR a")], finder=FINDER, since=T0, until=at(60))
    assert counts.errors == 1


def test_kinds_have_counts_times_and_the_newest_example() -> None:
    tally = Tally(FINDER, T0, at(600))
    tally.add(at(20), "ERROR order 2 failed", source="web-b")
    tally.add(at(10), "ERROR order 1 failed", source="web-a")
    tally.add(at(30), "WARN slow", source="web-a")
    (order, slow) = tally.counts().kinds
    assert (order.shape, order.level, order.count) == ("ERROR order # failed", Level.ERROR, 2)
    assert (order.first_seen, order.last_seen, order.example) == (at(10), at(20), "ERROR order 2 failed")
    assert order.sources == ("web-b", "web-a")
    assert slow.count == 1


def test_the_newest_kinds_are_those_that_were_not_there_before() -> None:
    before = counted([(at(1), "ERROR old 1")], finder=FINDER, since=T0, until=at(60))
    lines = [
        (at(99), "ERROR old 7"),
        (at(61), "ERROR first"),
        (at(62), "ERROR second"),
        (at(63), "WARN third"),
    ]
    after = counted(lines, finder=FINDER, since=at(60), until=at(120))
    assert [kind.shape for kind in newest_kinds(after, before)] == [
        "WARN third",
        "ERROR second",
        "ERROR first",
    ]
    assert [kind.shape for kind in newest_kinds(after)] == ["ERROR old #", "WARN third", "ERROR second"]
    assert [kind.shape for kind in newest_kinds(after, before, limit=9)][-1] == "ERROR old #"


def test_nobody_sees_a_secret() -> None:
    told = [
        "ERROR login with password=hunter2 failed",
        'ERROR {"token": "hunter2"}',
        "WARN Authorization: Bearer hunter2",
        "ERROR postgres://shop:hunter2@db/shop is gone",
        '{"level":"error","msg":"cannot sign in","password":"hunter2"}',
    ]
    counts = counted([(T0, line) for line in told], finder=FINDER, since=T0, until=at(60))
    assert counts.errors + counts.warnings == len(told)
    assert "hunter" not in counts.model_dump_json()
    assert "cannot sign in" in {kind.shape for kind in counts.kinds}


def test_a_secret_that_is_cut_in_two_is_not_shown() -> None:
    line = FINDER.line(T0, "ERROR " + "x " * 4080 + "password=" + "hunter2" * 100)
    assert line is not None
    assert "hunter2" not in line.text
    assert len(line.text) == TEXT


def test_patterns_of_ones_own_replace_what_is_found_by_itself() -> None:
    finder = Finder(redact, errors=re.compile("^!!"), warnings=re.compile("^!"))
    assert finder.level("!! x") is Level.ERROR
    assert finder.level("! x") is Level.WARN
    assert finder.level("ERROR x", Level.ERROR) is Level.OTHER


def test_what_a_log_says_of_a_line_counts_where_the_line_says_nothing() -> None:
    assert FINDER.level("disk is full", Level.ERROR) is Level.ERROR
    assert FINDER.level("INFO disk is full", Level.ERROR) is Level.OTHER


def test_many_kinds_do_not_fill_the_memory_and_the_newest_stay() -> None:
    tally = Tally(FINDER, T0, at(10_000))
    letters = "abcdefghijklmnopqrstuvwxyz"
    for number in range(KINDS + 50):
        tally.add(at(number), f"ERROR {letters[number // 26]}{letters[number % 26]}")
    counts = tally.counts()
    assert counts.errors == KINDS + 50
    assert len(counts.kinds) == KINDS
    assert newest_kinds(counts)[0].first_seen == at(KINDS + 49)
    assert "50 lines" in counts.notes[0]
    assert counts.complete


@given(st.lists(st.tuples(st.floats(-60, 400), st.sampled_from(["ERROR x", "WARN y", "fine", "INFO z"]))))
def test_the_order_of_lines_does_not_matter(lines: list[tuple[float, str]]) -> None:
    told = [(at(seconds), text) for seconds, text in lines]
    one = counted(told, finder=FINDER, since=T0, until=at(300))
    other = counted(reversed(told), finder=FINDER, since=T0, until=at(300))
    assert one == other
    assert one.total == sum(T0 <= when < at(300) for when, _ in told)
    assert one.errors + one.warnings == sum(kind.count for kind in one.kinds)
    assert LogCounts.model_validate_json(one.model_dump_json()) == one


def test_a_time_that_is_none_is_said() -> None:
    with pytest.raises(ValueError, match="to a later one"):
        bounded(T0, T0)
    assert bounded(T0 - timedelta(days=400), T0) == T0 - MINUTES * MINUTE


# Whether there are more than before


def log(
    *errors: int,
    warnings: int = 0,
    quiet: int = 100,
    begin: datetime = BEGIN,
    complete: bool = True,
) -> LogCounts:
    """One whole minute for each number of errors."""
    minutes = tuple(
        Minute(at=begin + n * MINUTE, errors=count, warnings=warnings, total=count + warnings + quiet)
        for n, count in enumerate(errors)
    )
    return LogCounts(since=begin, until=begin + len(minutes) * MINUTE, minutes=minutes, complete=complete)


def verdict(before: LogCounts, after: LogCounts) -> Outcome:
    return compare(before, after)[0].verdict


def test_more_errors_than_before_are_worse() -> None:
    finding = compare(log(*[5] * 30), log(*[30] * 5))[0]
    assert finding.verdict is Outcome.FAILED
    assert (finding.what, finding.before, finding.after) == ("errors", 5, 30)
    assert finding.sentence.startswith("30.0/min errors, 5.0/min before (p = ")


def test_as_many_as_before_are_not() -> None:
    assert verdict(log(*[5] * 30), log(5, 6, 4, 5, 7)) is Outcome.SUCCEEDED


def test_a_few_are_never_too_many() -> None:
    assert verdict(log(*[0] * 600), log(1, 0, 1, 1, 1)) is Outcome.SUCCEEDED
    assert verdict(log(*[0] * 600), log(9, 8, 9, 7, 9)) is Outcome.FAILED


def test_what_ends_with_the_bad_version_is_no_flood() -> None:
    """A few lines of connections that are cut off, within seconds, are no rate of anything."""
    before = log(*[0] * 60)

    def within_seconds(errors: int) -> LogCounts:
        minutes = (Minute(at=BEGIN, errors=errors, total=errors + 20),)
        return LogCounts(since=BEGIN, until=BEGIN + MINUTE / 6, minutes=minutes, complete=True)

    assert verdict(before, within_seconds(5)) is Outcome.SUCCEEDED
    assert verdict(before, within_seconds(12)) is Outcome.FAILED


def test_a_burst_as_there_were_before_is_not_worse() -> None:
    bursts = [0] * 9 + [60]
    assert verdict(log(*bursts * 6), log(0, 0, 60, 0, 0)) is Outcome.SUCCEEDED
    assert tail(360, 60, 60, 5) < 1e-5, "which the test of Poisson alone would have called worse"


def test_a_gap_is_never_well() -> None:
    before = log(*[5] * 30)
    assert verdict(before, log(5, 5, 5, complete=False)) is Outcome.UNKNOWN
    assert verdict(before, log(0, 0, 0, complete=False)) is Outcome.UNKNOWN
    assert verdict(before, log(0, 0, 0, quiet=0)) is Outcome.UNKNOWN
    assert verdict(log(*[5] * 30, complete=False), log(5, 5, 5)) is Outcome.UNKNOWN
    assert verdict(log(5, 5), log(5, 5, 5)) is Outcome.UNKNOWN
    assert verdict(log(*[0] * 30, quiet=0), log(5, 5, 5)) is Outcome.UNKNOWN


def test_what_is_worse_although_a_part_is_missing_is_worse() -> None:
    assert verdict(log(*[5] * 30), log(50, 50, 50, complete=False)) is Outcome.FAILED


def test_warnings_are_judged_on_their_own() -> None:
    errors, warnings = compare(log(*[0] * 30, warnings=2), log(*[0] * 5, warnings=40))
    assert errors.verdict is Outcome.SUCCEEDED
    assert (warnings.what, warnings.verdict) == ("warnings", Outcome.FAILED)


def test_a_log_in_the_table() -> None:
    errors, warnings = rows_of_log("web", log(*[5] * 30), None, log(5, 6, 4, warnings=3))
    assert (errors.what, errors.verdict, errors.required) == ("errors in web", Verdict.PASS, True)
    assert errors.before is not None
    assert errors.after is not None
    assert (errors.before.shown, errors.after.shown, errors.during) == ("5.0/min", "5.0/min", None)
    assert errors.after.series is not None
    assert errors.after.series.values == (5, 6, 4)
    assert (warnings.verdict, warnings.required) == (Verdict.UNVERIFIED, False)
    assert warnings.sentence.endswith("; more than before, look at them")
    assert overall([errors, warnings]) is Verdict.PASS, "more warnings alone reopen nothing"
    silent, _ = rows_of_log("web", log(*[5] * 30), log(complete=False), log(0, quiet=0))
    assert (silent.after, silent.verdict) == (None, Verdict.UNVERIFIED)
    gap, _ = rows_of_log("web", log(*[5] * 30), None, log(5, 5, complete=False))
    assert gap.after is not None
    assert gap.after.series is not None
    assert gap.after.series.partial
    assert overall([gap]) is Verdict.UNVERIFIED


@given(st.integers(0, 300), st.floats(1, 600), st.integers(0, 300), st.floats(1, 600))
def test_the_tail_is_a_probability_that_falls(before: int, early: float, after: int, late: float) -> None:
    p = tail(before, early, after, late)
    assert 0 <= p <= 1
    assert tail(before, early, after + 1, late) <= p + 1e-9
    assert tail(before + 1, early, after, late) >= p - 1e-9


def test_the_tail_is_the_binomials() -> None:
    exact = sum(math.comb(12, k) * 0.25**k * 0.75 ** (12 - k) for k in range(7, 13))
    assert tail(5, 30, 7, 10) == pytest.approx(exact)
    assert tail(20_500, 30, 6900, 10) == pytest.approx(tail(19_900, 30, 6700, 10), abs=0.2)


def test_false_alarms_are_as_rare_as_stated_also_in_bursts() -> None:
    """Simulated: one hour before, ten minutes after, nothing changed, at a level that can be measured."""
    rng = random.Random(4711)  # noqa: S311 - a simulation
    limits = LogLimits(false_alarm=0.05, factor=1.0, floor=0.0)
    for rate, burst in ((4.0, 1), (40.0, 1), (1.0, 8)):

        def minute(rate: float = rate, burst: int = burst) -> int:
            return burst * _poisson(rng, rate)

        alarms = sum(
            compare(log(*(minute() for _ in range(60))), log(*(minute() for _ in range(10))), limits)[
                0
            ].verdict
            is Outcome.FAILED
            for _ in range(400)
        )
        assert alarms / 400 < 0.09, f"{alarms} of 400 at {rate} x {burst} a minute"


def test_what_is_twice_as_bad_is_seldom_missed() -> None:
    rng = random.Random(4711)  # noqa: S311 - a simulation
    missed = sum(
        compare(log(*(_poisson(rng, 20) for _ in range(60))), log(*(_poisson(rng, 40) for _ in range(10))))[
            0
        ].verdict
        is not Outcome.FAILED
        for _ in range(200)
    )
    assert missed / 200 < 0.02


def _poisson(rng: random.Random, mean: float) -> int:
    """Knuth's way, good for small means."""
    limit, count, product = math.exp(-mean), 0, rng.random()
    while product > limit:
        count += 1
        product *= rng.random()
    return count
