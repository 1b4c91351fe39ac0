"""When a line of a log says it was written, in the formats that programs use."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

from bot.domain.loglines import READ, fields_of

_WHERE = 256  # characters in which a line's own time has to begin
_KEYS = ("time", "ts", "timestamp", "@timestamp", "t", "datetime", "date", "asctime")
_MONTH = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_MONTHS = {name: number for number, name in enumerate(_MONTH.split("|"), 1)}
_CLOCK = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?"
_OFFSET = r"(?:\s?(?P<offset>Z\b|UTC\b|[+-]\d\d:?\d\d(?!\d)|[+-]\d\d(?![\d:])))?"
_FORMS = tuple(
    re.compile(form)
    for form in (
        rf"(?<!\d)(?P<year>\d{{4}})[-/](?P<month>\d\d)[-/](?P<day>\d\d)[T ]{_CLOCK}{_OFFSET}",
        rf"(?<!\d)(?P<day>\d\d)/(?P<month>{_MONTH})/(?P<year>\d{{4}}):{_CLOCK}(?: (?P<offset>[+-]\d{{4}}))?",
        rf"\b[A-Z][a-z]{{2}} (?P<month>{_MONTH}) +(?P<day>\d{{1,2}}) {_CLOCK} (?P<year>\d{{4}})",
        rf"(?:^|>)(?P<month>{_MONTH}) +(?P<day>\d{{1,2}}) {_CLOCK}",
        rf"^[IWEF](?P<month>\d\d)(?P<day>\d\d) {_CLOCK}",
        r"(?:^|\s)ts=(?P<epoch>\d{10,19}(?:\.\d+)?)(?!\S)",
    )
)


def time_of(text: str, *, zone: tzinfo = UTC, near: datetime) -> datetime | None:
    """When `text` says it was written, in UTC; None where it does not. `zone` is for times without one.

    `near` gives the year where there is none: the latest with which the time is at most a day after `near`.
    """
    fields = fields_of(text[:READ]) if text.startswith("{") else None
    if fields is None:
        return _time_in(text[:_WHERE], zone, near)
    return next((at for key in _KEYS if (at := _time_of(fields.get(key), zone, near)) is not None), None)


def _time_of(said: Any, zone: tzinfo, near: datetime) -> datetime | None:
    match said:
        case bool():
            return None
        case str():
            return _time_in(said[:_WHERE], zone, near)
        case int() | float():
            return _epoch(said)
        case {"$date": str(inner)}:  # MongoDB
            return _time_in(inner[:_WHERE], zone, near)
    return None


def _time_in(head: str, zone: tzinfo, near: datetime) -> datetime | None:
    for form in _FORMS:
        if (found := form.search(head)) is not None:
            try:
                return _made(found.groupdict(), zone, near)
            except (ValueError, OverflowError):  # a month of 13, the year 0: it only looks like a time
                continue
    return None


def _made(found: Mapping[str, str | None], zone: tzinfo, near: datetime) -> datetime | None:
    if epoch := found.get("epoch"):
        return _epoch(float(epoch))
    month, year = found["month"] or "", found.get("year")
    made = datetime(
        year=int(year) if year else near.year + 1,
        month=_MONTHS.get(month) or int(month),
        day=1,
        hour=int(found["hour"] or 0),
        minute=int(found["minute"] or 0),
        second=min(int(found["second"] or 0), 59),  # a leap second
        microsecond=int((found["fraction"] or "").ljust(6, "0")[:6]),
        tzinfo=_zone(found.get("offset"), zone),
    )
    day = int(found["day"] or 0)
    if year:
        return made.replace(day=day).astimezone(UTC)
    for earlier in range(6):  # a leap day may be years ago
        try:
            at = made.replace(year=made.year - earlier, day=day).astimezone(UTC)
        except ValueError:
            continue
        if at <= near + timedelta(days=1):
            return at
    return None


def _epoch(said: float) -> datetime | None:
    """Seconds, milliseconds, microseconds or nanoseconds since 1970: whichever is in this century."""
    for unit in (1, 10**3, 10**6, 10**9):
        if 946_684_800 <= said / unit < 4_102_444_800:
            return datetime.fromtimestamp(said / unit, UTC)
    return None


def _zone(offset: str | None, otherwise: tzinfo) -> tzinfo:
    if not offset:
        return otherwise
    if offset in ("Z", "UTC"):
        return UTC
    digits = offset[1:].replace(":", "").ljust(4, "0")
    ahead = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-ahead if offset[0] == "-" else ahead)
