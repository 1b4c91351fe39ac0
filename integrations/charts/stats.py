"""The picture of all incidents: how long each step took in each of them, and how their rollbacks ended, by month.

Every incident is a dot, so that few of them look like few. What colours tell is told by shapes, hatching and words too.
"""

import math
from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from bot.ports.charts import Dots, Stack, StatsData
from integrations.charts.frame import (
    BLUE,
    FAINT,
    GREEN,
    HEIGHT,
    LEFT,
    RIGHT,
    SMALL,
    TITLE,
    VERMILLION,
    WIDTH,
    Frame,
    shown,
)

FOOT, GAP, HEAD = 120, 58, 162
_ROUND_S = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400, 172_800, 604_800)
_MOST_TICKS = 3
_WIDEST, _WIDEST_OF_ALL = 0.8, 0.12
_EDGE = 0.02
_FEWEST_MONTHS, _MOST_MONTHS = 3, 14


def draw_stats(data: StatsData, zone: tzinfo) -> bytes:
    """A PNG of WIDTH × HEIGHT pixels."""
    frame = Frame.of(data.since, data.until, zone)
    frame.write(26, HEIGHT - 46, frame.fitting(shown(data.title), TITLE, "bold", WIDTH - 60), size=TITLE, fontweight="bold")  # fmt: skip
    frame.write(26, HEIGHT - 88, frame.fitting(shown(data.subtitle), SMALL, "normal", WIDTH - 60), size=SMALL, color=FAINT)  # fmt: skip
    *panels, last = _panels(frame, count=len(data.panels) + 1)
    for axes, dots in zip(panels, data.panels, strict=True):
        _dots(frame, axes, dots)
    _rollbacks(frame, last, data)
    last_tick = data.until - (data.until - data.since) * _EDGE
    ticks = [tick for tick in _months(frame) or frame.ticks() if tick[0] <= last_tick.timestamp()]
    last.set_xticks([at for at, _ in ticks], [text for _, text in ticks])
    frame.figure.legend(
        handles=_handles(data), loc="lower center", ncols=5, fontsize=SMALL, frameon=False,
        handlelength=1.6, columnspacing=1.6, borderaxespad=0.3, bbox_to_anchor=(0.5, 0.0),
    )  # fmt: skip
    return frame.png()


