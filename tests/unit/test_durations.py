"""Times are measured between what happened, and said as people say them."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.durations import Times, human, measure, step_length
from tests import story

UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400}


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


def test_the_story_in_times() -> None:
    assert measure(story.events()) == Times(
        detect=seconds(210),  # 14:08:00 → 14:11:30
        decide=seconds(22),  # → 14:11:52
        approve=seconds(55.9),  # plan 2 was ready at 14:12:06.1, approved at 14:13:02
        roll_back=seconds(38),  # → 14:13:40
        mitigate=seconds(130),
        verify=seconds(300),
        ill=seconds(340),
        total=seconds(1175),  # 14:11:30 → 14:31:05
    )


def test_approval_is_not_held_against_people_before_they_could_decide() -> None:
    events = tuple(event for event in story.events() if event.type != "plan_superseded")
    first_severity = next(i for i, event in enumerate(events) if event.type == "severity_set")
    later = story.at("14:12:19")
    moved = events[first_severity].model_copy(update={"at": later})
    order = sorted((*events[:first_severity], moved, *events[first_severity + 1 :]), key=lambda ev: ev.at)
    assert measure(order).approve == story.at("14:13:02") - later


def test_a_relapse_takes_the_mitigation_back() -> None:
    times = measure(story.rough_events())
    assert times.mitigate is None
    assert times.verify is None
    assert times.roll_back is None
    assert times.detect is None
    assert times.decide == timedelta(minutes=37)
    assert times.approve == seconds(28)
    assert times.total == timedelta(hours=1, minutes=50)


def test_a_forward_fix_is_decided_with_its_severity() -> None:
    until_low = story.rough_events()[:5]
    assert measure(until_low) == Times(decide=seconds(40))


def test_nothing_is_known_of_nothing() -> None:
    assert measure(()) == Times()
    assert measure(story.events()[:1]) == Times(detect=seconds(210))


def test_declared_before_the_probes_noticed_is_detected_at_once() -> None:
    declared = story.events()[0].model_copy(update={"detected_at": story.at("14:12:00")})
    assert measure((declared,)).detect == timedelta()


def test_every_prefix_of_the_story_can_be_measured() -> None:
    for events in (story.events(), story.rough_events()):
        for end in range(len(events) + 1):
            measure(events[:end])


def test_steps_know_how_long_they_took() -> None:
    run = story.incident().runs[0]
    assert step_length(run, "apply:web") == seconds(0.4)
    assert step_length(story.rough_incident().runs[0], "prove") is None
    with pytest.raises(KeyError):
        step_length(run, "dance")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0 s"),
        (0.04, "0 s"),
        (0.4, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (42, "42 s"),
        (59.6, "1 min"),
        (65, "1 min 05 s"),
        (102, "1 min 42 s"),
        (3599.7, "1 h"),
        (11_100, "3 h 05 min"),
        (86_399, "1 d"),
        (187_200, "2 d 04 h"),
        (-102, "−1 min 42 s"),
    ],
)
def test_said_as_people_say_it(value: float, said: str) -> None:
    assert human(seconds(value)) == said


def test_what_is_missing_is_not_known() -> None:
    assert human(None) == "not known"


@given(st.floats(min_value=0, max_value=400 * 86400))
def test_what_is_said_is_true_to_its_last_unit(value: float) -> None:
    said = human(seconds(value))
    parts = re.findall(r"([0-9.]+) (s|min|h|d)", said)
    assert " ".join(f"{number} {unit}" for number, unit in parts) == said
    assert len(parts) <= 2
    last = (
        UNITS[parts[-1][1]] if len(parts) == 2 else {1: 1, 60: 1, 3600: 60, 86400: 3600}[UNITS[parts[0][1]]]
    )
    total = sum(float(number) * UNITS[unit] for number, unit in parts)
    assert abs(total - value) <= last / 2 + 31  # whole minutes are rounded before whole hours
    assert all(float(n) < {"s": 60, "min": 60, "h": 24, "d": 401}[u] for n, u in parts)


@given(st.floats(min_value=0, max_value=9.9))
def test_short_times_keep_a_tenth(value: float) -> None:
    assert abs(float(human(seconds(value)).removesuffix(" s")) - value) <= 0.0501
