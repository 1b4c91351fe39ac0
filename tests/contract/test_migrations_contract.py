"""Real tools run real migrations on a real PostgreSQL, and what kaeru said of each is held against what happened."""

import os
import subprocess
from pathlib import Path

import psycopg
import pymysql
import pytest
from pydantic import SecretStr

from bot.domain.migrations import Effect, Found, Migration, Standing, Tool
from bot.domain.ways_back import Situation, Way, decide
from integrations.git import GitChanges, GitSettings
from integrations.migrations.settings import MigrationsSettings
from integrations.migrations.source import VersionMigrations
from integrations.migrations.sql_names import Dialect
from tests.contract.migrations_runners import rails_there, runner
from tests.contract.migrations_worlds import (
    ALEMBIC,
    ALEMBIC_ON_MARIADB,
    DJANGO,
    GOLANG_MIGRATE,
    OLD_CODE,
    RAILS,
    ROWS,
    Tale,
)
from tests.databases import Mariadb, mariadb
from tests.postgres import postgres, postgres_url

__all__ = ["mariadb", "postgres", "postgres_url"]

TALES = {Tool.ALEMBIC: ALEMBIC, Tool.DJANGO: DJANGO, Tool.GOLANG_MIGRATE: GOLANG_MIGRATE, Tool.RAILS: RAILS}
WITHOUT_WAY_BACK = {
    Tool.ALEMBIC: {"r3", "r9"},  # a downgrade of nothing, and one that raises
    Tool.DJANGO: set[str](),  # every one says how, if only as a noop
    Tool.GOLANG_MIGRATE: {"5", "9"},  # no down file
    Tool.RAILS: {"20250101000003", "20250101000006", "20250101000009"},  # an empty down, Ruby that is not read, no down
}  # fmt: skip


class Repository:
    """A clone with the tags 1.0.0 and 2.0.0."""

    def __init__(self, folder: Path, tale: Tale) -> None:
        self.folder = folder
        folder.mkdir()
        self._git("init", "--quiet", "--initial-branch=main")
        for version, files in (("1.0.0", tale.older), ("2.0.0", tale.newer)):
            for path, text in files.items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(text)
            self._git("add", ".")
            self._git("commit", "--quiet", "--message", version)
            self._git("tag", version)

    def _git(self, *arguments: str) -> None:
        who = ["-c", "user.name=Carol", "-c", "user.email=carol@example.com", "-c", "commit.gpgSign=false"]
        subprocess.run(["git", *who, *arguments], cwd=self.folder, check=True, capture_output=True)

    def migrations(self, url: str, dialect: Dialect = "postgres") -> VersionMigrations:
        settings = MigrationsSettings(database_url=SecretStr(url), dialect=dialect)
        return VersionMigrations(settings, GitChanges(GitSettings(repository=self.folder)))


@pytest.fixture(params=list(TALES), ids=str)
def tool(request: pytest.FixtureRequest) -> Tool:
    chosen: Tool = request.param
    if chosen is Tool.RAILS and not rails_there():
        reason = (
            "ActiveRecord is not installed (Debian and Ubuntu: apt-get install ruby-activerecord ruby-pg)"
        )
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return chosen


def failing(url: str, then: str | None) -> set[str]:
    """The statements of the older code that fail, after the newer code has written what it writes."""
    failed = set()
    with psycopg.connect(url) as connection, connection.transaction(force_rollback=True):
        if then is not None:
            connection.execute(then.encode())
        for number, old in enumerate(OLD_CODE):
            try:
                with connection.transaction():
                    connection.execute(old.encode())
                    connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
            except psycopg.Error:
                failed.add(f"{number}: {old}")
    return failed


