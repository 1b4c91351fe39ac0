"""The bot's database, looked at from outside while it writes: a connection that can only read."""

import asyncio
import sqlite3
import time
from pathlib import Path
from typing import Any

LOOK_EVERY_S = 0.001


class NeverCame(Exception):
    """What a benchmark waited for did not happen."""


class Looking:
    """Reads a SQLite file of a running bot."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)

    def close(self) -> None:
        self._connection.close()

    def one(self, sql: str, *parameters: Any) -> Any:
        """The first column of the first row; None without one."""
        row = self._connection.execute(sql, parameters).fetchone()
        return None if row is None else row[0]

    async def until(
        self, sql: str, *parameters: Any, timeout_s: float = 30.0, every_s: float = LOOK_EVERY_S
    ) -> float:
        """Look until `sql` gives something true. Returns `time.monotonic()` of that moment. Raises NeverCame."""
        deadline = time.monotonic() + timeout_s
        while not self.one(sql, *parameters):
            if time.monotonic() > deadline:
                raise NeverCame(f"waited {timeout_s:.0f} s in vain for: {sql} {parameters}")
            await asyncio.sleep(every_s)
        return time.monotonic()
