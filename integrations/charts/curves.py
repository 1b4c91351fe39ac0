"""Further numbers over time, each in a panel of its own."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bot.ports.charts import Curve
from integrations.charts.frame import GREEN, PURPLE, SMALL, Frame, shown

MOST = 2
"""How many have a panel; more would be too flat to read."""
_LABEL = 40
_UNIT = 5
"""A longer unit has no place beside the numbers."""


def draw_curve(frame: Frame, axes: Axes, curve: Curve, *, left: float, top: float) -> None:
    """Nothing is drawn across a gap. `left` and `top` are where the panel begins, in pixels."""
    at = np.array([moment.timestamp() for moment, _ in curve.points])
    values = np.array([np.nan if value is None else value for _, value in curve.points])
    if curve.share:
        values = values * 100
    if curve.bars:
        axes.stairs(np.nan_to_num(values[1:]), at, fill=True, color=PURPLE, zorder=3)
    else:
        single = int(np.sum(~np.isnan(values))) == 1
        axes.plot(at, values, color=GREEN, linewidth=3, marker="o" if single else "", markersize=9, zorder=4)
    high = float(np.nanmax(values))
    low = min(0.0, float(np.nanmin(values)))
    axes.set_ylim(low, high * 1.15 if high > low else low + 1)
    axes.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 2.5, 5, 10]))
    unit = "%" if curve.share else shown(curve.unit)
    name = shown(curve.label)
    name = name if len(name) <= _LABEL else f"{name[: _LABEL - 1]}…"
    if len(unit) > _UNIT:
        name, unit = f"{name} ({unit[:_LABEL]})", ""
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g} {unit}".strip()))
    ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.9, "pad": 3}
    frame.write(left + 12, top - 16, name, size=SMALL, ha="left", bbox=ground)