async def test_no_migration_that_breaks_older_code_is_called_safe(
    tool: Tool, tmp_path: Path, postgres_url: str
) -> None:
    tale = TALES[tool]
    repository = Repository(tmp_path / "repo", tale)
    migrations = repository.migrations(postgres_url)
    found = await migrations.between("1.0.0", "2.0.0")
    assert (found.known, found.note, found.tools, found.notes) == (True, "", (tool,), ())
    assert {one.id: str(one.effect) for one in found.migrations} == tale.expected
    assert {one.id for one in found.migrations if not one.undo.exists} == WITHOUT_WAY_BACK[tool]

    before_any = await migrations.applied(found)
    assert not before_any.known
    assert "has no table" in before_any.note

    with runner(tool, repository.folder, postgres_url) as real:
        for one in found.older.ids:
            real.up(one)
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            for row in ROWS:
                connection.execute(row.encode())
        assert failing(postgres_url, None) == set()
        state = await migrations.applied(found)
        assert (state.known, state.missing, state.strangers, state.dirty) == (True, (), (), ())
        assert decide(found, state).situation is Situation.NOT_APPLIED

        broken: dict[str, set[str]] = {}
        known: set[str] = set()
        for place, migration in enumerate(found.migrations):
            real.up(migration.id)
            failed = failing(postgres_url, tale.then.get(migration.id))
            broken[migration.id] = failed - known
            # What the newer code wrote for one migration is gone with its transaction.
            known = failing(postgres_url, None)
            await _is_read_back(migrations, found, place)

    for migration in found.migrations:
        _was_judged_right(migration, broken[migration.id])
    assert sum(bool(failed) for failed in broken.values()) >= 5, broken
    verdict = decide(found, await migrations.applied(found))
    assert (verdict.decision, verdict.second_person) == (True, True)
    assert Way.DOWN_MIGRATION not in verdict.allowed or tool is Tool.DJANGO


def _was_judged_right(migration: Migration, broke: set[str]) -> None:
    if broke:
        assert migration.effect.demands_decision, (migration.id, migration.does, broke)
    elif migration.effect is Effect.CONTRACT:
        pytest.fail(f"{migration.id} was called contract and broke nothing: {migration.does}")


async def _is_read_back(migrations: VersionMigrations, found: Found, place: int) -> None:
    """The database's own list is read as it is: applied up to here, and not beyond."""
    state = await migrations.applied(found)
    assert state.known
    for number, migration in enumerate(found.migrations):
        expected = Standing.APPLIED if number <= place else Standing.NOT_APPLIED
        assert state.standing(migration.id) is expected


async def test_no_revision_that_breaks_older_code_on_mariadb_is_called_safe(
    tmp_path: Path, mariadb: Mariadb
) -> None:
    tale = ALEMBIC_ON_MARIADB
    database = mariadb.create_database()
    url = f"mysql://root@127.0.0.1:{mariadb.port}/{database}?unix_socket={mariadb.socket}"
    repository = Repository(tmp_path / "repo", tale)
    migrations = repository.migrations(url, "mysql")
    found = await migrations.between("1.0.0", "2.0.0")
    assert {one.id: str(one.effect) for one in found.migrations} == tale.expected
    with runner(Tool.ALEMBIC, repository.folder, url) as real:
        real.up("r1")
        mariadb.run(*ROWS, database=database)
        known = failing_on_mariadb(mariadb, database, None)
        assert known == set()
        for place, migration in enumerate(found.migrations):
            real.up(migration.id)
            failed = failing_on_mariadb(mariadb, database, tale.then.get(migration.id))
            _was_judged_right(migration, failed - known)
            known = failing_on_mariadb(mariadb, database, None)
            await _is_read_back(migrations, found, place)


def failing_on_mariadb(server: Mariadb, database: str, then: str | None) -> set[str]:
    failed = set()
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("START TRANSACTION")
        if then is not None:
            cursor.execute(then)
        for number, old in enumerate(OLD_CODE):
            try:
                cursor.execute(old)
            except pymysql.MySQLError:
                failed.add(f"{number}: {old}")
        connection.rollback()
    return failed
