"""The real clock. Everything that needs the time is given one."""

from datetime import UTC, datetime


def now() -> datetime:
    return datetime.now(UTC)