def _months(frame: Frame) -> tuple[tuple[float, str], ...]:
    """Where months begin, a round number of them apart; nothing for a stretch with few beginnings."""
    local = frame.since.astimezone(frame.zone)
    first = local.year * 12 + local.month  # of the month after, counted from 0
    last = frame.until.astimezone(frame.zone)
    count = last.year * 12 + last.month - first
    if count < _FEWEST_MONTHS:
        return ()
    step = next(step for step in (1, 2, 3, 6, 12, 24, 120, 1200) if count / step <= _MOST_MONTHS)
    begins = (
        datetime(month // 12, month % 12 + 1, 1, tzinfo=frame.zone)
        for month in range(first, first + count)
        if month % 12 % step == 0
    )
    return tuple((at.timestamp(), f"{at:%b}\n{at:%Y}" if at.month == 1 else f"{at:%b}") for at in begins)


def _panels(frame: Frame, *, count: int) -> list[Axes]:
    height = (HEIGHT - HEAD - FOOT - count * GAP + GAP) / count
    found, top = [], float(HEIGHT - HEAD)
    for _ in range(count):
        found.append(frame.panel(top, height))
        top -= height + GAP
    return found


def _heading(frame: Frame, axes: Axes, label: str, caption: str) -> None:
    """The panel's name in bold, and beside it what it says."""
    y = float(axes.get_position().y1) * HEIGHT + 22
    name = shown(label)
    frame.write(LEFT, y, name, size=SMALL, fontweight="bold", ha="left")
    x = LEFT + frame.width(name, SMALL, "bold") + 18
    told = frame.fitting(shown(caption), SMALL, "normal", RIGHT - x)
    frame.write(x, y, told, size=SMALL, color=FAINT, ha="left")


def _nothing(frame: Frame, axes: Axes, text: str) -> None:
    box = axes.get_position()
    axes.yaxis.set_major_locator(NullLocator())
    frame.write((LEFT + RIGHT) / 2, float(box.y0 + box.y1) / 2 * HEIGHT, text, color=FAINT, ha="center")


def _dots(frame: Frame, axes: Axes, dots: Dots) -> None:
    """By a logarithmic scale: what takes a minute and what takes a day are in one picture."""
    _heading(frame, axes, dots.label, dots.caption)
    if not dots.dots:
        _nothing(frame, axes, "not known of any incident")
        return
    seconds = [max(value, 1.0) for _, value in dots.dots]
    axes.set_yscale("log")
    low, high = min(seconds) / 1.7, max(seconds) * 1.7
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(FixedLocator(_round(low, high)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _length(value)))
    if dots.median_s is not None and len(seconds) > 1:
        axes.axhline(max(dots.median_s, 1.0), color=GREEN, linewidth=3, linestyle=(0, (4, 1.5)), zorder=2)
    axes.plot(
        [at.timestamp() for at, _ in dots.dots], seconds, linestyle="", marker="o", markersize=11,
        color=BLUE, alpha=0.75, markeredgecolor="white", zorder=4, clip_on=False,
    )  # fmt: skip


def _round(low: float, high: float) -> Sequence[float]:
    """A few round lengths; where there is none between them, the middle."""
    within = [value for value in _ROUND_S if low <= value <= high]
    if not within:
        return [math.sqrt(low * high)]
    every = math.ceil(len(within) / _MOST_TICKS)
    return within[::-1][::every][::-1]


def _length(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _rollbacks(frame: Frame, axes: Axes, data: StatsData) -> None:
    _heading(frame, axes, "Rollbacks", data.caption)
    if not data.rollbacks:
        _nothing(frame, axes, "no rollback")
        return
    most, whole = 0, (data.until - data.since).total_seconds()
    for month in data.rollbacks:
        begin, end = max(month.since, data.since).timestamp(), min(month.until, data.until).timestamp()
        width = min((end - begin) * _WIDEST, whole * _WIDEST_OF_ALL)
        bottom = 0
        for count, look in _parts(month):
            if not count:
                continue
            axes.bar((begin + end) / 2, count, width=width, bottom=bottom, zorder=3, **look)
            bottom += count
        most = max(most, bottom)
        if not _months(frame):
            # A bar is the whole month's, wherever in it the dots are.
            name = f"{month.since.astimezone(frame.zone):%B}"
            ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.9, "pad": 3}
            axes.text(
                (begin + end) / 2,
                bottom / 2,
                name,
                fontsize=SMALL,
                ha="center",
                va="center",
                bbox=ground,
                zorder=5,
            )
    axes.set_ylim(0, max(most, 1) * 1.1)
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))


_RIGHT: dict[str, Any] = {"facecolor": "#a9d6f0", "edgecolor": BLUE, "linewidth": 1.5}
_WRONG: dict[str, Any] = {"facecolor": "#f3c0a1", "edgecolor": VERMILLION, "linewidth": 1.5, "hatch": "//"}
_UNKNOWN: dict[str, Any] = {"facecolor": "white", "edgecolor": FAINT, "linewidth": 1.5, "hatch": ".."}


def _parts(month: Stack) -> tuple[tuple[int, dict[str, Any]], ...]:
    return (month.right, _RIGHT), (month.wrong, _WRONG), (month.unknown, _UNKNOWN)


def _handles(data: StatsData) -> list[Patch | Line2D]:
    """Only what is in the picture."""
    handles: list[Patch | Line2D] = []
    if any(panel.dots for panel in data.panels):
        handles.append(
            Line2D([], [], linestyle="", marker="o", markersize=11, color=BLUE, label="an incident")
        )
    if any(panel.median_s is not None and len(panel.dots) > 1 for panel in data.panels):
        handles.append(Line2D([], [], color=GREEN, linewidth=3, linestyle=(0, (4, 1.5)), label="median"))
    for name, look, label in (
        ("right", _RIGHT, "right"),
        ("wrong", _WRONG, "failed or relapsed"),
        ("unknown", _UNKNOWN, "not known"),
    ):
        if any(getattr(month, name) for month in data.rollbacks):
            handles.append(Patch(label=label, **look))
    return handles
