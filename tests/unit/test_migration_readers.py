"""Tools whose migrations are SQL files or changelogs, and what two versions of them differ in."""

import pytest

from bot.domain.migrations import Change, Effect, Found, Tool
from integrations.migrations.scripts import Reading
from integrations.migrations.settings import MigrationsSettings
from integrations.migrations.source import READERS, VersionMigrations, tool_of


class Nowhere:
    """Sources of versions that nobody asks for."""

    async def texts(self, version: str, patterns: tuple[str, ...]) -> dict[str, str | None]:
        raise AssertionError(version)


def found_between(older: dict[str, str], newer: dict[str, str], tool: str = "auto") -> Found:
    settings = MigrationsSettings.model_validate({"tool": tool})
    return VersionMigrations(settings, Nowhere()).compare(older, newer)


def read(tool: Tool, files: dict[str, str | None]) -> Reading:
    return READERS[tool](files, "postgres")


def classes(found: Found) -> dict[str, str]:
    return {one.id: str(one.effect) for one in found.migrations}


ADD, DROP = "ALTER TABLE users ADD COLUMN a int;", "ALTER TABLE users DROP COLUMN a;"


def test_flyway_goes_by_version_and_not_by_name() -> None:
    older = {
        "db/V1__a.sql": "SELECT 1;",
        "db/V1_9__b.sql": "SELECT 1;",
        "db/R__view.sql": "CREATE VIEW v AS SELECT 1;",
    }
    newer = {
        **older,
        "db/V1.10__c.sql": ADD,
        "db/U1.10__c.sql": DROP,
        "db/V2__d.java": "class V2__d {}",
        "db/V3__e.sql": "CREATE TABLE ${name} (i int);",
        "db/R__view.sql": "CREATE OR REPLACE VIEW v AS SELECT 2;",
    }
    found = found_between(older, newer)
    assert found.tools == (Tool.FLYWAY,)
    assert found.newer.ids == ("1", "1.9", "1.10", "2", "3", "R view")
    assert classes(found) == {"1.10": "expand", "2": "unknown", "3": "unknown", "R view": "contract"}
    undo = found.migrations[0].undo
    assert (undo.exists, undo.loses) == (True, ("the values of users.a",))
    assert not any(one.undo.exists for one in found.migrations[1:])


def test_golang_migrate_pairs_up_and_down() -> None:
    found = found_between(
        {}, {"m/2_b.up.sql": DROP, "m/2_b.down.sql": ADD, "m/10_c.up.sql": ADD, "m/1_a.up.sql": ADD}
    )
    assert [one.id for one in found.migrations] == ["1", "2", "10"]
    dropped = found.migrations[1]
    assert dropped.effect is Effect.CONTRACT
    # The column comes back with the way down; what was in it does not.
    assert dropped.undo.loses == ("the values of users.a, gone since the migration ran",)
    assert not dropped.undo.harmless


@pytest.mark.parametrize("marks", [("-- +goose Up", "-- +goose Down"), ("-- migrate:up", "-- migrate:down"),
                                   ("-- +migrate Up", "-- +migrate Down")])  # fmt: skip
def test_plain_files_may_hold_both_ways(marks: tuple[str, str]) -> None:
    found = found_between({}, {"db/migrations/1.sql": f"{marks[0]}\n{ADD}\n{marks[1]}\n{DROP}\n"})
    (only,) = found.migrations
    assert (only.tool, only.effect, only.undo.exists) == (Tool.SQL, Effect.EXPAND, True)
    # What stands before the first mark is not overlooked.
    before = found_between({}, {"db/migrations/1.sql": f"{DROP}\n{marks[0]}\n{ADD}\n"})
    assert before.migrations[0].effect is Effect.CONTRACT


def test_plain_files_go_by_their_numbers() -> None:
    found = found_between({}, {"sql/10_b.sql": ADD, "sql/9_a.sql": ADD, "sql/9_a.down.sql": DROP})
    assert [(one.id, one.undo.exists) for one in found.migrations] == [("sql/9_a", True), ("sql/10_b", False)]


