"""What every source does with the numbers it got: parts and wholes become shares, and what cannot be is a gap."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from bot.domain.series import SHARE, Series, shares

Values = Sequence[float | None]


def assembled(
    parts: Values,
    wholes: Values | None = None,
    *,
    unit: str,
    since: datetime,
    step: timedelta,
    known_until: datetime,
    absent: Literal["gap", "zero"] = "gap",
    events: float | None = 1.0,
    lookback: timedelta | None = None,
    partial: bool = False,
    notes: Sequence[str] = (),
) -> Series:
    """The series of `parts`, or of their shares of `wholes`; then one of a whole stands for `events` events.

    `events` is None where it is not known how many there were in each step. Steps that end after `known_until` are
    gaps, whatever the source says of the future.
    """
    told = list(notes)
    counts: tuple[float | None, ...] | None = None
    settled = (known_until - since) // step
    values = tuple(value if index < settled else None for index, value in enumerate(parts))
    if wholes is not None:
        unit = SHARE
        if absent == "zero":
            values = tuple(
                0.0 if part is None and whole is not None else part
                for part, whole in zip(values, wholes, strict=True)
            )
        values = shares(values, wholes)
        if events is not None:
            counts = tuple(None if whole is None else max(0.0, whole) * events for whole in wholes)
    if unit == SHARE:
        proper = tuple(value if value is not None and 0 <= value <= 1 else None for value in values)
        if odd := sum(kept != value for kept, value in zip(proper, values, strict=True)):
            told.append(f"{odd} values are no shares: they are not between 0 and 1")
        values = proper
    return Series(
        unit=unit,
        since=since,
        step=step,
        values=values,
        counts=counts,
        lookback=lookback,
        partial=partial,
        notes=tuple(dict.fromkeys(told)),
    )
