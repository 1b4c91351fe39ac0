"""The tools themselves, each running one migration at a time on a real PostgreSQL."""

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

import psycopg
from alembic import command
from alembic.config import Config

HERE = Path(__file__).parent
_ENV = """
from alembic import context
from sqlalchemy import create_engine, pool

engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


class Runner(Protocol):
    def up(self, migration: str) -> None: ...


class Alembic:
    def __init__(self, folder: Path, url: str) -> None:
        home = folder / "app" / "alembic"
        (home / "env.py").write_text(_ENV)
        self._config = Config()
        self._config.set_main_option("script_location", str(home))
        self._config.set_main_option("path_separator", "os")
        self._config.set_main_option(
            "sqlalchemy.url",
            url.replace("postgresql://", "postgresql+psycopg://").replace("mysql://", "mysql+pymysql://"),
        )

    def up(self, migration: str) -> None:
        command.upgrade(self._config, migration)


class Child:
    """A tool in a process of its own, which answers every line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def up(self, migration: str) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{migration}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer == "done\n", (migration, answer)


@contextlib.contextmanager
def child(argv: list[str]) -> Iterator[Child]:
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Child(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=30)


class GolangMigrate:
    """What golang-migrate is documented to do: mark the version dirty, run the file, mark it clean."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder, self._url = folder, url
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)"
            )

    def up(self, migration: str) -> None:
        (path,) = self._folder.glob(f"**/{int(migration):06d}_*.up.sql")
        with psycopg.connect(self._url, autocommit=True) as connection:
            self._mark(connection, migration, dirty=True)
            connection.execute(path.read_bytes())
            self._mark(connection, migration, dirty=False)

    def _mark(self, connection: psycopg.Connection, migration: str, *, dirty: bool) -> None:
        with connection.transaction():
            connection.execute("TRUNCATE schema_migrations")
            connection.execute("INSERT INTO schema_migrations VALUES (%s, %s)", (int(migration), dirty))


@contextlib.contextmanager
def runner(tool: str, folder: Path, url: str) -> Iterator[Runner]:
    parts = urlsplit(url)
    if tool == "alembic":
        yield Alembic(folder, url)
    elif tool == "golang-migrate":
        yield GolangMigrate(folder, url)
    elif tool == "django":
        with child([sys.executable, str(HERE / "migrations_django.py"), str(folder), url]) as django:
            yield django
    else:
        host, database = parse_qs(parts.query)["host"][0], parts.path.lstrip("/")
        argv = ["ruby", str(HERE / "migrations_rails.rb"), str(folder / "db" / "migrate"), host, database]
        with child(argv) as rails:
            yield rails


def rails_there() -> bool:
    if shutil.which("ruby") is None:
        return False
    asked = subprocess.run(
        ["ruby", "-e", 'require "active_record"; require "pg"'], check=False, capture_output=True
    )
    return asked.returncode == 0