def test_what_was_changed_or_deleted_is_unknown() -> None:
    older = {"db/V1__a.sql": ADD, "db/V2__b.sql": ADD}
    found = found_between(older, {"db/V1__a.sql": ADD + " -- mended"})
    assert [(one.id, one.effect, one.change) for one in found.migrations] == [
        ("2", Effect.UNKNOWN, Change.DELETED),
        ("1", Effect.UNKNOWN, Change.CHANGED),
    ]
    assert not any(one.undo.exists for one in found.migrations)


def test_late_and_double_numbers_are_told() -> None:
    older = {"db/V1__a.sql": ADD, "db/V3__c.sql": ADD}
    late = found_between(older, {**older, "db/V2__b.sql": ADD})
    assert late.notes[0].startswith("2 comes before 3, which the older version has already")
    double = found_between(older, {**older, "db/V3__other.sql": DROP})
    assert double.notes == ("db/V3__c.sql and db/V3__other.sql are both 3.",)


def test_a_changed_sql_file_that_is_no_migration_is_not_overlooked() -> None:
    older = {"db/V1__a.sql": ADD, "db/afterMigrate.sql": "SELECT 1;"}
    found = found_between(older, {**older, "db/afterMigrate.sql": DROP})
    assert classes(found) == {"db/afterMigrate.sql": "unknown"}
    assert found_between(older, older).migrations == ()


@pytest.mark.parametrize("tool", [Tool.FLYWAY, Tool.GOLANG_MIGRATE, Tool.SQL, Tool.LIQUIBASE, Tool.ALEMBIC,
                                  Tool.DJANGO, Tool.RAILS])  # fmt: skip
def test_what_cannot_be_read_is_unknown(tool: Tool) -> None:
    names = {Tool.FLYWAY: "V1__a.sql", Tool.GOLANG_MIGRATE: "1_a.up.sql", Tool.SQL: "1.sql", Tool.LIQUIBASE: "1.xml",
             Tool.ALEMBIC: "1.py", Tool.DJANGO: "shop/migrations/0001_a.py", Tool.RAILS: "1_a.rb"}  # fmt: skip
    (script,) = read(tool, {names[tool]: None}).scripts
    assert script.steps[0].effect is Effect.UNKNOWN
    assert not script.undo.exists


FORMATTED = """--liquibase formatted sql

--changeset alice:1
ALTER TABLE users ADD COLUMN a int;
--rollback ALTER TABLE users DROP COLUMN a;

--changeset bob:2 splitStatements:false
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
--changeset bob:3
ALTER TABLE users DROP COLUMN b;
"""
XML = """<?xml version="1.0"?>
<databaseChangeLog xmlns="http://www.liquibase.org/xml/ns/dbchangelog">
  <include file="more/second.yaml"/>
  <changeSet id="1" author="alice">
    <addColumn tableName="users"><column name="a" type="int"/></addColumn>
    <createIndex tableName="users" indexName="i"><column name="a"/></createIndex>
  </changeSet>
  <changeSet id="2" author="alice">
    <addColumn tableName="users"><column name="b" type="int"><constraints nullable="false"/></column></addColumn>
  </changeSet>
  <changeSet id="3" author="alice">
    <sql>UPDATE users SET a = 1 WHERE a IS NULL</sql>
    <rollback/>
  </changeSet>
  <changeSet id="4" author="alice"><customChange class="com.example.X"/></changeSet>
  <changeSet id="5" author="alice">
    <createTable tableName="carts"><column name="user_id" type="int">
      <constraints foreignKeyName="f" references="users(id)"/></column></createTable>
  </changeSet>
</databaseChangeLog>
"""
YAML = """
databaseChangeLog:
  - changeSet:
      id: 6
      author: bob
      changes:
        - dropColumn: {tableName: users, columnName: age}
      rollback:
        - addColumn:
            tableName: users
            columns: [{column: {name: age, type: int}}]
  - changeSet:
      id: 7
      author: bob
      changes:
        - addColumn:
            tableName: users
            columns:
              - column: {name: c, type: int, defaultValueNumeric: 0, constraints: {nullable: false}}
        - sql: {sql: "DO $$ BEGIN END $$"}
"""


