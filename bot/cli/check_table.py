"""How `kaeru check` shows its report."""

import io
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.usecases.check_report import CheckReport, Row, State

_MARK = {State.OK: ("ok", "green"), State.WARN: ("warn", "yellow"), State.FAIL: ("FAIL", "bold red")}


def render(report: CheckReport, width: int = 100, *, color: bool = False) -> str:
    """The report as text at most `width` columns wide; words carry the meaning, colour only helps."""
    out = io.StringIO()
    console = Console(
        file=out,
        width=max(width, 40),
        force_terminal=color,
        no_color=not color,
        color_system="standard" if color else None,
        legacy_windows=False,
        _environ={},
    )
    order = {area: place for place, area in enumerate(dict.fromkeys(row.area for row in report.rows))}
    rows = sorted(report.rows, key=lambda row: order[row.area])
    for area, group in groupby(rows, key=lambda row: row.area):
        console.print(Text(area, style="bold"))
        console.print(_table(list(group)))
    console.print(Text(_summary(report)))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _table(rows: list[Row]) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 1), pad_edge=False)
    table.add_column(width=6, justify="right", no_wrap=True)
    table.add_column(min_width=14, max_width=30, overflow="fold")
    table.add_column(ratio=1, overflow="fold")
    table.expand = True
    for row in rows:
        mark, style = _MARK[row.state]
        said = Text(row.seen)
        if row.remedy:
            said.append(f"\n→ {row.remedy}", style="italic")
        table.add_row(Text(mark, style=style), Text(row.name), said)
    return table


def _summary(report: CheckReport) -> str:
    fails, warns = report.count(State.FAIL), report.count(State.WARN)
    if not report.readable:
        return "kaeru.yml cannot be used yet, so its services were not looked at."
    warned = f"{warns} {'warning' if warns == 1 else 'warnings'}"
    if fails:
        return f"{fails} {'thing fails' if fails == 1 else 'things fail'}, {warned}."
    return f"Nothing fails, {warned}." if warns else "All is well."
