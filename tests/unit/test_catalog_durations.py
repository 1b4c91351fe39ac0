"""Lengths of time in files: what is written reads back as the same."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from bot.catalog import Duration, format_duration, parse_duration


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90s", 90),
        ("15m", 900),
        ("4h", 14400),
        ("2d", 172800),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("1.5h", 5400),
        ("250ms", 0.25),
        (" 5m ", 300),
        (90, 90),
        (0.5, 0.5),
    ],
)
def test_what_people_write(written: object, seconds: float) -> None:
    assert parse_duration(written) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "written",
    ["", "5", "m", "5 m", "5min", "-5m", "5m,", "soon", "0s", 0, -1, True, None, [], float("nan"), float("inf"), "400d", "1e3s", "٣m", "5m\n6m"],
)  # fmt: skip
def test_what_is_no_duration(written: object) -> None:
    with pytest.raises(ValueError, match="a duration"):
        parse_duration(written)


@given(st.timedeltas(min_value=timedelta(milliseconds=1), max_value=timedelta(days=366)))
def test_it_reads_back_as_the_same(length: timedelta) -> None:
    written = format_duration(length)
    assert parse_duration(written) == length
    assert format_duration(parse_duration(written)) == written


@given(st.text(max_size=10) | st.integers() | st.floats())
def test_anything_else_is_refused_or_positive(written: Any) -> None:
    try:
        length = parse_duration(written)
    except ValueError:
        return
    assert timedelta(milliseconds=1) <= length <= timedelta(days=366)


class Wait(BaseModel):
    wait: Duration = timedelta(minutes=5)


def test_as_a_setting() -> None:
    assert Wait.model_validate({"wait": "90s"}).wait == timedelta(seconds=90)
    assert Wait().model_dump(mode="json") == {"wait": "5m"}
    with pytest.raises(ValidationError, match="a duration such as 90s, 15m, 4h or 2d"):
        Wait.model_validate({"wait": "soon"})