def test_liquibase_reads_formatted_sql() -> None:
    found = found_between({}, {"db/changelog/1.sql": FORMATTED})
    assert classes(found) == {
        "db/changelog/1.sql::1::alice": "expand",
        "db/changelog/1.sql::2::bob": "unknown",
        "db/changelog/1.sql::3::bob": "contract",
    }
    assert [one.undo.exists for one in found.migrations] == [True, False, False]


def test_liquibase_reads_documents_in_the_order_of_their_includes() -> None:
    found = found_between({}, {"db/changelog.xml": XML, "db/more/second.yaml": YAML})
    assert [(one.id.partition("::")[2], str(one.effect)) for one in found.migrations] == [
        ("6::bob", "contract"), ("7::bob", "unknown"), ("1::alice", "expand"), ("2::alice", "contract"),
        ("3::alice", "data"), ("4::alice", "unknown"), ("5::alice", "contract"),
    ]  # fmt: skip
    # Liquibase undoes what it knows by itself, what says how, and nothing else.
    assert [one.undo.exists for one in found.migrations] == [True, False, True, True, True, False, True]


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><databaseChangeLog>&b;</databaseChangeLog>',
        '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><databaseChangeLog>&f;</databaseChangeLog>',
        "<databaseChangeLog><changeSet></databaseChangeLog>",
        "<databaseChangeLog><changeSet/></databaseChangeLog>",
        "<databaseChangeLog>" + " " * 600_000 + "</databaseChangeLog>",
    ],
)
def test_xml_that_is_odd_or_hostile_is_not_read(text: str) -> None:
    (script,) = read(Tool.LIQUIBASE, {"changelog.xml": text}).scripts
    assert script.steps[0].effect is Effect.UNKNOWN


@pytest.mark.parametrize(
    ("path", "text", "tool"),
    [
        ("db/V1__a.sql", "", Tool.FLYWAY),
        ("m/1_a.up.sql", "", Tool.GOLANG_MIGRATE),
        ("m/1_a.sql", "", Tool.SQL),
        ("c/changelog.xml", XML, Tool.LIQUIBASE),
        ("c/1.sql", FORMATTED, Tool.LIQUIBASE),
        ("db/migrate/20250101000000_x.rb", "class X < ActiveRecord::Migration[6.1]\nend\n", Tool.RAILS),
        ("shop/migrations/0001_x.py", "class Migration(migrations.Migration): pass", Tool.DJANGO),
        ("alembic/versions/x.py", "revision = 'a'\ndown_revision = None\n", Tool.ALEMBIC),
        ("alembic/env.py", "import alembic", None),
        ("README.md", "", None),
    ],
)
def test_the_tool_shows_in_the_files(path: str, text: str, tool: Tool | None) -> None:
    assert tool_of(path, text) is tool


def test_settings_say_what_does_not_fit_and_keep_the_password() -> None:
    with pytest.raises(ValueError, match="begins with mysql://") as caught:
        MigrationsSettings.model_validate(
            {"dialect": "mysql", "database_url": "postgresql://u:geheim@db.example.com/x"}
        )
    assert "geheim" not in str(caught.value)
    with pytest.raises(ValueError, match="expected the name of a table"):
        MigrationsSettings(table='x"; DROP TABLE users; --')
    assert "geheim" not in repr(
        MigrationsSettings.model_validate({"database_url": "postgresql://u:geheim@h/x"})
    )


def test_places_without_any_migration_are_told() -> None:
    found = found_between({"README.md": ""}, {"README.md": "x"})
    assert (found.known, found.migrations) == (True, ())
    assert found.notes == ("Neither version has a migration in the places that `paths` names.",)


def test_several_tools_are_told() -> None:
    found = found_between(
        {}, {"db/V1__a.sql": ADD, "db/migrate/1_x.rb": "class X < ActiveRecord::Migration[6.1]\nend"}
    )
    assert found.tools == (Tool.RAILS, Tool.FLYWAY)
    assert found.notes == ("Several tools keep migrations here: rails, flyway.",)
    assert sorted(str(one.effect) for one in found.migrations) == ["expand", "unknown"]
