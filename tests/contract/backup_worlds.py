"""Databases that backups are taken of in the tests of the contract, and what is done to them from outside."""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import psutil
import psycopg

from bot.ports.backups import BackupProgress, Backups, Phase
from integrations.backups.make import mariadb, postgresql
from integrations.backups.settings import MariadbBackupSettings, PostgresqlBackupSettings
from tests.databases import Mariadb
from tests.postgres import Server

T = TypeVar("T")
PASSWORD = "correct:horse\\bat\"te'ry #1"
WAIT_S = 30.0
ROOT = Path(__file__).resolve().parents[2]


class World(Protocol):
    """One fresh database with the tables `orders` and `customers`. The backups go to `folder`, unless it is said otherwise."""

    kind: str
    dump_program: str
    slow_phase: Phase
    """In which a restore is worst to be killed."""
    folder: Path
    database: str

    def backups(self, **settings: Any) -> Backups: ...

    def settings(self, **settings: Any) -> dict[str, Any]:
        """As they stand in kaeru.yml: plain values, for another process too."""
        ...

    def run(self, *statements: str) -> None: ...

    def rows(self, table: str, database: str | None = None) -> int: ...

    def fill(self, rows: int) -> None:
        """So many rows in `orders`, of 140 bytes each that can hardly be compressed."""
        ...

    def locked(self, table: str) -> contextlib.AbstractContextManager[None]:
        """A session that lets nobody read `table`."""
        ...

    def databases(self) -> set[str]: ...

    def protect(self, user: str) -> None:
        """Make a user that may read everything here, with `PASSWORD`."""
        ...


class PostgresqlWorld:
    dump_program = "pg_dump"
    kind = "postgresql"
    slow_phase = Phase.RESTORING  # beside the real one; taking its place is one step

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.database = server.create_database()
        self.run(
            "CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL)",
            "CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers, note text)",
            "INSERT INTO customers SELECT n, 'name ' || n FROM generate_series(1, 40) n",
            "INSERT INTO orders SELECT n, n % 40 + 1, 'note' FROM generate_series(1, 1000) n",
        )

    def settings(self, **settings: Any) -> dict[str, Any]:
        where = {"host": str(self.server.folder), "user": "postgres", "database": self.database}
        if "s3" not in settings:
            where["directory"] = str(self.folder)
        return where | settings

    def backups(self, **settings: Any) -> Backups:
        return postgresql(PostgresqlBackupSettings.model_validate(self.settings(**settings)))

    def run(self, *statements: str) -> None:
        for statement in statements:
            self.server.run(statement, self.database)

    def rows(self, table: str, database: str | None = None) -> int:
        with psycopg.connect(self.server.url(database or self.database)) as connection:
            return connection.execute(f"TABLE {table}".encode()).rowcount

    def fill(self, rows: int) -> None:
        self.run(
            "TRUNCATE orders",
            "CREATE OR REPLACE FUNCTION noise(n int) RETURNS text LANGUAGE sql AS"
            " $$ SELECT md5(n::text) || md5((n + 1)::text) || md5((n + 2)::text) || md5((n + 3)::text) $$",
        )
        with psycopg.connect(self.server.url(self.database)) as connection:
            query = "INSERT INTO orders SELECT n, n %% 40 + 1, noise(n * 4) FROM generate_series(1, %s) n"
            connection.execute(query, (rows,))

    @contextlib.contextmanager
    def locked(self, table: str) -> Iterator[None]:
        with psycopg.connect(self.server.url(self.database), application_name="migration") as connection:
            connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
            yield

    def databases(self) -> set[str]:
        with psycopg.connect(self.server.url("postgres")) as connection:
            return {row[0] for row in connection.execute("SELECT datname FROM pg_database")}

    def protect(self, user: str) -> None:
        quoted = PASSWORD.replace("'", "''")
        rules = self.server.folder / "data" / "pg_hba.conf"
        rule = f"local all {user} scram-sha-256\n"
        if rule not in (known := rules.read_text()):
            rules.write_text(rule + known)
            self.run(f"CREATE ROLE {user} LOGIN PASSWORD '{quoted}'", "SELECT pg_reload_conf()")
        self.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {user}")


