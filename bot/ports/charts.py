"""Pictures of an incident, and of numbers over all of them."""

from datetime import datetime
from typing import Protocol

from bot.domain.base import Value
from bot.domain.evidence import Probe


class Moment(Value):
    """A vertical mark in the picture."""

    at: datetime
    label: str


class Span(Value):
    """A stretch of time under a name, such as a version that was serving."""

    since: datetime
    until: datetime
    label: str
    good: bool


class Curve(Value):
    """Another number over time. A point without a value is a gap: nothing is drawn across it.

    `share` is whether values are between 0 and 1, and shown as percent. With `bars` a point is the end of a time in which
    things were counted, which began with the point before it.
    """

    label: str
    unit: str
    points: tuple[tuple[datetime, float | None], ...]
    share: bool = False
    bars: bool = False


class ChartData(Value):
    """What the picture shows: error rate and latency over time, the marks, and the versions beneath.

    `baseline_p95_ms` is drawn as a line where it is known; `reports` is how many reports of users there were a
    minute, where there were any. It and the first of `curves` have a panel each, two at most.
    """

    title: str
    probes: tuple[Probe, ...]
    moments: tuple[Moment, ...]
    spans: tuple[Span, ...]
    baseline_p95_ms: float | None = None
    curves: tuple[Curve, ...] = ()
    reports: Curve | None = None


class Dots(Value):
    """One length of time, of several incidents: when each was declared, and how many seconds it took.

    `caption` says in words what the dots say together; `median_s` is drawn as a line.
    """

    label: str
    caption: str
    dots: tuple[tuple[datetime, float], ...]
    median_s: float | None = None


class Stack(Value):
    """What happened in one month, counted: rollbacks that were right, that were not, and of which nobody knows."""

    since: datetime
    until: datetime
    right: int
    wrong: int
    unknown: int


class StatsData(Value):
    """Numbers over all incidents. `since` and `until` are what the picture reaches from and to."""

    title: str
    subtitle: str
    since: datetime
    until: datetime
    panels: tuple[Dots, ...]
    rollbacks: tuple[Stack, ...]
    caption: str


class Charts(Protocol):
    async def incident(self, data: ChartData) -> bytes:
        """A PNG, legible at chat size (about 1600 × 900 pixels). Raises Unavailable."""
        ...

    async def stats(self, data: StatsData) -> bytes:
        """The same for numbers over all incidents."""
        ...
