"""Lengths of time as people write them: `90s`, `15m`, `1h30m`, `2d`, or a plain number of seconds."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = r"[0-9]+(?:\.[0-9]+)?(?:ms|[smhd])"
PATTERN = rf"^{_PART}(?: ?{_PART})*$"
_SHORTEST_S, _LONGEST_S = 0.001, 366 * 86400


def parse_duration(written: object) -> timedelta:
    """Read a duration; a number is seconds. Raises ValueError with what was expected."""
    if isinstance(written, timedelta):
        return written
    if isinstance(written, bool) or not isinstance(written, int | float | str):
        raise ValueError("a duration such as 90s, 15m, 4h or 2d")  # noqa: TRY004 - pydantic catches ValueError
    if isinstance(written, str):
        text = written.strip()
        if not re.fullmatch(PATTERN, text):
            raise ValueError("a duration such as 90s, 15m, 4h or 2d")
        seconds = sum(
            float(number) * _UNITS[unit] for number, unit in re.findall(r"([0-9.]+)(ms|[smhd])", text)
        )
    else:
        seconds = written
    if not _SHORTEST_S <= seconds <= _LONGEST_S:  # also false for nan
        raise ValueError("a duration from 1ms to a year, such as 90s or 15m")
    return timedelta(seconds=seconds)


def format_duration(length: timedelta) -> str:
    """The shortest way to write `length` that reads back as the same: `1h30m`, never `5400s`."""
    microseconds = length // timedelta(microseconds=1)
    parts = []
    for unit in ("d", "h", "m", "s"):
        count, microseconds = divmod(microseconds, round(_UNITS[unit] * 1_000_000))
        if count:
            parts.append(f"{count}{unit}")
    if microseconds:
        parts.append(f"{microseconds / 1000:.3f}".rstrip("0").rstrip(".") + "ms")
    return "".join(parts) or "0s"


def _validate(written: Any) -> timedelta:
    try:
        return parse_duration(written)
    except ValueError as error:
        raise PydanticCustomError("expected", "{expected}", {"expected": str(error)}) from error


Duration = Annotated[
    timedelta,
    BeforeValidator(_validate),
    PlainSerializer(format_duration, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": PATTERN},
                {"type": "number", "minimum": _SHORTEST_S},
            ]
        }
    ),
]
"""A timedelta that is written as `15m` or as seconds. For the settings of catalog and adapters alike."""