class MariadbWorld:
    dump_program = "mariadb-dump"
    kind = "mariadb"
    slow_phase = Phase.SWITCHING  # the real one is being loaded

    def __init__(self, server: Mariadb, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.database = server.create_database()
        self.run(
            "CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL)",
            "CREATE TABLE orders (id int PRIMARY KEY, customer int, note text,"
            " FOREIGN KEY (customer) REFERENCES customers (id))",
            "INSERT INTO customers SELECT seq, concat('name ', seq) FROM seq_1_to_40",
            "INSERT INTO orders SELECT seq, seq % 40 + 1, 'note' FROM seq_1_to_1000",
        )

    def settings(self, **settings: Any) -> dict[str, Any]:
        where = {"host": str(self.server.socket), "user": "root", "database": self.database}
        if "s3" not in settings:
            where["directory"] = str(self.folder)
        return where | settings

    def backups(self, **settings: Any) -> Backups:
        return mariadb(MariadbBackupSettings.model_validate(self.settings(**settings)))

    def run(self, *statements: str) -> None:
        self.server.run(*statements, database=self.database)

    def rows(self, table: str, database: str | None = None) -> int:
        with self.server.connect(database or self.database) as connection, connection.cursor() as cursor:
            return int(cursor.execute(f"SELECT * FROM {table}"))  # noqa: S608 - a table of the test's

    def fill(self, rows: int) -> None:
        noise = ", ".join(f"md5(seq * 4 + {k})" for k in range(4))
        self.run(
            "TRUNCATE orders",
            f"INSERT INTO orders SELECT seq, seq % 40 + 1, concat({noise}) FROM seq_1_to_{rows}",  # noqa: S608 - a number
        )

    @contextlib.contextmanager
    def locked(self, table: str) -> Iterator[None]:
        with self.server.connect(self.database) as connection, connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLES {table} WRITE")
            self._locking = cursor
            yield
            self.unlock()

    def unlock(self) -> None:
        self._locking.execute("UNLOCK TABLES")

    def databases(self) -> set[str]:
        with self.server.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SHOW DATABASES")
            return {row[0] for row in cursor.fetchall()} - {"kaeru_restores"}

    def protect(self, user: str) -> None:
        with self.server.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE USER IF NOT EXISTS {user}@localhost IDENTIFIED BY %s", (PASSWORD,))
            cursor.execute(
                f"GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES ON {self.database}.* TO {user}@localhost"
            )


async def end(generator: AsyncGenerator[BackupProgress | T, None]) -> T:
    """The result, once it is there."""
    return (await progress_and_end(generator))[1]


async def progress_and_end(
    generator: AsyncGenerator[BackupProgress | T, None], seen: list[BackupProgress] | None = None
) -> tuple[list[BackupProgress], T]:
    """All progress, which `seen` gets as well, and the result."""
    seen = [] if seen is None else seen
    async with contextlib.aclosing(generator):
        async for item in generator:
            if not isinstance(item, BackupProgress):
                return seen, item
            seen.append(item)
    raise AssertionError("it ended without a result")


@contextlib.asynccontextmanager
async def under_way(generator: AsyncGenerator[BackupProgress | T, None]) -> AsyncIterator[asyncio.Task[T]]:
    """While it is under way; ended afterwards."""
    task = asyncio.ensure_future(end(generator))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def started(world: World, settings: dict[str, Any], *arguments: str) -> asyncio.subprocess.Process:
    """A process that does something with backups; it says on stdout how far it is."""
    argv = [sys.executable, "-m", "tests.contract.backup_child", world.kind, *arguments]
    child = await asyncio.create_subprocess_exec(
        *argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdin is not None
    child.stdin.write(json.dumps(settings).encode())
    child.stdin.close()
    return child


def programs(name: str, of: int | None = None) -> list[psutil.Process]:
    """The dumping processes of this name that were started by us, not those that are asked for their version."""
    found = []
    for process in psutil.Process(of).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.name() == name and "--version" not in process.cmdline():
                found.append(process)
    return found


async def eventually(look: Callable[[], T], *, within_s: float = WAIT_S) -> T:
    """What `look` gives once it is true."""
    deadline = time.monotonic() + within_s
    while True:
        if found := look():
            return found
        assert time.monotonic() < deadline, f"it did not come true within {within_s:g} s"
        await asyncio.sleep(0.02)


def files(folder: Path) -> list[str]:
    """The names of all files below, sorted."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file())
