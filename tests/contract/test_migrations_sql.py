"""The corpus of statements on real servers: what its labels say is what PostgreSQL and MariaDB do to older code."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
import yaml

from bot.domain.migrations import worst
from integrations.migrations.sql import classify
from tests.databases import Mariadb, mariadb
from tests.postgres import Server as PostgreSQL
from tests.postgres import postgres

__all__ = ["mariadb", "postgres"]

CORPUS: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[1] / "corpus" / "sql_statements.yml").read_text()
)


def statements(dialect: str) -> Iterator[dict[str, Any]]:
    return (one for one in CORPUS["statements"] if one["dialect"] == dialect and one.get("world") != "no")


def judged(dialect: str, broken: dict[str, list[str]]) -> None:
    """`broken` says for each statement what of the older code no longer ran after it."""
    wrong, counts = [], Counter[str]()
    for one in statements(dialect):
        failed = broken[one["sql"]]
        called = worst(step.effect for step in classify(one["sql"], one["dialect"]))
        counts["broke older code" if failed else "broke nothing"] += 1
        if failed and not called.demands_decision:
            wrong.append(f"called safe, and broke {failed}: {one['sql']}")
        if failed and one["harmless"]:
            wrong.append(f"labelled harmless, and broke {failed}: {one['sql']}")
        if not failed and not one["harmless"] and one.get("label") != "judged":
            wrong.append(f"labelled dangerous, and broke nothing: {one['sql']}")
    assert wrong == []
    # That the older code can break at all, and does not always.
    assert min(counts["broke older code"], counts["broke nothing"]) > 30, counts


class Postgres:
    def __init__(self, server: PostgreSQL) -> None:
        self._server = server
        self._world = CORPUS["worlds"]["postgres"]
        self._base = server.create_database()
        with psycopg.connect(server.url(self._base), autocommit=True) as connection:
            connection.execute(self._world["schema"])

    def after(self, one: dict[str, Any]) -> list[str]:
        """What of the older code fails after the statement."""
        if one.get("alone"):
            name = f"{self._base}_alone"
            self._server.run(f"CREATE DATABASE {name} TEMPLATE {self._base}")
            with psycopg.connect(self._server.url(name), autocommit=True) as connection:
                self._prepare(connection, one)
                connection.execute(one["sql"].encode())
            with psycopg.connect(self._server.url(name)) as connection:
                failed = self._probe(connection, one)
                connection.rollback()
            self._server.run(f"DROP DATABASE {name} WITH (FORCE)")
            return failed
        with psycopg.connect(self._server.url(self._base)) as connection:
            self._prepare(connection, one)
            connection.execute(one["sql"].encode())
            failed = self._probe(connection, one)
            connection.rollback()
            return failed

    def _prepare(self, connection: psycopg.Connection, one: dict[str, Any]) -> None:
        if one.get("world") == "no view":
            connection.execute("DROP VIEW adults; DROP MATERIALIZED VIEW totals")
        if one.get("world") == "empty":
            connection.execute("TRUNCATE orders, users RESTART IDENTITY")

    def _probe(self, connection: psycopg.Connection, one: dict[str, Any]) -> list[str]:
        views = () if one.get("world") == "no view" else ("adults", "totals")
        failed = []
        connection.execute(one.get("then", "SELECT 1").encode())
        for old in self._world["old_code"]:
            if not views and ("adults" in old or "totals" in old):
                continue
            try:
                with connection.transaction():
                    connection.execute(old.encode())
                    connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
                    connection.execute("SET CONSTRAINTS ALL DEFERRED")
            except psycopg.Error:
                failed.append(old)
        return failed


def test_postgresql_does_to_older_code_what_the_labels_say(postgres: PostgreSQL) -> None:
    world = Postgres(postgres)
    try:
        judged("postgres", {one["sql"]: world.after(one) for one in statements("postgres")})
    finally:
        postgres.run("DROP ROLE IF EXISTS reporting")


@pytest.mark.timeout(300)  # a hundred databases, one after the other
def test_mariadb_does_to_older_code_what_the_labels_say(mariadb: Mariadb) -> None:
    shared = _mariadb_world(mariadb)
    broken = {}
    for one in statements("mysql"):
        # Its schema changes cannot be rolled back, so each has a database of its own.
        rows_only = one["class"] == "data" and one.get("world") is None
        broken[one["sql"]] = _after_in_mariadb(mariadb, one, shared if rows_only else _mariadb_world(mariadb))
    judged("mysql", broken)


def _mariadb_world(server: Mariadb) -> str:
    database = server.create_database()
    server.run(*_split(CORPUS["worlds"]["mysql"]["schema"]), database=database)
    return database


def _split(sql: str) -> list[str]:
    return [statement for statement in sql.split(";\n") if statement.strip()]


def _after_in_mariadb(server: Mariadb, one: dict[str, Any], database: str) -> list[str]:
    emptied = ("DELETE FROM orders", "DELETE FROM users", "ALTER TABLE users AUTO_INCREMENT = 1",
               "ALTER TABLE orders AUTO_INCREMENT = 1")  # fmt: skip
    failed = []
    with server.connect(database) as connection, connection.cursor() as cursor:
        for statement in emptied if one.get("world") == "empty" else ():
            cursor.execute(statement)
        cursor.execute("START TRANSACTION")
        for statement in _split(one["sql"]):
            cursor.execute(statement)
        for statement in one.get("then", "").split("; "):
            if statement:
                cursor.execute(statement)
        for old in CORPUS["worlds"]["mysql"]["old_code"]:
            try:
                cursor.execute(old)
            except pymysql.MySQLError:
                failed.append(old)
        connection.rollback()
    return failed


@pytest.mark.parametrize("dialect", ["postgres", "mysql"])
def test_most_statements_are_run(dialect: str) -> None:
    every = [one for one in CORPUS["statements"] if one["dialect"] == dialect]
    assert len(list(statements(dialect))) > len(every) * 0.8
