"""SQL of a migration, statement by statement, and what each means for the code from before it.

Only what is understood to its end is called anything but unknown. sqlglot parses; what it merely lets through (its
`Command`) counts as unknown, apart from the statements that `sql_commands` knows word by word.
"""

import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

from sqlglot import ErrorLevel, Token, TokenType, exp
from sqlglot.dialects.dialect import Dialect as Parser
from sqlglot.errors import SqlglotError

from bot.domain.migrations import Step
from integrations.migrations.sql_columns import added_column, added_constraint
from integrations.migrations.sql_commands import read_command
from integrations.migrations.sql_names import (
    CHANGES,
    Dialect,
    calls,
    contract,
    data,
    expand,
    is_catalog,
    name_of,
    unknown,
)
from integrations.migrations.sql_rows import change
from integrations.migrations.sql_tables import Scope, alter, create, drop

LARGEST = 500_000  # characters of one migration; a dump of data is no schema change that a person would read

# Settings of the session alone that change neither what is stored nor how SQL is read.
_SETTINGS = frozenset({
    "autocommit", "check_function_bodies", "client_encoding", "client_min_messages",
    "default_table_access_method", "default_tablespace", "foreign_key_checks",
    "idle_in_transaction_session_timeout", "lock_timeout", "maintenance_work_mem", "row_security",
    "sql_notes", "statement_timeout", "time_zone", "timezone", "unique_checks", "work_mem", "xmloption",
})  # fmt: skip
_MODES = frozenset({
    "allow_invalid_dates", "error_for_division_by_zero", "no_auto_create_user", "no_auto_value_on_zero",
    "no_engine_substitution", "no_zero_date", "no_zero_in_date", "only_full_group_by", "strict_all_tables",
    "strict_trans_tables", "traditional",
})  # fmt: skip
_HIDDEN = re.compile(r"/\*M?!")  # a comment for others, a statement for MySQL and MariaDB
_DELIMITER = re.compile(r"(?im)^\s*delimiter\b")
_META = re.compile(r"(?m)^\s*\\")
_COMMENTS = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)
_MOVES = re.compile(r"\s*SET\s+(?:SESSION\s+|LOCAL\s+)?search_path\s*(?:=|TO)\s*[\w\"', $]+", re.IGNORECASE)
_LISTED = re.compile(r"(?is)ALTER\s+TABLE\s+(?P<table>[\w.`]+)\s+ADD\s+(?:COLUMN\s+)?(?P<columns>\(.*\))")
_ZONE = re.compile(r"\s*SET\s+(?:SESSION\s+|LOCAL\s+)?TIME\s+ZONE\s+(?:'[\w/+:-]+'|\w+)", re.IGNORECASE)


def classify(text: str, dialect: Dialect) -> tuple[Step, ...]:
    """What `text` does, in its order. Statements without any effect (BEGIN, SET lock_timeout) leave no step."""
    if len(text) > LARGEST:
        return (unknown(f"is longer than {LARGEST} characters and was not read"),)
    if dialect == "mysql" and _HIDDEN.search(text):
        return (unknown("has statements inside of comments"),)
    if dialect == "mysql" and _DELIMITER.search(text):
        return (unknown("changes the delimiter, as for procedures and triggers, whose bodies are not read"),)
    if dialect == "postgres" and _META.search(text):
        return (unknown("has commands of psql"),)
    logging.getLogger("sqlglot").disabled = True  # it would log the statements that it does not know
    scope = Scope(dialect)
    try:
        tokens = Parser.get_or_raise(dialect).tokenize(text)
    except SqlglotError:
        return (unknown("is no SQL that is understood"),)
    steps: list[Step] = []
    for chunk, statement in _statements(tokens, text):
        steps += [step for step in _read(chunk, statement, text, scope) if step.does]
    return tuple(steps)


def _statements(tokens: list[Token], text: str) -> Iterator[tuple[list[Token], str]]:
    """The tokens of each statement and its text, which begins after its comments."""
    chunk: list[Token] = []
    start = 0
    for token in tokens:
        if token.token_type is not TokenType.SEMICOLON:
            chunk.append(token)
            continue
        if chunk:
            yield chunk, _stripped(text[start : token.start])
        chunk, start = [], token.end + 1
    if chunk:
        yield chunk, _stripped(text[start:])


def _stripped(statement: str) -> str:
    comments = _COMMENTS.match(statement)
    return statement[comments.end() if comments else 0 :].strip()


def _read(chunk: list[Token], statement: str, text: str, scope: Scope) -> Iterator[Step]:
    try:
        parser = Parser.get_or_raise(scope.dialect).parser(error_level=ErrorLevel.RAISE)
        nodes = [node for node in parser.parse(chunk, text) if node is not None]
    except (SqlglotError, RecursionError, ValueError):
        nodes = []
    if len(nodes) == 1 and not isinstance(nodes[0], exp.Command):
        yield from _of(nodes[0], statement, scope)
        return
    yield from _command(statement, scope)


