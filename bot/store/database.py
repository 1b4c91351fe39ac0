"""Connections: one engine that writes, one that reads, to SQLite or PostgreSQL."""

import os
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from bot.store.errors import StoreUnavailable

BUSY_TIMEOUT_S = 5
READERS = 4

# Without the last one, an INSERT OR REPLACE would remove rows past the triggers that forbid it.
_PRAGMAS = (
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA recursive_triggers = ON",
)


class Database:
    """`writer` holds one connection whose transactions begin as writes; `reader` a few that cannot write."""

    def __init__(self, url: str) -> None:
        """Raises StoreUnavailable for a URL that is neither SQLite's nor PostgreSQL's. Does not connect yet."""
        parsed = _parsed(url)
        self.name = parsed.render_as_string(hide_password=True)
        if parsed.get_backend_name() == "sqlite":
            path = Path(str(parsed.database)).absolute()
            _make_private(path)
            parsed = parsed.set(database=str(path))
            self.writer = _sqlite(parsed, begin="BEGIN IMMEDIATE", readers=1)
            self.reader = _sqlite(parsed, begin="BEGIN", readers=READERS, pragmas=("PRAGMA query_only = ON",))
        else:
            parsed = parsed.set(drivername="postgresql+psycopg")
            self.writer = _postgres(parsed, pool_size=1)
            reader = _postgres(parsed, pool_size=READERS)
            self.reader = reader.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )

    def dispose(self) -> None:
        self.reader.dispose()
        self.writer.dispose()


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is not None and parsed.get_backend_name() == "postgresql":
        return parsed
    if parsed is not None and parsed.get_backend_name() == "sqlite":
        if parsed.database and parsed.database != ":memory:":
            return parsed
        raise StoreUnavailable(
            "A database in memory would forget every incident. Name a file: sqlite:////path/kaeru.sqlite."
        )
    # The text itself is not repeated: it may hold a password.
    raise StoreUnavailable(
        "The database URL is not understood. Use sqlite:////path/kaeru.sqlite or postgresql://user@host/name."
    )


def _make_private(path: Path) -> None:
    """What people wrote in an incident is for this user only; SQLite's side files inherit the mode."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreUnavailable(
            f"The database file {path} cannot be opened for writing ({error.strerror}). "
            "Check the folder's owner and rights."
        ) from error


def _sqlite(url: URL, *, begin: str, readers: int, pragmas: tuple[str, ...] = ()) -> Engine:
    engine = create_engine(
        url,
        pool_size=readers,
        max_overflow=0,
        hide_parameters=True,
        connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
    )

    def connected(connection: sqlite3.Connection, _record: Any) -> None:
        # The driver would begin (and sometimes commit) by itself; here `begin` below does.
        connection.isolation_level = None
        for pragma in (*_PRAGMAS, *pragmas):
            connection.execute(pragma)

    def began(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", began)
    return engine


def _postgres(url: URL, *, pool_size: int) -> Engine:
    try:
        return create_engine(
            url, pool_size=pool_size, max_overflow=0, pool_pre_ping=True, hide_parameters=True
        )
    except ModuleNotFoundError as error:
        raise StoreUnavailable(
            "PostgreSQL needs its driver. Install it with: pip install 'kaeru[postgres]'"
        ) from error
