"""The picture: errors on top, latency beneath, the serving version at the foot, moments across all.

Made to be read in full and as a thumbnail 360 pixels wide. What colours tell is also told by dashes,
hatching and words.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from bot.ports.charts import ChartData, Moment, Span
from integrations.charts.curves import MOST, draw_curve
from integrations.charts.frame import (
    BLUE,
    FAINT,
    GREEN,
    HEIGHT,
    INK,
    LARGE,
    LEFT,
    RIGHT,
    SKY,
    SMALL,
    TITLE,
    VERMILLION,
    WIDTH,
    Frame,
    shown,
    stretch,
)
from integrations.charts.labels import Place, arrange
from integrations.charts.series import Series, bins

ROW, MOST_ROWS = 34, 6
FOOT, STRIP, GAP, HEAD = 160, 58, 26, 92
NARROW = 40  # no version's name fits into less
_DASHES, _DOTS, _MARKS = (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 2))


def draw(data: ChartData, zone: tzinfo) -> bytes:
    """A PNG of WIDTH × HEIGHT pixels."""
    stretched = stretch(data)
    since, until = stretched or (datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 2, tzinfo=UTC))
    frame = Frame.of(since, until, zone)
    series = bins(data.probes, since, until)
    moments = sorted(data.moments, key=lambda moment: moment.at)
    texts = [_text(moment, frame) for moment in moments]
    marks = [(frame.x(m.at), frame.width(text, LARGE)) for m, text in zip(moments, texts, strict=True)]
    places = arrange(marks, width=WIDTH - 16, rows=MOST_ROWS)
    curves = (*((data.reports,) if data.reports else ()), *data.curves)[:MOST]
    rows = max((p.row + 1 for p in places), default=0)
    errors, latency, *further, strip = _panels(frame, rows=rows, count=2 + len(curves))
    _errors(frame, errors, series)
    _latency(frame, latency, series, data.baseline_p95_ms)
    _versions(frame, strip, data.spans)
    for axes, curve in zip(further, curves, strict=True):
        box = axes.get_position()
        draw_curve(frame, axes, curve, left=LEFT, top=float(box.y1) * HEIGHT)
    _shade((errors, latency, *further), data.spans)
    _moments(frame, errors, marks, places, texts)
    _frame_text(frame, strip, data, known=stretched is not None, unnamed=len(moments) - len(places))
    return frame.png()


def _text(moment: Moment, frame: Frame) -> str:
    label = shown(moment.label)
    label = label[:1].upper() + label[1:]
    label = label if len(label) <= 32 else f"{label[:31]}…"
    local = moment.at.astimezone(frame.zone)
    return f"{label} {local:%d %b %H:%M}" if frame.several_days else f"{label} {local:%H:%M}"


def _panels(frame: Frame, *, rows: int, count: int) -> list[Axes]:
    """`count` panels and the strip. What the labels above do not need is the panels'."""
    top = HEIGHT - HEAD - rows * ROW
    free = top - FOOT - STRIP - count * GAP
    found = []
    for height in (*(free // count,) * (count - 1), free - free // count * (count - 1), STRIP):
        found.append(frame.panel(top, height))
        top -= height + GAP
    return found


def _middle(axes: Axes) -> float:
    box = axes.get_position()
    return float(box.y0 + box.y1) / 2 * HEIGHT


def _remark(frame: Frame, axes: Axes, text: str) -> None:
    """A sentence in place of what is not there, readable also where a mark runs through it."""
    ground = {"facecolor": "white", "edgecolor": "none", "pad": 6}
    frame.write((LEFT + RIGHT) / 2, _middle(axes), text, color=FAINT, ha="center", bbox=ground)


def _errors(frame: Frame, axes: Axes, series: Series | None) -> None:
    frame.write(26, _middle(axes), "Errors", rotation=90, ha="center", fontweight="bold")
    if series is None:
        axes.yaxis.set_major_locator(NullLocator())
        _remark(frame, axes, "nothing was measured")
        return
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} %"))
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    percent = series.error_share * 100
    edges = np.append(series.since, series.until[-1:])
    axes.stairs(np.nan_to_num(percent), edges, fill=True, color=VERMILLION, zorder=3)
    most = float(np.nanmax(percent))
    axes.set_ylim(0, min(100.0, max(5.0, most * 1.12)))
    if most == 0:
        _remark(frame, axes, "no probe failed")


def _latency(frame: Frame, axes: Axes, series: Series | None, baseline_ms: float | None) -> None:
    frame.write(26, _middle(axes), "Latency", rotation=90, ha="center", fontweight="bold")
    known = [] if series is None else [v for v in (*series.p50_ms, *series.p95_ms) if not np.isnan(v)]
    if series is None or not known:
        axes.yaxis.set_major_locator(NullLocator())
        _remark(frame, axes, "nothing was measured" if series is None else "no probe was answered")
        return
    _latency_scale(axes, [*known, baseline_ms] if baseline_ms else known)
    single = int(np.sum(~np.isnan(series.p95_ms))) == 1
    marker = "o" if single else ""
    axes.plot(series.middle, series.p95_ms, color=BLUE, linewidth=3.5, marker=marker, markersize=13, zorder=4)
    axes.plot(
        series.middle, series.p50_ms, color=SKY, linewidth=3.5, linestyle=_DASHES,
        marker=marker, markersize=7, zorder=5 if single else 3,
    )  # fmt: skip
    if baseline_ms:
        axes.axhline(baseline_ms, color=GREEN, linewidth=3, linestyle=_DOTS, zorder=2)


def _latency_scale(axes: Axes, values: Sequence[float]) -> None:
    """Logarithmic where the ill stretch would press the well one flat."""
    low, high = max(min(values), 0.1), max(*values, 0.2)
    if high / low > 12:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.5, high * 1.5)
        subs = (1.0,) if high / low > 1000 else (1.0, 3.0)
        axes.yaxis.set_major_locator(LogLocator(10, subs=subs, numticks=8))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.set_ylim(0, high * 1.15)
        axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value / 1000:g} s" if value >= 1000 else f"{value:g} ms")
    )