def _command(statement: str, scope: Scope) -> Iterator[Step]:
    if scope.dialect == "postgres" and (_MOVES.fullmatch(statement) or _ZONE.fullmatch(statement)):
        scope.forget()
        return
    if scope.dialect == "mysql" and re.match(r"(?i)replace\s", statement):
        yield from _replace(statement)
        return
    if scope.dialect == "mysql" and (listed := _LISTED.fullmatch(statement)):
        yield from _listed(listed["table"], listed["columns"], scope)
        return
    yield read_command(statement, scope.dialect) or _not_understood(statement)


def _replace(statement: str) -> Iterator[Step]:
    """MySQL's REPLACE is an INSERT that first deletes what is in its way."""
    for step in classify("INSERT" + statement[len("replace") :], "mysql"):
        yield (
            data("replaces rows", "the rows that were replaced") if step.does.startswith("inserts") else step
        )


def _listed(table: str, columns: str, scope: Scope) -> Iterator[Step]:
    """MySQL's ADD (a int, b int), which the parser only knows from CREATE TABLE."""
    try:
        nodes = Parser.get_or_raise("mysql").parse(f"CREATE TABLE {table} {columns}")
    except SqlglotError:
        nodes = []
    made = nodes[0] if len(nodes) == 1 else None
    if (
        not isinstance(made, exp.Create)
        or not isinstance(made.this, exp.Schema)
        or made.args.get("properties")
    ):
        yield _not_understood("ALTER")
        return
    for one in made.this.expressions:
        name = name_of(made.this)
        if isinstance(one, exp.ColumnDef):
            yield added_column(name, one, scope.types)
        else:
            yield added_constraint(name, one)


def _not_understood(statement: str) -> Step:
    word = re.match(r"[A-Za-z]+", statement)
    kind = word.group().upper() if word else "a statement"
    return unknown(f"has something that is not understood ({kind})")


def _of(node: exp.Expr, statement: str, scope: Scope) -> Iterator[Step]:
    for kind, read in _READERS:
        if isinstance(node, kind):
            yield from read(node, scope)
            return
    yield from _command(statement, scope)


def _emptied(node: exp.Expr, _scope: Scope) -> Iterator[Step]:
    for table in node.expressions:
        yield contract(f"empties the table {name_of(table)}", f"the rows of {name_of(table)}")


def _tidied(node: exp.Expr, _scope: Scope) -> Iterator[Step]:
    strange = calls(node)
    yield unknown(f"calls the function {strange}") if strange else expand("tidies storage")


def _always(*steps: Step) -> Callable[[exp.Expr, Scope], Iterator[Step]]:
    return lambda _node, _scope: iter(steps)


def _rows(node: exp.Expr, scope: Scope) -> Iterator[Step]:
    changes = list(node.find_all(*CHANGES))
    strange = calls(node)
    if strange:
        yield unknown(f"calls the function {strange}")
    elif changes and any(is_catalog(table, scope.dialect) for table in node.find_all(exp.Table)):
        yield contract("changes the database's own tables")
    elif changes:
        yield from (change(one, scope) for one in changes)
    else:
        into = node.args.get("into")
        if into is not None and isinstance(into.this, exp.Table) and name_of(into.this):
            yield expand(f"creates the table {name_of(into.this)}")


def _settings(node: exp.Set, scope: Scope) -> Iterator[Step]:
    for item in node.expressions:
        kind = str(item.args.get("kind") or "").upper()
        name, value = _assignment(item)
        if name == "search_path":
            scope.forget()
        if kind == "NAMES" or (name == "@" and value is not None and not calls(value)):
            continue
        harmless = name in _SETTINGS or name == "search_path" or (name, _said(value)) == (
            "standard_conforming_strings", "on")  # fmt: skip
        if name == "sql_mode":
            harmless = {mode for mode in _said(value).split(",") if mode} <= _MODES
        if kind not in ("", "LOCAL", "SESSION") or not harmless or value is None or calls(value):
            yield unknown("sets something that may change what other statements mean")


def _assignment(item: exp.Expr) -> tuple[str, exp.Expr | None]:
    """The setting's name, `@` for a variable of one's own, and the value."""
    pair = item.this
    if not isinstance(pair, exp.EQ):
        return "", None
    if isinstance(pair.this, exp.Parameter):
        return "@", pair.expression
    if isinstance(pair.this, exp.Column):
        return pair.this.name.lower(), pair.expression
    return "", None


def _said(value: exp.Expr | None) -> str:
    if isinstance(value, (exp.Literal, exp.Var, exp.Column)):
        return value.name.lower().replace(" ", "")
    return "?"


_READERS: tuple[tuple[type | tuple[type, ...], Callable[[Any, Scope], Iterator[Step]]], ...] = (
    (exp.Create, create),
    (exp.Alter, alter),
    (exp.Drop, drop),
    (exp.TruncateTable, _emptied),
    ((*CHANGES, exp.Query), _rows),
    (exp.Set, _settings),
    ((exp.Transaction, exp.Commit, exp.Show, exp.Semicolon), _always()),
    (exp.Comment, _always(expand("comments on the schema"))),
    (exp.Grant, _always(expand("grants rights"))),
    (exp.Revoke, _always(contract("takes rights away"))),
    (exp.Analyze, _tidied),
)
