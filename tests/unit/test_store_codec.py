"""How values lie in columns."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from bot.store import codec
from bot.store.incidents import slug

DIALECT = sqlite.dialect()
TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)


@given(
    st.datetimes(datetime(1900, 1, 2), datetime(9999, 12, 30)),  # noqa: DTZ001 - Hypothesis adds the zone
    st.integers(-23, 23),
)
def test_times_come_back_to_the_microsecond(at: datetime, hours: int) -> None:
    aware = at.replace(tzinfo=timezone(timedelta(hours=hours)))
    kept = codec.Instant().process_bind_param(aware, DIALECT)
    back = codec.Instant().process_result_value(kept, DIALECT)
    assert back == aware
    assert back is not None
    assert back.tzinfo is UTC


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        codec.Instant().process_bind_param(datetime(2026, 1, 1), DIALECT)  # noqa: DTZ001 - that is refused


@given(JSON)
def test_json_comes_back_whatever_it_holds(value: object) -> None:
    text = codec.dumps(value)
    assert text.isascii()
    assert "\0" not in text
    assert json.dumps(codec.loads(text)) == json.dumps(value)


@given(JSON)
def test_words_fit_into_any_database(value: object) -> None:
    found = codec.words(value)
    assert "\0" not in found
    found.encode("utf-8")


def test_words_are_what_people_search_for() -> None:
    assert codec.words({"text": "Straße", "n": 1, "files": [{"name": "A.PNG"}]}) == "strasse a.png"


@given(st.text(max_size=200))
def test_slugs_are_good_in_channel_names(service: str) -> None:
    made = slug(service)
    assert 1 <= len(made) <= 48
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert made[0] != "-"
    assert made[-1] != "-"
