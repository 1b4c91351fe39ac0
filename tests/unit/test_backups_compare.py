"""What is striking about a new backup beside the last ones."""

from datetime import UTC, datetime

import pytest

from bot.domain.plan import Level
from bot.domain.sizes import size
from bot.ports.backups import Backup
from integrations.backups.compare import against


def backup(**fields: object) -> Backup:
    given = {"bytes": 1000, "seconds": 40.0, "tables": 10} | fields
    fixed = {"id": "a", "key": "a", "database": "d", "sha256": "", "tool": "t", "server": "s"}
    return Backup.model_validate({**fixed, "at": datetime(2026, 11, 24, tzinfo=UTC), **given})


def told(new: Backup, *earlier: Backup) -> list[tuple[Level, str]]:
    return [(w.level, w.text) for w in against(new, earlier, min_ratio=0.5, max_slowdown=3.0)]


def test_the_first_one_has_nothing_to_be_compared_with() -> None:
    assert told(backup()) == []


def test_one_like_the_last_ones_is_not_striking() -> None:
    assert told(backup(bytes=600, seconds=100.0, tables=6), *[backup()] * 5) == []


def test_the_usual_size_is_the_median_of_the_last_five() -> None:
    """One that was small already does not make small ones usual."""
    ((level, text),) = told(backup(bytes=490), backup(bytes=10), *[backup()] * 4)
    assert level is Level.DANGER
    assert "much smaller: 490 bytes, usual are 1.0 kB" in text
    assert told(backup(bytes=490), *[backup(bytes=500)] * 5, backup(bytes=10**9)) == []


def test_missing_tables_are_told() -> None:
    assert told(backup(tables=4), backup()) == [
        (Level.DANGER, "Only 4 tables are left of the 10 in the last backup.")
    ]


def test_missing_rows_are_told_table_by_table() -> None:
    before = backup(rows={f"t{n}": 100 for n in range(8)} | {"same": 5, "none": 0})
    emptied = {f"t{n}": 0 for n in range(1, 8)}
    ((level, text),) = told(backup(rows={"t0": 49, "same": 5, "none": 0} | emptied), before)
    assert level is Level.DANGER
    assert text.endswith("t0 (100 → 49), t1 (100 → 0), t2 (100 → 0), t3 (100 → 0), t4 (100 → 0) and 3 more.")


def test_a_table_that_is_gone_is_called_missing_only_where_all_were_counted() -> None:
    before = backup(tables=2, rows={"kept": 5, "big": 300_000})
    ((_, text),) = told(backup(tables=1, rows={"kept": 5}), before)
    assert text.endswith("big (300,000; the table is missing).")
    assert told(backup(tables=2, rows={"kept": 5}), before) == []


def test_a_slow_one_is_told_unless_all_are_quick() -> None:
    assert told(backup(seconds=121.0), backup()) == [
        (Level.WARNING, "The backup took 121 s, usual are 40 s.")
    ]
    assert told(backup(seconds=29.0), backup(seconds=1.0)) == []


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (5 * 10**9, "5.0 GB"), (2 * 10**15, "2000.0 TB")],
)
def test_sizes_are_for_people(count: int, text: str) -> None:
    assert size(count) == text
