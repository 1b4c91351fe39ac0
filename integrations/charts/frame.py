"""The sheet that an incident is drawn on: its size, its scale of time, its colours and its lettering.

The colours are Okabe and Ito's, which people with any colour vision tell apart.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from bot.ports.charts import ChartData

WIDTH, HEIGHT, DPI = 1600, 900, 100
LEFT, RIGHT = 158, 1560
INK, FAINT, GRID = "#1a1a1a", "#5f6368", "#d9dce0"
BLUE, SKY, VERMILLION, GREEN, PURPLE = "#0072B2", "#56B4E9", "#D55E00", "#009E73", "#CC79A7"
TITLE, LARGE, SMALL = 28.0, 20.0, 18.0  # points; a thumbnail shows them at a quarter

_TICKS_S = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200)
_DAY_S = 86_400
_MOST_TICKS = 7
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


@dataclass(frozen=True)
class Frame:
    """A figure and the stretch of time that it shows. Lengths are pixels, from the lower left corner."""

    figure: Figure
    since: datetime
    until: datetime
    zone: tzinfo

    @classmethod
    def of(cls, since: datetime, until: datetime, zone: tzinfo) -> "Frame":
        """An empty sheet of WIDTH × HEIGHT pixels."""
        figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI, facecolor="white")
        FigureCanvasAgg(figure)
        return cls(figure, since, until, zone)

    def png(self) -> bytes:
        """What was drawn. The same drawing gives the same bytes."""
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
        return buffer.getvalue()

    def panel(self, top: float, height: float) -> Axes:
        """Axes over the whole stretch of time, with lines across and without ticks along it."""
        box = (LEFT / WIDTH, (top - height) / HEIGHT, (RIGHT - LEFT) / WIDTH, height / HEIGHT)
        axes = self.figure.add_axes(box)
        axes.set_xlim(self.since.timestamp(), self.until.timestamp())
        axes.tick_params(labelsize=SMALL, labelcolor=INK, color=FAINT, length=6, width=1.5)
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(FAINT)
        axes.xaxis.set_major_locator(NullLocator())
        axes.grid(axis="y", color=GRID, linewidth=1)
        axes.set_axisbelow(True)
        return axes

    @property
    def several_days(self) -> bool:
        return self.since.astimezone(self.zone).date() != self.until.astimezone(self.zone).date()

    def x(self, at: datetime) -> float:
        """Where a moment is."""
        return LEFT + (at - self.since) / (self.until - self.since) * (RIGHT - LEFT)

    def write(self, x: float, y: float, text: str, *, size: float = LARGE, **style: Any) -> None:
        """Text above everything else; never taken as mathematics."""
        style = {"color": INK, "va": "center"} | style
        self.figure.text(x / WIDTH, y / HEIGHT, text, fontsize=size, parse_math=False, **style)

    def width(self, text: str, size: float, weight: str = "normal") -> float:
        """How wide `text` would be."""
        trial = self.figure.text(0, 0, text, fontsize=size, fontweight=weight, parse_math=False)
        width = trial.get_window_extent().width
        trial.remove()
        return float(width)

    def fitting(self, text: str, size: float, weight: str, most: float) -> str:
        """`text`, cut so that it takes `most` at most."""
        while self.width(text, size, weight) > most and len(text) > 2:
            text = f"{text[: int(len(text) * 0.96) - 1].rstrip()}…"
        return text

    def ticks(self) -> tuple[tuple[float, str], ...]:
        """Round moments of the zone's own clock: seconds since 1970 and what is written there."""
        length = (self.until - self.since).total_seconds()
        fitting = [step for step in _TICKS_S if length / step <= _MOST_TICKS]
        step = fitting[0] if fitting else -int(-length // (_DAY_S * _MOST_TICKS)) * _DAY_S
        pattern = "%H:%M:%S" if step < 60 else "%H:%M"
        if self.several_days:
            pattern = "%d %b" if step >= _DAY_S else f"{pattern}\n%d %b"
        return tuple((at.timestamp(), f"{at:{pattern}}") for at in self._round_moments(step))

    def _round_moments(self, step_s: float) -> Iterator[datetime]:
        """By the wall's clock, so that a change to or from summer time leaves the ticks round."""
        local = self.since.astimezone(self.zone).replace(
            hour=0, minute=0, second=0, microsecond=0, tzinfo=None
        )
        moment = local.replace(tzinfo=self.zone)
        while moment <= self.until:
            if moment >= self.since:
                yield moment
            local += timedelta(seconds=step_s)
            moment = local.replace(tzinfo=self.zone)

    def zone_and_days(self) -> str:
        """`Time in CET, Tuesday 24 November 2026`."""
        first, last = self.since.astimezone(self.zone), self.until.astimezone(self.zone)
        zones = " and ".join(dict.fromkeys((first.tzname() or "?", last.tzname() or "?")))
        if not self.several_days:
            return f"Time in {zones}, {first:%A %-d %B %Y}"
        return f"Time in {zones}, {first:%-d %B %Y} until {last:%-d %B %Y}"


def stretch(data: ChartData) -> tuple[datetime, datetime] | None:
    """Everything there is to see and a little air; None for nothing."""
    seen = [p.at for p in data.probes] + [m.at for m in data.moments]
    seen += [t for s in data.spans for t in (s.since, s.until)]
    if not seen:
        return None
    since, until = min(seen), max(seen)
    short = until - since < timedelta(seconds=30)
    air = timedelta(seconds=60) if short else (until - since) * 0.015
    return (since - air).astimezone(UTC), (until + air).astimezone(UTC)


def shown(text: str) -> str:
    """One line, without what cannot be drawn."""
    return " ".join(_UNSEEN.sub(" ", text).split())
