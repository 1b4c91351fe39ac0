"""Levels, times and shapes of lines, as real programs write them."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.loglines import SHAPE, level_of, shape_of
from bot.domain.logtimes import time_of

NEAR = datetime(2026, 11, 24, 12, tzinfo=UTC)
CORPUS: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[1] / "corpus" / "log_lines.yml").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("entry", CORPUS, ids=[entry["line"][:40] for entry in CORPUS])
def test_a_line_of_the_corpus_is_understood(entry: dict[str, Any]) -> None:
    line = entry["line"]
    level = level_of(line)
    assert ("none" if level is None else level.value) == entry["level"]
    if "at" in entry:
        at = time_of(line, near=NEAR)
        assert at is not None
        assert at.isoformat() == entry["at"]
    if "shape" in entry:
        assert shape_of(line) == entry["shape"]


@pytest.mark.parametrize(
    "stamp", ["2026-13-45 10:00:00", "0000-01-01 00:00:00", "Feb 30 10:00:00", "99:99:99", ""]
)
def test_what_only_looks_like_a_time_is_none(stamp: str) -> None:
    assert time_of(f"{stamp} ERROR x", near=NEAR) is None


def test_a_time_without_a_zone_is_of_the_zone_that_is_given() -> None:
    at = time_of("2026-07-01 10:00:00 ERROR x", zone=ZoneInfo("Europe/Berlin"), near=NEAR)
    assert at == datetime(2026, 7, 1, 8, tzinfo=UTC)


def test_a_line_of_new_years_eve_is_of_the_year_that_ends() -> None:
    at = time_of("Dec 31 23:59:59 web1 shop: x", near=datetime(2027, 1, 1, 0, 0, 5, tzinfo=UTC))
    assert at == datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    leap = time_of("Feb 29 10:00:00 web1 shop: x", near=NEAR)
    assert leap == datetime(2024, 2, 29, 10, tzinfo=UTC)


@given(st.datetimes(datetime(2001, 1, 1), datetime(2090, 1, 1)), st.sampled_from("T "), st.sampled_from(".,"))  # noqa: DTZ001 - Hypothesis wants its bounds without a zone
def test_every_iso_time_is_read(naive: datetime, between: str, point: str) -> None:
    written = naive.replace(tzinfo=UTC)
    stamp = naive.isoformat(sep=between, timespec="microseconds").replace(".", point)
    assert time_of(f"{stamp} WARN x", near=NEAR) == written
    assert time_of(f'{{"time": "{stamp}"}}', near=NEAR) == written


@given(st.text())
def test_any_text_has_a_shape_without_digits(text: str) -> None:
    shape = shape_of(text)
    assert not any(character.isdecimal() for character in shape)
    assert len(shape) <= SHAPE
    assert "\n" not in shape
    level_of(text)
    time_of(text, near=NEAR)


@given(st.dictionaries(st.sampled_from(["level", "s", "severity", "time", "ts", "msg", "error", "log"]),
       st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=4)))  # fmt: skip
def test_any_fields_have_a_shape(fields: dict[str, Any]) -> None:
    line = json.dumps(fields)
    shape_of(line)
    level_of(line)
    time_of(line, near=NEAR)


VARIED = (
    st.integers().map(str),
    st.uuids().map(str),
    st.integers(min_value=2**32).map(hex),
    st.ip_addresses(v=4).map(str),
    st.from_regex(r'"[a-z ]{0,30}"', fullmatch=True),
    st.datetimes(datetime(2001, 1, 1), datetime(2090, 1, 1)).map(str),  # noqa: DTZ001 - as above
    st.from_regex(r"[a-z]{1,8}@[a-z]{1,8}\.example", fullmatch=True),
)


@given(st.sampled_from(VARIED).flatmap(lambda kind: st.tuples(kind, kind)))
def test_lines_that_differ_in_what_varies_have_one_shape(pair: tuple[str, str]) -> None:
    one, other = (
        shape_of(f"ERROR order {what} of /users/{number}/orders failed") for number, what in enumerate(pair)
    )
    assert one == other
    assert one != shape_of("ERROR order 7 of /users/1/orders timed out")


@pytest.mark.parametrize(
    "text",
    [
        "?" * 8000,
        "a-" * 4000,
        '"\\' * 4000,
        "error " * 1300,
        "=" * 8000,
        "[" * 8000,
        "1:" * 4000,
        "a" * 8000,
        "level=" * 1300,
    ],
)
def test_no_line_takes_long(text: str) -> None:
    begun = time.perf_counter()
    line = f"ERROR {text}"
    shape_of(line)
    level_of(text)
    time_of(line, near=NEAR)
    assert time.perf_counter() - begun < 1


def test_a_line_that_is_neither_is_cheap() -> None:
    """Most lines are neither."""
    line = "2026-11-24 10:00:00,123 INFO  [http-nio-8080-exec-7] c.e.shop.Checkout - order 4711 was paid"
    begun = time.process_time()
    for _ in range(20_000):
        assert level_of(line) is None
    assert time.process_time() - begun < 2, "more than 100 us a line"
