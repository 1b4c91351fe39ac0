"""A metric over time: one value per step, and nothing where nothing is known."""

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from statistics import median
from typing import Annotated, Self

from pydantic import Field, FiniteFloat, model_validator

from bot.domain.base import Value
from bot.domain.samples import rate

SHARE = "share"
"""The unit of values between 0 and 1 that are a part of something: failed requests of all requests."""

Weight = Annotated[FiniteFloat, Field(ge=0)]


class Series(Value):
    """Value `i` is of the step from `since + i * step` to `since + (i + 1) * step`; None is a gap. Times are UTC.

    `counts` are how many things each value is a share of (requests), where that is known. `lookback` is how much
    time before its end each value describes, where that is more than the step (`rate(…[5m])` every 15 s).
    What is `partial` may lack some of what it is made of, so that it proves nothing good. `notes` are sentences on
    how it came to be that people should know.
    """

    unit: str
    since: datetime
    step: Annotated[timedelta, Field(gt=timedelta(0))]
    values: tuple[FiniteFloat | None, ...]
    counts: tuple[Weight | None, ...] | None = None
    lookback: timedelta | None = None
    partial: bool = False
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.unit == SHARE and any(not 0 <= value <= 1 for value in self.known):
            raise ValueError("a share is between 0 and 1")
        if self.counts is not None:
            if len(self.counts) != len(self.values):
                raise ValueError("there is one count for each value")
            pairs = zip(self.values, self.counts, strict=True)
            if any(value is not None and not count for value, count in pairs):
                raise ValueError("a share of nothing is a gap")
        return self

    @property
    def until(self) -> datetime:
        return self.since + self.step * len(self.values)

    @property
    def reach(self) -> timedelta:
        """How much time each value describes."""
        return max(self.step, self.lookback or self.step)

    @property
    def known(self) -> tuple[float, ...]:
        return tuple(value for value in self.values if value is not None)

    @property
    def gaps(self) -> int:
        return sum(value is None for value in self.values)

    def ends(self, index: int) -> datetime:
        """The moment at which value `index` was true, or up to which it describes."""
        return self.since + self.step * (index + 1)

    def between(self, since: datetime, until: datetime) -> Self:
        """The steps whose values describe nothing from before `since` or after `until`."""
        first = max(0, -((self.since + self.step - self.reach - since) // self.step))
        last = min(len(self.values), (until - self.since) // self.step)
        kept = slice(first, max(first, last))
        return self.model_copy(
            update={
                "since": self.since + self.step * first,
                "values": self.values[kept],
                "counts": None if self.counts is None else self.counts[kept],
            }
        )


def grid(since: datetime, until: datetime, step: timedelta) -> tuple[datetime, int]:
    """The first whole step at or after `since`, by the clock, and how many whole steps there are until `until`.

    Windows that touch have no step in common and leave none out, and two sources agree on where steps begin.
    """
    epoch = datetime.fromtimestamp(0, since.tzinfo)
    begin = epoch + step * -((epoch - since) // step)
    return begin, max(0, (until - begin) // step)


def shares(parts: Iterable[float | None], wholes: Iterable[float | None]) -> tuple[float | None, ...]:
    """Part by whole, step by step; a gap where one is missing or the whole is nothing."""
    return tuple(
        _share(part, whole) if part is not None and whole is not None and whole > 0 else None
        for part, whole in zip(parts, wholes, strict=True)
    )


def _share(part: float, whole: float) -> float:
    """All of it is 1, whatever rounding says."""
    found = part / whole
    return round(found) if math.isclose(found, round(found), abs_tol=1e-9) else found


def typical(series: Series) -> float:
    """The share over all of it, or the median. Raises ValueError where nothing is known."""
    if not series.known:
        raise ValueError("nothing was measured")
    if series.unit == SHARE:
        return rate(series.values, series.counts, 1.0).share
    return median(series.known)


def shown(value: float, unit: str) -> str:
    """`131 ms`, `1,204 orders/min`, `0.4 %`; no more digits than people read."""
    if math.isinf(value):
        return "anything"
    if unit == SHARE:
        number = f"{value * 100:.2g}" if abs(value) < 0.1 else f"{value * 100:.3g}"
        return f"{number} %"
    number = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{number} {unit}".strip()
