"""What a backup costs beside a bare `pg_dump`, in time and in memory."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import psycopg

from bot.ports.backups import Backup
from integrations.backups.make import postgresql
from integrations.backups.settings import PostgresqlBackupSettings
from tests.bench.result import Result, at_most, median, spread
from tests.postgres import Server, binaries, running

NAMES = ("backup_over_pg_dump", "backup_rss_growth_mb")
MB = 10**6
ROW_BYTES = 480
SMALL, MIDDLE, BIG = 20 * MB, 200 * MB, 1000 * MB
RUNS = 5
ROOT = Path(__file__).resolve().parents[2]

# Most of it is what compresses to a half, as numbers and ids do, and the rest compresses well, as text does. A dump is
# then about a third of the table; the note says how much it was.
_ROWS = """
CREATE TABLE orders AS SELECT n AS id, now() - n * interval '1 second' AS at,
  (ARRAY['new', 'paid', 'packed', 'sent', 'returned'])[n % 5 + 1] AS state,
  md5(n::text) || md5((-n)::text) || md5(n || 'a') || md5(n || 'b') || md5(n || 'c') || md5(n || 'd')
    || md5(n || 'e') || md5(n || 'f') AS token,
  repeat('the customer asked for a call before delivery; ', 2) AS note
FROM generate_series(1, {rows}) n
"""


async def measure(data: Path) -> list[Result]:
    return await asyncio.to_thread(_measure, data)


def _measure(data: Path) -> list[Result]:
    with running() as server:
        sizes = {size: _database(server, size) for size in (SMALL, MIDDLE, BIG)}
        (small, _), (middle, middle_mb), (big, big_mb) = sizes.values()
        time_ = asyncio.run(_time(server, middle, middle_mb, data))
        grew = _peak_mb(server, big, data), _peak_mb(server, small, data)
    note = (
        f"peak memory of the process that takes a backup of {big_mb:.0f} MB ({grew[0]:.1f} MB) beyond that for "
        f"{SMALL / MB:.0f} MB ({grew[1]:.1f} MB), read to the end after it"
    )
    return [time_, Result("backup_rss_growth_mb", grew[0] - grew[1], "MB", at_most(20.0), note)]


def _database(server: Server, size: int) -> tuple[str, float]:
    """A database of about `size` bytes: its name, and how many MB it really has."""
    name = server.create_database()
    with psycopg.connect(server.url(name), autocommit=True) as connection:
        connection.execute(_ROWS.format(rows=size // ROW_BYTES).encode())
        connection.execute("CHECKPOINT")
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert row is not None
    return name, row[0] / MB


async def _time(server: Server, database: str, size_mb: float, data: Path) -> Result:
    bare, ours, ratios, dumped_mb = [], [], [], 0.0
    backups = postgresql(PostgresqlBackupSettings.model_validate(_settings(server, database, data)))
    for n in range(RUNS + 1):
        # In turns, and which one is first in turns as well: the machine has other things to do.
        if n % 2:
            plain = _pg_dump(server, database, data / f"bare-{n}.dump")
        began = time.monotonic()
        async for taken in backups.take(f"bench-{n}"):
            if isinstance(taken, Backup):
                dumped_mb = taken.bytes / MB
        took = time.monotonic() - began
        if not n % 2:
            plain = _pg_dump(server, database, data / f"bare-{n}.dump")
        if n:  # the first one fills the caches
            bare.append(plain)
            ours.append(took)
            ratios.append(took / plain)
    note = (
        f"a backup of {size_mb:.0f} MB, which are {dumped_mb:.0f} MB then, hashed and fsynced, not verified ÷ `pg_dump -Fc -f`, the medians, in turns; "
        f"single ratios {spread(ratios)}; pg_dump {spread(bare)} s, backup {spread(ours)} s"
    )
    return Result("backup_over_pg_dump", median(ours) / median(bare), "×", at_most(1.05), note)


def _pg_dump(server: Server, database: str, file: Path) -> float:
    home = binaries()
    assert home is not None
    argv = [
        str(home / "pg_dump"),
        "-Fc",
        "-h",
        str(server.folder),
        "-U",
        "postgres",
        "-f",
        str(file),
        database,
    ]
    began = time.monotonic()
    subprocess.run(argv, check=True)
    return time.monotonic() - began


def _peak_mb(server: Server, database: str, data: Path) -> float:
    """The largest resident memory of a process that takes one backup and reads it to its end."""
    settings = _settings(server, database, data) | {"verify": "read"}
    argv = [sys.executable, "-m", "tests.contract.backup_child", "postgresql", f"peak-{database}"]
    text = json.dumps(settings).encode()
    done = subprocess.run(argv, cwd=ROOT, input=text, stdout=subprocess.PIPE, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    return float(told["peak_kib"]) * 1024 / MB


def _settings(server: Server, database: str, data: Path) -> dict[str, str]:
    home = binaries()
    assert home is not None
    return {
        "host": str(server.folder),
        "user": "postgres",
        "database": database,
        "directory": str(data / "backups"),
        "programs": str(home),
        "verify": "none",
    }
