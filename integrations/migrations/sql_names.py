"""What the readers of SQL share: names of objects, expressions that cannot fail, and the steps they write down."""

from typing import Literal

from sqlglot import exp

from bot.domain.migrations import Effect, Step

Dialect = Literal["postgres", "mysql"]
"""MariaDB is `mysql`."""

# Functions without a type of their own in the parser that change nothing. Any other one may do anything.
_PURE = frozenset({
    "age", "array_append", "array_remove", "array_to_string", "bin_to_uuid", "char_length",
    "clock_timestamp", "currval", "database", "date_part", "format", "found_rows", "from_unixtime",
    "gen_random_uuid", "greatest", "ifnull", "json_build_object", "json_object", "json_set",
    "jsonb_array_elements", "jsonb_build_array", "jsonb_build_object", "jsonb_set", "last_insert_id",
    "lastval", "least", "octet_length", "pg_typeof", "rand", "random", "row_count", "statement_timestamp",
    "string_to_array", "substring_index", "to_jsonb", "transaction_timestamp", "unix_timestamp", "unnest",
    "uuid", "uuid_generate_v1", "uuid_generate_v1mc", "uuid_generate_v4", "uuid_to_bin", "version",
})  # fmt: skip
_CATALOGS = frozenset({"pg_catalog", "information_schema", "mysql", "performance_schema", "sys"})

# An expression over a row made of these alone has a value for every row.
_TOTAL = (
    exp.And, exp.Between, exp.Boolean, exp.Coalesce, exp.Collate, exp.Column, exp.ColumnPrefix, exp.DataType,
    exp.DataTypeParam, exp.EQ, exp.GT, exp.GTE, exp.Identifier, exp.ILike, exp.In, exp.Is, exp.JSONExtract,
    exp.JSONExtractScalar, exp.JSONPath, exp.JSONPathKey, exp.JSONPathRoot, exp.JSONPathSubscript, exp.LT, exp.LTE,
    exp.Like, exp.Literal, exp.Lower, exp.NEQ, exp.Neg, exp.Not, exp.Null, exp.Opclass, exp.Or, exp.Ordered, exp.Paren,
    exp.Table, exp.Trim, exp.Tuple, exp.Upper, exp.Var,
)  # fmt: skip
_CONSTANT = (
    exp.Array, exp.BitString, exp.Boolean, exp.CurrentDate, exp.CurrentTime, exp.CurrentTimestamp, exp.DataType,
    exp.DataTypeParam, exp.HexString, exp.Interval, exp.Literal, exp.Localtime, exp.Localtimestamp, exp.Neg, exp.Null,
    exp.Paren, exp.Uuid, exp.Var,
)  # fmt: skip
_DEFAULTS = _PURE | {"nextval"}


CHANGES = (exp.Insert, exp.Update, exp.Delete, exp.Merge)


def expand(does: str) -> Step:
    return Step(effect=Effect.EXPAND, does=does)


def contract(does: str, loses: str = "") -> Step:
    return Step(effect=Effect.CONTRACT, does=does, loses=loses)


def data(does: str, loses: str = "") -> Step:
    return Step(effect=Effect.DATA, does=does, loses=loses)


def unknown(does: str) -> Step:
    return Step(effect=Effect.UNKNOWN, does=does)


def name_of(node: exp.Expr | None) -> str:
    """The name of a table, column or index as it is written, without quotes; never more than a name."""
    if isinstance(node, (exp.Schema, exp.Index)):
        node = node.this if isinstance(node.this, exp.Expr) else None
    if isinstance(node, exp.Table):
        parts = [part for part in node.parts if isinstance(part, exp.Identifier)]
        return ".".join(part.name for part in parts)
    if isinstance(node, exp.Identifier):
        return node.name
    if isinstance(node, exp.Column):
        return ".".join(part.name for part in node.parts)
    return ""


def key_of(node: exp.Expr | None, dialect: Dialect) -> str:
    """The name by which the database tells tables apart: PostgreSQL folds what is not quoted, MySQL folds nothing."""
    if isinstance(node, (exp.Schema, exp.Index)):
        node = node.this if isinstance(node.this, exp.Expr) else None
    parts = node.parts if isinstance(node, (exp.Table, exp.Column)) else [node]
    identifiers = [part for part in parts if isinstance(part, exp.Identifier)]
    folds = dialect == "postgres"
    return ".".join(
        part.name.lower() if folds and not part.args.get("quoted") else part.name for part in identifiers
    )


def named(kind: str, name: str) -> str:
    """`the table orders`, or `a table` where it has no name."""
    return f"the {kind} {name}" if name else f"a {kind}"


def calls(node: exp.Expr) -> str:
    """The name of a function in it that may do anything; empty where there is none."""
    for function in node.find_all(exp.Anonymous, exp.AnonymousAggFunc):
        if str(function.this).lower() not in _PURE:
            return str(function.this)
    return ""


def cannot_fail(node: exp.Expr) -> bool:
    """Whether an expression has a value for every row: no casts of columns, no arithmetic, no unknown functions."""
    for part in node.walk():
        if isinstance(part, exp.Cast) and isinstance(part.this, (exp.Literal, exp.Null)):
            continue
        if not isinstance(part, _TOTAL):
            return False
    return True


def plain_default(node: exp.Expr) -> bool:
    """Whether a default can be had for every row: constants, the time, a random or the next number."""
    for part in node.walk():
        if isinstance(part, exp.Cast) and isinstance(part.this, (exp.Literal, exp.Null, exp.Array)):
            continue
        if isinstance(part, exp.Anonymous) and str(part.this).lower() in _DEFAULTS:
            continue
        if not isinstance(part, _CONSTANT):
            return False
    return True


def may_refer(column: str) -> bool:
    """Whether a column is named as one that refers to another table, whose rows a default may not be among."""
    return column.lower().endswith("_id")


def is_catalog(table: exp.Table, dialect: Dialect) -> bool:
    """Whether it is a table in which the database keeps its own schema."""
    if table.db.lower() in _CATALOGS:
        return True
    return dialect == "postgres" and table.name.lower().startswith("pg_")
