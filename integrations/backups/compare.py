"""A new backup beside the last ones: what is suddenly missing, and what takes suddenly longer."""

from collections.abc import Mapping, Sequence
from statistics import median

from bot.domain.plan import Level, Warn
from bot.domain.sizes import size
from bot.ports.backups import Backup

LAST = 5
SLOW_FROM_S = 30.0
"""Shorter ones vary too much to say anything of them."""
NAMED = 5


def against(
    new: Backup, earlier: Sequence[Backup], *, min_ratio: float, max_slowdown: float
) -> tuple[Warn, ...]:
    """What is striking about `new`. `earlier` are those before it, newest first."""
    found = []
    if new.tables == 0:
        found.append(_danger("The backup is empty: there is no table in the database."))
    if not earlier:
        return tuple(found)
    last = earlier[:LAST]
    usual = median(one.bytes for one in last)
    if new.bytes < min_ratio * usual:
        found.append(
            _danger(
                f"The backup is suddenly much smaller: {size(new.bytes)}, "
                f"usual are {size(usual)}. Look whether data is missing before it is relied on."
            )
        )
    if new.tables is not None and earlier[0].tables and new.tables < min_ratio * earlier[0].tables:
        found.append(
            _danger(f"Only {new.tables} tables are left of the {earlier[0].tables} in the last backup.")
        )
    if (rows := _rows(new, earlier[0].rows, min_ratio)) is not None:
        found.append(rows)
    slow = median(one.seconds for one in last)
    if new.seconds > max(SLOW_FROM_S, max_slowdown * slow):
        text = f"The backup took {new.seconds:.0f} s, usual are {slow:.0f} s."
        found.append(Warn(level=Level.WARNING, text=text))
    return tuple(found)


def _rows(new: Backup, old: Mapping[str, int] | None, min_ratio: float) -> Warn | None:
    if new.rows is None or old is None:
        return None
    # Where not every table was counted, one that has no number may be there all the same.
    all_counted = new.tables is not None and len(new.rows) >= new.tables
    fewer = []
    for table, had in sorted(old.items()):
        has = new.rows.get(table)
        if has is None and all_counted and had:
            fewer.append(f"{table} ({had:,}; the table is missing)")
        elif has is not None and has < min_ratio * had:
            fewer.append(f"{table} ({had:,} → {has:,})")
    if not fewer:
        return None
    more = f" and {len(fewer) - NAMED} more" if len(fewer) > NAMED else ""
    return _danger(f"Suddenly far fewer rows than in the last backup: {', '.join(fewer[:NAMED])}{more}.")


def _danger(text: str) -> Warn:
    return Warn(level=Level.DANGER, text=text)
