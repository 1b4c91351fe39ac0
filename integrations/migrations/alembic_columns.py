"""SQLAlchemy's columns and constraints, as they are written in a revision."""

import ast
import re
from typing import Literal

from integrations.migrations import python as py
from integrations.migrations.bindings import ANY
from integrations.migrations.operations import Column
from integrations.migrations.python import Module, NotUnderstood
from integrations.migrations.sql_names import Dialect

_KNOWN = frozenset(
    {"nullable", "server_default", "primary_key", "unique", "index", "autoincrement", "default", "comment", "key", "name",
     "type_", "quote", "info", "doc", "onupdate", "system"}
)  # fmt: skip
Default = Literal["none", "plain", "computed", "unknown"]
_DEFAULTS: dict[str, Default] = {
    "now": "plain",
    "current_timestamp": "plain",
    "true": "plain",
    "false": "plain",
    "Identity": "plain",
    "gen_random_uuid": "plain",
    "Computed": "computed",
}
_OUTSIDE = ("UniqueConstraint", "Index", "ExcludeConstraint")


def column_of(module: Module, node: ast.expr | None, dialect: Dialect) -> Column:
    """`sa.Column("age", sa.Integer(), nullable=True)`. Raises NotUnderstood where it is computed."""
    if not isinstance(node, ast.Call) or py.name_of(node.func) != "Column":
        raise NotUnderstood
    name = module.text(py.argument(node, 0, "name"))
    parts = [one for one in node.args[1:] if isinstance(one, ast.Call)]
    kinds = {py.name_of(part.func): part for part in parts}
    keys = {one.arg for one in node.keywords}
    default = default_of(module, py.keyword(node, "server_default"), dialect)
    numbered = "Identity" in kinds
    reference = kinds.get("ForeignKey")
    primary = py.flag(node, "primary_key", absent=False)
    return Column(
        name,
        nullable=py.flag(node, "nullable", absent=not primary),
        default=default == "plain" or numbered,
        computed="Computed" in kinds or default == "computed",
        unique=py.flag(node, "unique", absent=False),
        primary=primary,
        refers="" if reference is None else _table_of(module.text(py.argument(reference, 0, "column"))),
        targeted=() if reference is None else (_column_of(module.text(py.argument(reference, 0, "column"))),),
        on_delete="" if reference is None else _on_delete(module, reference),
        checked="CheckConstraint" in kinds,
        understood=default != "unknown" and keys <= _KNOWN,
    )


def default_of(module: Module, node: ast.expr | None, dialect: Dialect) -> Default:
    """What the database itself writes where the code says nothing."""
    if node is None or py.is_none(node):
        return "none"
    if isinstance(node, ast.Constant):
        return "plain"  # a text is quoted, whatever stands in it
    kind = py.name_of(node.func) if isinstance(node, ast.Call) else ""
    if kind == "text":
        text = module.text(node).strip()
        plain: Default = "plain" if py.is_plain_sql(text, dialect) else "unknown"
        return "none" if text.upper() == "NULL" else plain
    return _DEFAULTS.get(kind, "unknown")


def table_columns(module: Module, nodes: list[ast.expr], dialect: Dialect) -> list[Column]:
    """The columns and foreign keys of `op.create_table`; anything else raises NotUnderstood."""
    columns = []
    for node in nodes:
        kind = py.name_of(node.func) if isinstance(node, ast.Call) else ""
        if isinstance(node, ast.Call) and kind == "ForeignKeyConstraint":
            targets = module.texts(py.argument(node, 1, "refcolumns"))
            refers = _table_of(targets[0]) if targets else ""
            own = module.texts(py.argument(node, 0, "columns"))
            targeted = tuple(_column_of(target) for target in targets)
            deletes = _on_delete(module, node)
            columns.append(Column("", refers=refers, on_delete=deletes, of=own, targeted=targeted))
        elif isinstance(node, ast.Call) and kind == "PrimaryKeyConstraint":
            columns += [Column(module.text(part), primary=True) for part in node.args]
        elif isinstance(node, ast.Call) and kind == "CheckConstraint":
            columns += _checked(module, node)
        elif kind not in _OUTSIDE:
            columns.append(column_of(module, node, dialect))
    return columns


def _checked(module: Module, node: ast.Call) -> list[Column]:
    """The columns that a check may want to have a value: every word of it, or any column where it cannot be read."""
    try:
        words = re.findall(r"\w+", module.text(py.argument(node, 0, "sqltext")))
    except NotUnderstood:
        return [Column(ANY, checked=True)]
    return [Column(word, checked=True) for word in words]


def _table_of(column: str) -> str:
    return column.rpartition(".")[0]


def _column_of(column: str) -> str:
    return column.rpartition(".")[2]


def _on_delete(module: Module, call: ast.Call) -> str:
    node = py.keyword(call, "ondelete")
    return "" if node is None or py.is_none(node) else module.text(node)