def _versions(frame: Frame, axes: Axes, spans: Sequence[Span]) -> None:
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_locator(NullLocator())
    axes.spines["left"].set_visible(False)
    frame.write(LEFT - 14, _middle(axes), "Version", ha="right", fontweight="bold")
    for good in (True, False):
        axes.broken_barh(_bars(spans, good=good), (0.04, 0.92), **_look(good=good))
    for span in spans:
        left, right = frame.x(span.since), frame.x(span.until)
        label = shown(span.label)
        if right - left > NARROW and frame.width(label, LARGE, "bold") + 16 < right - left:
            ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.9, "pad": 4}
            middle = (left + right) / 2
            frame.write(middle, _middle(axes), label, ha="center", fontweight="bold", bbox=ground)
    if not spans:
        _remark(frame, axes, "not known")


def _look(*, good: bool) -> dict[str, Any]:
    if good:
        return {"facecolor": "#a9d6f0", "edgecolor": BLUE, "linewidth": 1.5}
    return {"facecolor": "#f3c0a1", "edgecolor": VERMILLION, "linewidth": 1.5, "hatch": "//"}


def _bars(spans: Sequence[Span], *, good: bool) -> list[tuple[float, float]]:
    """Begin and length of all the good or all the bad ones; many thousands where replicas answer in turn."""
    of_kind = [span for span in spans if span.good is good]
    return [(span.since.timestamp(), (span.until - span.since).total_seconds()) for span in of_kind]


def _shade(panels: Sequence[Axes], spans: Sequence[Span]) -> None:
    """Behind the curves, when the bad version served."""
    for axes in panels:
        low, high = axes.get_ylim()
        ground: dict[str, Any] = {"color": VERMILLION, "alpha": 0.09, "linewidth": 0, "zorder": 0}
        axes.broken_barh(_bars(spans, good=False), (low, high - low), **ground)
        axes.set_ylim(low, high)


def _moments(
    frame: Frame,
    top_panel: Axes,
    marks: Sequence[tuple[float, float]],
    places: Sequence[Place],
    texts: Sequence[str],
) -> None:
    top = float(top_panel.get_position().y1) * HEIGHT
    by_index = {place.index: place for place in places}
    for index, (x, _) in enumerate(marks):
        place = by_index.get(index)
        end = top if place is None else top + place.row * ROW + ROW * 0.95
        line = Line2D(
            [x / WIDTH, x / WIDTH], [FOOT / HEIGHT, end / HEIGHT], color=INK, linewidth=2, linestyle=_MARKS
        )
        frame.figure.add_artist(line)
        if place is not None:
            frame.write(place.left, top + place.row * ROW + ROW * 0.6, texts[index], ha="left")


def _frame_text(frame: Frame, strip: Axes, data: ChartData, *, known: bool, unnamed: int) -> None:
    """Title, time axis and legend."""
    title = frame.fitting(shown(data.title), TITLE, "bold", WIDTH - 60)
    frame.write(26, HEIGHT - 46, title, size=TITLE, fontweight="bold")
    if known:
        ticks = frame.ticks()
        strip.set_xticks([at for at, _ in ticks], [text for _, text in ticks])
        frame.write((LEFT + RIGHT) / 2, 70, frame.zone_and_days(), size=SMALL, color=FAINT, ha="center")
    if unnamed > 0:
        more = f"{unnamed} more mark{'s' if unnamed > 1 else ''} without a name"
        frame.write(RIGHT, HEIGHT - HEAD + 10, more, size=SMALL, color=FAINT, ha="right")
    frame.figure.legend(
        handles=_handles(data), loc="lower center", ncols=7, fontsize=SMALL, frameon=False,
        handlelength=2.2, columnspacing=1.4, borderaxespad=0.3, bbox_to_anchor=(0.5, 0.0),
    )  # fmt: skip


def _handles(data: ChartData) -> list[Patch | Line2D]:
    """Only what is in the picture."""
    handles: list[Patch | Line2D] = []
    if data.probes:
        handles = [
            Patch(facecolor=VERMILLION, label="failed probes"),
            Line2D([], [], color=BLUE, linewidth=3.5, label="p95"),
            Line2D([], [], color=SKY, linewidth=3.5, linestyle=_DASHES, label="p50"),
        ]
        if data.baseline_p95_ms:
            label = f"p95 while well ({data.baseline_p95_ms:.0f} ms)"
            handles.append(Line2D([], [], color=GREEN, linewidth=3, linestyle=_DOTS, label=label))
    for good, label in ((True, "good version"), (False, "bad version")):
        if any(span.good is good for span in data.spans):
            handles.append(Patch(label=label, **_look(good=good)))
    return handles
