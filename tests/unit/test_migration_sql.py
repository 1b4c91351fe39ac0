"""Every statement of the corpus, classified. What each really does is measured in the contract tests."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.migrations import Effect, worst
from integrations.migrations.sql import LARGEST, classify

CORPUS = Path(__file__).parents[1] / "corpus" / "sql_statements.yml"
STATEMENTS: list[dict[str, Any]] = yaml.safe_load(CORPUS.read_text())["statements"]


def effect_of(sql: str, dialect: Any = "postgres") -> Effect:
    return worst(step.effect for step in classify(sql, dialect))


def measured(wrong: Callable[[dict[str, Any], Effect], bool]) -> list[str]:
    return [
        f"{one['dialect']}: {one['sql']}"
        for one in STATEMENTS
        if wrong(one, effect_of(one["sql"], one["dialect"]))
    ]


def test_the_corpus_is_large_and_holds_both_dialects_and_every_class() -> None:
    assert len(STATEMENTS) >= 160
    for dialect in ("postgres", "mysql"):
        of_it = [one for one in STATEMENTS if one["dialect"] == dialect]
        assert len(of_it) >= 80
        assert {one["class"] for one in of_it} == set(Effect)
    assert len({(one["dialect"], one["sql"]) for one in STATEMENTS}) == len(STATEMENTS)


def test_nothing_dangerous_is_called_safe() -> None:
    assert measured(lambda one, got: not one["harmless"] and not got.demands_decision) == []


def test_nothing_is_called_less_dangerous_than_it_is() -> None:
    assert measured(lambda one, got: got.danger < Effect(one["class"]).danger) == []


def test_little_that_is_harmless_is_called_dangerous() -> None:
    called = measured(lambda one, got: one["harmless"] and got.demands_decision)
    harmless = sum(one["harmless"] for one in STATEMENTS)
    assert len(called) <= harmless * 0.10, "\n".join(called)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("CREATE TABLE a (i int); CREATE UNIQUE INDEX x ON a (i); ALTER TABLE a DROP COLUMN i", Effect.EXPAND),
        ("CREATE TABLE IF NOT EXISTS a (i int); ALTER TABLE a DROP COLUMN i", Effect.CONTRACT),
        ("CREATE TABLE a (i int); SET search_path TO other; ALTER TABLE a DROP COLUMN i", Effect.CONTRACT),
        ("CREATE TABLE a (i int); DROP TABLE a; DROP TABLE a", Effect.CONTRACT),
        ('CREATE TABLE "Users" (i int); ALTER TABLE users DROP COLUMN i', Effect.CONTRACT),
        ('CREATE TABLE Users (i int); ALTER TABLE "users" DROP COLUMN i', Effect.EXPAND),
        ("CREATE TABLE a (i int); ALTER TABLE a ADD FOREIGN KEY (i) REFERENCES users (id)", Effect.CONTRACT),
        ("CREATE TYPE m AS ENUM ('a'); ALTER TABLE users ADD COLUMN m m NOT NULL DEFAULT 'a'", Effect.EXPAND),
        ("ALTER TABLE users ADD COLUMN a int; UPDATE users SET a = 1", Effect.DATA),
        ("ALTER TABLE users ADD COLUMN a int; DO $$ BEGIN; END $$; SELECT 1", Effect.UNKNOWN),
        ("SELECT 1; \\i other.sql\n", Effect.UNKNOWN),
        ("COPY users FROM stdin;\n1\tx\n\\.\n", Effect.UNKNOWN),
        ("VACUUM users -- ;\nDROP TABLE users", Effect.UNKNOWN),
        ("CREATE TABLE x AS WITH gone AS (DELETE FROM users RETURNING id) SELECT id FROM gone", Effect.UNKNOWN),
        ("CREATE TABLE x AS EXECUTE prepared", Effect.UNKNOWN),
        ("SELECT 1 WHERE EXISTS (SELECT drop_everything())", Effect.UNKNOWN),
        ("SET standard_conforming_strings = off; SELECT 1", Effect.UNKNOWN),
        ("-- nothing at all", Effect.EXPAND),
        ("(" * 5000, Effect.UNKNOWN),
        ("SELECT 1;" + " " * LARGEST, Effect.UNKNOWN),
    ],
)  # fmt: skip
def test_several_statements_are_as_dangerous_as_the_worst(sql: str, expected: Effect) -> None:
    assert effect_of(sql) is expected


CASCADES = "CREATE TABLE a (id int PRIMARY KEY, u int REFERENCES users ON DELETE CASCADE);"
EMPTIES = "CREATE TABLE a (id int PRIMARY KEY, u int UNIQUE REFERENCES users ON DELETE SET NULL);"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (CASCADES + "CREATE TABLE b (a int REFERENCES a)", Effect.CONTRACT),
        (CASCADES + "CREATE TABLE b (a int REFERENCES a ON DELETE CASCADE)", Effect.EXPAND),
        (CASCADES + "CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a ON DELETE CASCADE);"
         "CREATE TABLE c (b int, FOREIGN KEY (b) REFERENCES b)", Effect.CONTRACT),
        (CASCADES + "CREATE TABLE b (a int); ALTER TABLE b ADD FOREIGN KEY (a) REFERENCES a (id)", Effect.CONTRACT),
        (("CREATE TABLE a (id int PRIMARY KEY, u int); CREATE TABLE b (a int REFERENCES a);"
         "ALTER TABLE a ADD FOREIGN KEY (u) REFERENCES users ON DELETE CASCADE"), Effect.CONTRACT),
        ("CREATE TABLE a (id int PRIMARY KEY, up int REFERENCES a)", Effect.EXPAND),
        ("CREATE TABLE a (id int PRIMARY KEY, up int REFERENCES a, u int REFERENCES users ON DELETE CASCADE)", Effect.CONTRACT),
        (EMPTIES + "CREATE TABLE b (a int REFERENCES a)", Effect.EXPAND),
        (EMPTIES + "CREATE TABLE b (a int REFERENCES a (u))", Effect.CONTRACT),
        (EMPTIES + "ALTER TABLE a ALTER u SET NOT NULL", Effect.CONTRACT),
        (EMPTIES + "ALTER TABLE a ADD CONSTRAINT c CHECK (u > 0)", Effect.CONTRACT),
        (EMPTIES + "ALTER TABLE a ALTER u DROP NOT NULL", Effect.EXPAND),
        (EMPTIES + "DROP TABLE a; CREATE TABLE a (u int NOT NULL)", Effect.EXPAND),
        ("CREATE TABLE a (u int NOT NULL REFERENCES users ON DELETE SET NULL)", Effect.CONTRACT),
        ("CREATE TABLE a (u int REFERENCES users ON DELETE SET NULL, PRIMARY KEY (u))", Effect.CONTRACT),
        ("CREATE TABLE a (u int REFERENCES users ON DELETE SET NULL CHECK (u IS NOT NULL))", Effect.CONTRACT),
        ("CREATE TABLE a (u int DEFAULT 7 REFERENCES users ON DELETE SET DEFAULT)", Effect.CONTRACT),
        ("CREATE TABLE a (u int NOT NULL); ALTER TABLE a ADD FOREIGN KEY (u) REFERENCES users ON DELETE SET NULL", Effect.CONTRACT),
        ("ALTER TABLE users ADD COLUMN o serial REFERENCES orgs ON DELETE SET NULL", Effect.CONTRACT),
    ],
)  # fmt: skip
def test_what_keeps_older_code_from_deleting_is_seen_through_several_tables(
    sql: str, expected: Effect
) -> None:
    assert effect_of(sql) is expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("INSERT INTO users (name) VALUES ('x')", Effect.DATA),
        ("INSERT INTO users (id, name) VALUES (DEFAULT, 'x')", Effect.DATA),
        ("INSERT INTO users (id, name) VALUES ('6fd0a1c4-0000-4000-8000-000000000000', 'x')", Effect.DATA),
        ("INSERT INTO users DEFAULT VALUES", Effect.DATA),
        ("CREATE TABLE a (id serial PRIMARY KEY); INSERT INTO a (id) VALUES (1)", Effect.DATA),
        ("INSERT INTO users (id, name) VALUES (7, 'x')", Effect.UNKNOWN),
        ("INSERT INTO users (id, name) VALUES ('7', 'x')", Effect.UNKNOWN),
        ("INSERT INTO users (name, id) SELECT name, id FROM others", Effect.UNKNOWN),
        ("INSERT INTO users VALUES (7, 'x')", Effect.UNKNOWN),
        ("DELETE FROM users WHERE age > 3", Effect.DATA),
        ("DELETE FROM users WHERE 1 = 1 AND age > 3", Effect.DATA),
        ("DELETE FROM users WHERE age IS NOT NULL", Effect.DATA),
        ("DELETE FROM users WHERE EXISTS (SELECT 1 FROM others)", Effect.DATA),
        ("DELETE FROM users WHERE id IS NULL", Effect.DATA),
        ("DELETE FROM users WHERE 1 = 1", Effect.CONTRACT),
        ("DELETE FROM users WHERE id IS NOT NULL", Effect.CONTRACT),
        ("DELETE FROM users WHERE NOT id IS NULL", Effect.CONTRACT),
        ("DELETE FROM users WHERE (age = age OR age > 3)", Effect.CONTRACT),
    ],
)
def test_changed_rows_that_older_code_may_stumble_over_demand_a_decision(sql: str, expected: Effect) -> None:
    assert effect_of(sql) is expected


def test_mariadb_counts_on_after_a_number_that_was_given() -> None:
    assert effect_of("INSERT INTO users (id, name) VALUES (7, 'x')", "mysql") is Effect.DATA


@pytest.mark.parametrize(
    "sql",
    [
        "DELIMITER //\nCREATE PROCEDURE p() BEGIN SELECT 1; END//\nDELIMITER ;",
        "GRANT ALL ON shop.* TO 'app'@'%' IDENTIFIED BY 'new'",
        "ALTER TABLE t ADD (a int), DROP COLUMN b",
        "SET sql_mode = 'NO_BACKSLASH_ESCAPES'",
        "SELECT 'a' /*! INTO OUTFILE '/tmp/x' */",
    ],
)
def test_what_mysql_hides_is_not_overlooked(sql: str) -> None:
    assert effect_of(sql, "mysql") is Effect.UNKNOWN


def test_mysql_reads_two_dashes_without_a_space_as_arithmetic() -> None:
    assert effect_of("SELECT 1 --1; DROP TABLE t", "mysql") is Effect.CONTRACT
    assert effect_of("SELECT 1 --1; DROP TABLE t", "postgres") is Effect.EXPAND


def test_what_is_destroyed_is_named_and_no_value_ever_is() -> None:
    steps = classify(
        "ALTER TABLE users DROP COLUMN age; UPDATE users SET name = 'geheim' WHERE name = 'secret';"
        "INSERT INTO users (name) VALUES ('geheim'); ALTER TYPE mood ADD VALUE 'geheim';"
        "COMMENT ON TABLE users IS 'geheim'; ALTER TABLE users ADD COLUMN a text DEFAULT 'geheim'; CALL geheim('geheim')",
        "postgres",
    )  # fmt: skip
    assert steps[0].loses == "the values of users.age"
    assert steps[1].does == "changes rows of users"
    assert "geheim" not in " ".join(step.does + step.loses for step in steps)


LINES = st.sampled_from([one["sql"] for one in STATEMENTS if one["dialect"] == "postgres"])


@given(st.lists(LINES, min_size=2, max_size=4))
def test_a_statement_does_not_become_safer_beside_others(statements: list[str]) -> None:
    """Unless an earlier one made what a later one is about, which no statement of the corpus does to the shop's tables."""
    together = effect_of(";\n".join(statements))
    assert together.danger >= max(effect_of(one).danger for one in statements)


@given(st.text(max_size=60))
def test_any_text_has_an_effect(text: str) -> None:
    for dialect in ("postgres", "mysql"):
        assert effect_of(text, dialect) in set(Effect)
