"""Pictures of an incident."""

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


class ChartData(Value):
    """What the picture shows: error rate and latency over time, the marks, and the versions beneath.

    `baseline_p95_ms` is drawn as a line where it is known.
    """

    title: str
    probes: tuple[Probe, ...]
    moments: tuple[Moment, ...]
    spans: tuple[Span, ...]
    baseline_p95_ms: float | None = None


class Charts(Protocol):
    async def incident(self, data: ChartData) -> bytes:
        """A PNG, legible at chat size (about 1600 × 900 pixels). Raises Unavailable."""
        ...
