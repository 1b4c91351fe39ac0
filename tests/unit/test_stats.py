"""Numbers over all incidents: what is in them, what is not, and of how many they are."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain import events as e
from bot.domain.durations import Times
from bot.domain.evidence import Outcome
from bot.domain.lifecycle import fold
from bot.domain.run import RAMP
from bot.domain.severity import Severity
from bot.domain.stats import FEW, Case, Ending, Stats, case_of, endings, spread, stats_of
from tests import story

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def approved(run: str = "r1") -> e.RollbackApproved:
    return e.RollbackApproved(at=NOW, run_id=run, number=1, digest="", approved_by=("U1",), steps=())


def failed(outcome: Outcome, *, run: str = "r1", took_place: bool = True) -> e.RollbackFailed:
    return e.RollbackFailed(
        at=NOW, run_id=run, outcome=outcome, reason="", safe_state="", took_place=took_place
    )


MITIGATED = e.IncidentMitigated(at=NOW, run_id="r1")
VERIFIED = e.IncidentVerified(at=NOW, run_id="r1")


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], []),
        ([approved()], ["under way"]),
        ([approved(), MITIGATED], ["not verified"]),
        ([approved(), MITIGATED, VERIFIED], ["right"]),
        (
            [approved(), MITIGATED, e.IncidentLeftUnverified(at=NOW, run_id="r1", reason="")],
            ["not verified"],
        ),
        ([approved(), MITIGATED, e.IncidentRelapsed(at=NOW, run_id="r1", reason="")], ["relapsed"]),
        ([approved(), MITIGATED, VERIFIED, approved("r2")], ["relapsed", "under way"]),
        ([approved(), failed(Outcome.FAILED)], ["failed"]),
        ([approved(), failed(Outcome.UNKNOWN)], ["unknown"]),
        ([approved(), failed(Outcome.FAILED, took_place=False)], ["not tried"]),
        (
            [
                approved(),
                e.StepFinished(
                    at=NOW, run_id="r1", step_id=RAMP, outcome=Outcome.FAILED, detail="Stopped at 50 %."
                ),
                failed(Outcome.FAILED, took_place=False),
            ],
            ["stopped"],
        ),
        ([approved(), failed(Outcome.FAILED), approved("r2")], ["failed", "under way"]),
    ],
)
def test_how_a_rollback_ended(events: Sequence[e.Event], expected: list[str]) -> None:
    assert [ending.value for ending in endings(events)] == expected


def test_the_story_was_right_and_the_rough_one_was_not() -> None:
    told = case_of(story.incident(), story.events())
    assert (told.counts, told.endings) == (True, (Ending.RIGHT,))
    assert told.times.mitigate == timedelta(minutes=2, seconds=10)
    rough = case_of(story.rough_incident(), story.rough_events())
    assert Ending.RIGHT not in rough.endings[:-1]
    assert len(rough.endings) == len(story.rough_incident().runs)


def test_an_exercise_is_one_until_somebody_says_otherwise() -> None:
    marked = (*story.events(), e.ExerciseMarked(at=story.at("14:40:00"), by=story.BOB))
    assert case_of(fold(marked), marked).exercise
    unmarked = (*marked, e.ExerciseMarked(at=story.at("14:41:00"), by=story.BOB, exercise=False))
    assert case_of(fold(unmarked), unmarked).counts


@pytest.mark.parametrize(
    ("minutes", "sentence"),
    [
        ([], "not known (of 0 incidents)"),
        ([None, None], "not known (of 2 incidents)"),
        ([3], "3 min (of 1 incident)"),
        ([3, None, 9], "median 3 min, longest 9 min (of 2 of 3 incidents)"),
        ([1, 2, 3], "median 2 min, longest 3 min (of 3 incidents)"),
        (list(range(1, 21)), "median 10 min, 90 % within 18 min (of 20 incidents)"),
    ],
)
def test_few_numbers_are_called_few(minutes: list[int | None], sentence: str) -> None:
    lengths = [None if value is None else timedelta(minutes=value) for value in minutes]
    assert spread(lengths).sentence == sentence


def made(*found: Ending, **changes: object) -> Case:
    case = Case(
        incident_id="i",
        service="shop",
        severity=None,
        declared_at=NOW,
        is_open=False,
        exercise=False,
        times=Times(),
        endings=found,
    )
    return case.model_copy(update=changes)


def over(*cases: Case) -> Stats:
    return stats_of(cases, since=None, until=NOW, zone=UTC)


def test_how_often_it_was_right() -> None:
    assert over(made()).whole.sentence == "no rollback"
    assert over(made(Ending.UNKNOWN)).whole.sentence == "not known of any; 1 unknown"
    some = over(made(Ending.RIGHT), made(Ending.FAILED, Ending.RIGHT), made(Ending.UNVERIFIED))
    assert some.whole.sentence == "right 2 of 3; 1 failed, 1 not verified"
    many = over(*[made(Ending.RIGHT)] * (FEW - 1), made(Ending.RELAPSED))
    assert many.whole.sentence == "right 9 of 10 (90 %); 1 relapsed"


def test_what_is_not_in_the_numbers_is_said() -> None:
    stats = over(made(), made(is_open=True), made(exercise=True), made(exercise=True, is_open=True))
    assert (stats.whole.incidents, stats.open, stats.exercises) == (1, 1, 2)
    assert stats.sentence == "1 closed incident; not in the numbers: 1 still open, 2 exercises"


def test_months_are_those_of_the_zone() -> None:
    late = made(declared_at=datetime(2026, 10, 31, 23, 30, tzinfo=UTC))
    found = stats_of([late], since=None, until=NOW, zone=ZoneInfo("Europe/Berlin"))
    assert [group.name for group in found.months] == ["2026-11"]


lengths = st.none() | st.timedeltas(timedelta(0), timedelta(days=3))
cases = st.lists(
    st.builds(
        Case,
        incident_id=st.uuids().map(str),
        service=st.sampled_from(["shop", "search"]),
        severity=st.none() | st.sampled_from(list(Severity)),
        declared_at=st.integers(0, 600).map(lambda days: NOW - timedelta(days=days)),
        is_open=st.booleans(),
        exercise=st.booleans(),
        times=st.builds(Times, decide=lengths, approve=lengths, mitigate=lengths, ill=lengths),
        endings=st.lists(st.sampled_from(list(Ending)), max_size=3).map(tuple),
        fixed_forward=st.booleans(),
    ),
    max_size=40,
)


@given(cases=cases, shuffled=st.randoms(use_true_random=False))
@settings(deadline=None)
def test_laws_of_the_numbers(cases: list[Case], shuffled: object) -> None:
    stats = over(*cases)
    whole = stats.whole
    exercises = sum(case.exercise for case in cases)
    assert whole.incidents + stats.open + exercises == len(cases)
    # Every way to group them has each incident, and each rollback, once.
    for groups in (stats.services, stats.severities, stats.months):
        assert sum(group.incidents for group in groups) == whole.incidents
        assert sum(group.rollbacks for group in groups) == whole.rollbacks
        assert sum(group.right for group in groups) == whole.right
        assert sum(group.mitigate.count for group in groups) == whole.mitigate.count
    assert whole.right <= whole.judged <= whole.rollbacks
    # What does not count changes nothing, and neither does the order.
    assert over(*(case for case in cases if case.counts)).whole == whole
    mixed = list(cases)
    shuffled.shuffle(mixed)  # type: ignore[attr-defined]  # a random.Random
    assert over(*mixed) == stats
    assert Stats.model_validate_json(stats.model_dump_json()) == stats


@given(lengths=st.lists(lengths, max_size=50))
def test_laws_of_a_spread(lengths: list[timedelta | None]) -> None:
    known = [length for length in lengths if length is not None]
    found = spread(lengths)
    assert (found.of, found.count) == (len(lengths), len(known))
    if not known:
        assert found.median is found.p90 is found.longest is None
        return
    assert found.median is not None
    assert found.p90 is not None
    assert found.longest is not None
    assert min(known) <= found.median <= found.p90 <= found.longest == max(known)
    assert sum(length <= found.median for length in known) * 2 >= len(known)
    assert sum(length <= found.p90 for length in known) * 10 >= 9 * len(known)
