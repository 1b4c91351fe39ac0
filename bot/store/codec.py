"""How values lie in columns: times as whole microseconds, JSON and searchable words as text."""

import json
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Dialect, TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Instant(TypeDecorator[datetime]):
    """An aware datetime, kept as microseconds since 1970 and read back as UTC.

    That is exact, sortable, and the same in every database. Raises ValueError for a time without a zone.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        del dialect
        return None if value is None else microseconds(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        del dialect
        return None if value is None else _EPOCH + value * _MICROSECOND


def microseconds(at: datetime) -> int:
    """Whole microseconds since 1970. Raises ValueError for a time without a zone."""
    if at.tzinfo is None:
        raise ValueError("A time without a zone cannot be kept. Pass datetimes in UTC.")
    return (at - _EPOCH) // _MICROSECOND


def dumps(value: Any) -> str:
    """ASCII only, so that whatever Slack sends (a NUL, half a surrogate pair) fits into every database."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def loads(text: str) -> Any:
    return json.loads(text)


def words(body: Any) -> str:
    """Every string within a JSON value, folded for search."""
    return fold(" ".join(_strings(body)))


def fold(text: str) -> str:
    """Text as search compares it: without case, and without what a database's text cannot hold."""
    clean = text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")
    return unicodedata.normalize("NFC", clean).casefold()


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)
