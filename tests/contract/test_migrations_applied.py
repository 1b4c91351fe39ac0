"""The tools' own lists, read from a real PostgreSQL and a real MariaDB, and what goes wrong at it."""

from collections.abc import Callable

import psycopg
import pytest
from pydantic import SecretStr

from bot.domain.migrations import AppliedList, Found, History, Listing, Standing, Tool, compare
from bot.ports.errors import AuthFailed, PortError, Refused, Unavailable
from integrations.migrations.applied import applied_list
from integrations.migrations.rows import MysqlRows, NoTable, PostgresRows, Rows
from integrations.migrations.settings import MigrationsSettings
from integrations.migrations.source import VersionMigrations
from integrations.migrations.sql_names import Dialect
from tests.databases import Mariadb, mariadb
from tests.postgres import Server, postgres, postgres_url

__all__ = ["mariadb", "postgres", "postgres_url"]

FLYWAY = (
    """CREATE TABLE flyway_schema_history (
        installed_rank int PRIMARY KEY, version varchar(50), description varchar(200), type varchar(20), success boolean)""",
    """INSERT INTO flyway_schema_history VALUES (1, '2', 'base', 'BASELINE', true), (2, '3', 'c', 'SQL', true),
        (3, '4', 'd', 'SQL', true), (4, '4', 'd', 'UNDO_SQL', true), (5, NULL, 'view', 'SQL', true),
        (6, '5', 'e', 'SQL', false)""",
)
LIQUIBASE = (
    "CREATE TABLE {name} (id varchar(255), author varchar(255), filename varchar(255), orderexecuted int)",
    "INSERT INTO {name} VALUES ('1', 'alice', 'classpath:db/changelog.xml', 1), ('9', 'bob', 'other.xml', 2)",
)
RAILS = (
    "CREATE TABLE schema_migrations (version varchar(255) PRIMARY KEY)",
    "INSERT INTO schema_migrations VALUES ('20150101000000'), ('20250101000001'), ('20250101000003')",
)
GOLANG = (
    "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL)",
    "INSERT INTO schema_migrations VALUES (2, true)",
)


def versions(*ids: str) -> Found:
    return Found(known=True, older=History(ids=ids[:1]), newer=History(ids=ids))


class World:
    """One database, and how it is asked."""

    def __init__(self, dialect: Dialect, rows: Rows, run: Callable[[str], None]) -> None:
        self.dialect, self.rows, self.run = dialect, rows, run

    async def list(self, tool: Tool, found: Found, *statements: str, table: str | None = None) -> AppliedList:
        for statement in statements:
            self.run(statement)
        return await applied_list(self.rows, tool, found, dialect=self.dialect, table=table)


@pytest.fixture(params=["postgres", "mysql"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "postgres":
        url: str = request.getfixturevalue("postgres_url")

        def run(statement: str) -> None:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(statement.encode())

        return World("postgres", PostgresRows(SecretStr(url), 10), run)
    server: Mariadb = request.getfixturevalue("mariadb")
    database = server.create_database()
    url = mysql_url(server, database)
    return World(
        "mysql", MysqlRows(SecretStr(url), 10), lambda statement: server.run(statement, database=database)
    )


def mysql_url(server: Mariadb, database: str, user: str = "root", password: str = "") -> str:
    return f"mysql://{user}:{password}@127.0.0.1:{server.port}/{database}?unix_socket={server.socket}"


async def test_flyway_counts_the_last_word_on_each_version(world: World) -> None:
    found = versions("1", "2", "3", "4", "5", "R view")
    read = await world.list(Tool.FLYWAY, found, *FLYWAY)
    assert (read.known, read.listing, set(read.ids), read.dirty) == (
        True,
        Listing.EACH,
        {"1", "2", "3", "R view"},
        ("5",),
    )
    state = compare(found.older, found.newer, read)
    assert [state.standing(one) for one in ("3", "4")] == [Standing.APPLIED, Standing.NOT_APPLIED]


async def test_liquibase_finds_its_changelog_in_the_repository(world: World) -> None:
    name = "databasechangelog" if world.dialect == "postgres" else "DATABASECHANGELOG"
    found = versions(
        "src/main/resources/db/changelog.xml::1::alice", "src/main/resources/db/changelog.xml::2::alice"
    )
    read = await world.list(Tool.LIQUIBASE, found, *(one.format(name=name) for one in LIQUIBASE))
    assert read.ids == (found.older.ids[0], "other.xml::9::bob")
    assert compare(found.older, found.newer, read).strangers == ("other.xml::9::bob",)


async def test_rails_forgets_files_that_were_tidied_away(world: World) -> None:
    found = versions("20250101000001", "20250101000002")
    read = await world.list(Tool.RAILS, found, *RAILS)
    assert compare(found.older, found.newer, read).strangers == ("20250101000003",)


async def test_golang_migrate_may_have_stopped_half_way(world: World) -> None:
    found = versions("1", "2", "3")
    read = await world.list(Tool.GOLANG_MIGRATE, found, *GOLANG)
    assert (read.listing, read.ids, read.dirty) == (Listing.LATEST, ("2",), ("2",))


async def test_a_table_of_another_name_is_read(world: World) -> None:
    read = await world.list(
        Tool.ALEMBIC,
        versions("a", "b"),
        "CREATE TABLE schema_state (version_num varchar(32))",
        "INSERT INTO schema_state VALUES ('b')",
        table="schema_state",
    )
    assert (read.listing, read.ids) == (Listing.HEADS, ("b",))


async def test_a_missing_table_is_an_answer(world: World) -> None:
    read = await world.list(Tool.DJANGO, versions("shop.0001_a"))
    assert not read.known
    assert "no table django_migrations" in read.note
    with pytest.raises(NoTable):
        await world.rows.rows("SELECT 1 FROM nowhere")


async def test_django_leaves_out_the_apps_of_others(world: World) -> None:
    read = await world.list(
        Tool.DJANGO,
        versions("shop.0001_a", "shop.0002_b"),
        "CREATE TABLE django_migrations (id int, app varchar(255), name varchar(255))",
        "INSERT INTO django_migrations VALUES (1, 'auth', '0001_initial'), (2, 'shop', '0001_a')",
    )
    assert read.ids == ("shop.0001_a",)


async def test_nothing_can_be_written(world: World) -> None:
    world.run("CREATE TABLE kept (i int)")
    with pytest.raises(Refused):
        await world.rows.rows("INSERT INTO kept VALUES (1)")
    assert await world.rows.rows("SELECT count(*) FROM kept") == [(0,)]


async def test_a_slow_answer_is_given_up(postgres_url: str, mariadb: Mariadb) -> None:
    for rows, sql in (
        (PostgresRows(SecretStr(postgres_url), 1.5), "SELECT pg_sleep(60)"),
        (MysqlRows(SecretStr(mysql_url(mariadb, "mysql")), 1.5), "SELECT sleep(60)"),
    ):
        with pytest.raises(PortError) as caught:
            await rows.rows(sql)
        assert isinstance(caught.value, (Unavailable, Refused))


async def test_rights_that_are_missing_are_named(postgres: Server, mariadb: Mariadb) -> None:
    name = postgres.create_database()
    postgres.run("CREATE ROLE reader LOGIN PASSWORD 'geheim'")
    postgres.run("CREATE TABLE kept (i int)", name)
    mine = postgres.url(name).replace("postgres@", "reader:geheim@")
    database = mariadb.create_database()
    mariadb.run("CREATE TABLE kept (i int)", "CREATE TABLE open (i int)", database=database)
    mariadb.run(
        "CREATE USER reader@localhost IDENTIFIED BY 'geheim'",
        f"GRANT SELECT ON {database}.open TO reader@localhost",
    )
    theirs = mysql_url(mariadb, database, "reader", "geheim")
    for rows in (PostgresRows(SecretStr(mine), 10), MysqlRows(SecretStr(theirs), 10)):
        with pytest.raises(AuthFailed) as caught:
            await rows.rows("SELECT i FROM kept")
        assert caught.value.remedy == "Grant it SELECT on that table."
        assert "geheim" not in caught.value.advice
        assert caught.value.__suppress_context__


async def test_a_wrong_password_and_a_wrong_address_keep_the_secret(mariadb: Mariadb) -> None:
    wrong = MysqlRows(SecretStr(mysql_url(mariadb, "mysql", "root", "geheim")), 10)
    with pytest.raises(AuthFailed) as refused:
        await wrong.rows("SELECT 1")
    nowhere = PostgresRows(SecretStr("postgresql://u:geheim@127.0.0.1:1/x"), 10)
    with pytest.raises(Unavailable) as gone:
        await nowhere.rows("SELECT 1")
    for caught in (refused, gone):
        assert "geheim" not in caught.value.advice
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


async def test_what_cannot_be_read_leaves_every_migration_as_applied() -> None:
    settings = MigrationsSettings(database_url=SecretStr("postgresql://u:geheim@127.0.0.1:1/x"))
    found = versions("a", "b").model_copy(update={"tools": (Tool.ALEMBIC,)})

    class Nothing:
        async def texts(self, version: str, patterns: tuple[str, ...]) -> dict[str, str | None]:
            raise AssertionError(version)

    state = await VersionMigrations(settings, Nothing()).applied(found)
    assert (state.known, state.may_be_applied("b")) == (False, True)
    assert state.note == "The database cannot be reached. Check the address in database_url."
