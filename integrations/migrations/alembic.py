"""Alembic: revisions in Python files, read from their syntax trees and never run."""

import ast
from collections.abc import Callable

from bot.domain.migrations import Step, Tool
from integrations.migrations import python as py
from integrations.migrations.alembic_columns import column_of, default_of, table_columns
from integrations.migrations.bindings import ANY
from integrations.migrations.operations import Schema, contract, data, expand, unknown
from integrations.migrations.python import Module, NotUnderstood
from integrations.migrations.scripts import NO_UNDO, UNREAD, Files, Reading, Script, in_order, twice, undo_of
from integrations.migrations.sql import classify
from integrations.migrations.sql_names import Dialect, may_refer

UNREADABLE = unknown("is Python that is not understood")


def read_alembic(files: Files, dialect: Dialect) -> Reading:
    """Every file with a `revision`, each after those that it builds on."""
    scripts = [script for path, text in sorted(files.items()) if (script := _script(path, text, dialect))]
    ordered = in_order(scripts)
    built_on = {parent for script in ordered for parent in script.parents}
    heads = [script.id for script in ordered if script.id not in built_on]
    notes = twice(scripts)
    if len(heads) > 1:
        notes.append(f"There are {len(heads)} heads, on branches of their own: {', '.join(heads)}.")
    return Reading(Tool.ALEMBIC, ordered, tuple(notes))


def is_revision(text: str | None) -> bool:
    return text is not None and "down_revision" in text and "revision" in text


def _script(path: str, text: str | None, dialect: Dialect) -> Script | None:
    if text is None:
        return Script(path, path, (UNREAD,), NO_UNDO, "")
    if not is_revision(text):
        return None
    try:
        module = Module(text)
        revision = module.text(module.values.get("revision"))
        parents = (
            *module.texts(module.values.get("down_revision")),
            *module.texts(module.values.get("depends_on")),
        )
    except NotUnderstood:
        return Script(path, path, (UNREADABLE,), NO_UNDO, text)
    if not module.only_defines or not module.imports("alembic", "op"):
        return Script(revision, path, (UNREADABLE,), NO_UNDO, module.canonical, parents)
    up, down = module.function("upgrade"), module.function("downgrade")
    steps = (unknown("has no function upgrade"),) if up is None else _Body(module, dialect).read(up.body)
    undo = NO_UNDO
    if down is not None and not _gives_up(down.body):
        undone = _Body(module, dialect).read(down.body)
        # A downgrade of nothing is no way back for an upgrade of something.
        undo = undo_of(undone) if undone or not steps else NO_UNDO
    return Script(revision, path, steps, undo, module.canonical, parents)


def _gives_up(body: list[ast.stmt]) -> bool:
    return any(isinstance(node, ast.Raise) for node in body)


class _Body:
    """The calls of `upgrade` or `downgrade`, as steps."""

    def __init__(self, module: Module, dialect: Dialect) -> None:
        self._module = module
        self._dialect = dialect
        self._schema = Schema()

    def read(self, body: list[ast.stmt]) -> tuple[Step, ...]:
        for node in body:
            self._statement(node, "op", "")
        return self._schema.steps

    def _statement(self, node: ast.stmt, op: str, table: str) -> None:
        try:
            if isinstance(node, (ast.Pass, ast.Import, ast.ImportFrom)) or _is_docstring(node):
                return
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                self._call(node.value, op, table)
            elif isinstance(node, ast.With) and not table:
                self._batch(node)
            elif not _is_bind(node):
                self._schema.add(UNREADABLE)
        except NotUnderstood:
            self._schema.add(UNREADABLE)

    def _batch(self, node: ast.With) -> None:
        """`with op.batch_alter_table("users") as batch_op:`, and blocks that only say how statements run."""
        item = node.items[0]
        call = item.context_expr
        if len(node.items) != 1 or not isinstance(call, ast.Call):
            raise NotUnderstood
        if py.name_of(call.func) == "autocommit_block":
            for inner in node.body:
                self._statement(inner, "op", "")
            return
        if py.name_of(call.func) != "batch_alter_table" or not isinstance(item.optional_vars, ast.Name):
            raise NotUnderstood
        table = self._named(call, 0, "table_name")
        for inner in node.body:
            self._statement(inner, item.optional_vars.id, table)

    def _call(self, call: ast.Call, op: str, table: str) -> None:
        target = call.func
        if not isinstance(target, ast.Attribute):
            raise NotUnderstood
        if isinstance(target.value, ast.Name) and target.value.id == op:
            read = _OPERATIONS.get(target.attr)
            if read is None:
                raise NotUnderstood
            read(self, call, table)
        elif isinstance(target.value, ast.Call) and py.name_of(target.value.func) in ("Enum", "ENUM"):
            creates = target.attr == "create"
            self._schema.add(expand("creates a type") if creates else contract("drops a type"))
        else:
            raise NotUnderstood

    def _named(self, call: ast.Call, place: int, name: str) -> str:
        return self._module.text(py.argument(call, place, name))

    def _table(self, call: ast.Call, place: int, name: str, table: str) -> tuple[str, int]:
        """The table, and how many places the others move: in a batch the table is not an argument."""
        if table:
            return table, place
        found = self._named(call, place, name)
        schema = py.keyword(call, "schema")
        return (
            found if schema is None or py.is_none(schema) else f"{self._module.text(schema)}.{found}"
        ), place + 1

    def create_table(self, call: ast.Call, _table: str) -> None:
        name, _ = self._table(call, 0, "table_name", "")
        exists_ok = py.is_true(py.keyword(call, "if_not_exists"))
        columns = table_columns(self._module, call.args[1:], self._dialect)
        self._schema.create_table(name, columns, exists_ok=exists_ok)

    def drop_table(self, call: ast.Call, _table: str) -> None:
        self._schema.drop_table(self._table(call, 0, "table_name", "")[0])

    def add_column(self, call: ast.Call, table: str) -> None:
        name, place = self._table(call, 0, "table_name", table)
        self._schema.add_column(
            name, column_of(self._module, py.argument(call, place, "column"), self._dialect)
        )

    def drop_column(self, call: ast.Call, table: str) -> None:
        name, place = self._table(call, 0, "table_name", table)
        self._schema.drop_column(name, self._named(call, place, "column_name"))

    def alter_column(self, call: ast.Call, table: str) -> None:
        name, place = self._table(call, 0, "table_name", table)
        column = self._named(call, place, "column_name")
        where = f"{name}.{column}"
        given = {one.arg for one in call.keywords}
        if None in given:
            raise NotUnderstood
        if "new_column_name" in given:
            self._schema.restrict(name, f"renames the column {where}")
        if "type_" in given:
            self._schema.restrict(name, f"changes the type of {where}", f"values of {where} that do not fit")
        if "nullable" in given and py.flag(call, "nullable", absent=True):
            self._schema.add(expand(f"lets {where} be empty, so the older code may meet empty values"))
        elif "nullable" in given:
            self._schema.restrict(name, f"demands a value in {where}", demands=column)
        if "server_default" in given:
            self._default(name, where, py.keyword(call, "server_default"))
        if "autoincrement" in given:
            raise NotUnderstood

    def _default(self, table: str, where: str, node: ast.expr | None) -> None:
        kind = default_of(self._module, node, self._dialect)
        if kind == "plain" and may_refer(where) and not self._schema.made(table):
            self._schema.add(
                unknown(f"gives {where} a default, which may be no row of the table that it refers to")
            )
        elif kind == "plain":
            self._schema.add(expand(f"gives {where} a default"))
        elif kind == "none":
            self._schema.restrict(table, f"drops the default of {where}")
        else:
            raise NotUnderstood

    def create_index(self, call: ast.Call, table: str) -> None:
        name, place = self._table(call, 1, "table_name", table)
        columns = py.argument(call, place, "columns")
        parts = columns.elts if isinstance(columns, (ast.List, ast.Tuple)) else [columns]
        conditions = [py.keyword(call, f"{one}_where") for one in ("postgresql", "sqlite")]
        understood = all(self._is_total(one) for one in (*parts, *conditions) if one is not None)
        self._schema.add_index(
            name, unique=py.flag(call, "unique", absent=False), understood=understood and columns is not None
        )

    def _is_total(self, node: ast.expr) -> bool:
        try:
            text = self._module.text(node)
        except NotUnderstood:
            return False
        return not isinstance(node, ast.Call) or py.is_total_sql(text, self._dialect)

    def drop_thing(self, call: ast.Call, table: str) -> None:
        what = py.name_of(call.func).removeprefix("drop_")
        where = table or py.argument(call, 1, "table_name")
        name = where if isinstance(where, str) else self._module.text(where) if where is not None else ""
        self._schema.restrict(name, f"drops {'an' if what == 'index' else 'a'} {what} of {name or 'a table'}")

    def create_constraint(self, call: ast.Call, table: str) -> None:
        what = py.name_of(call.func).removeprefix("create_").replace("_", " ")
        name, _ = self._table(call, 1, "table_name", table)
        demands = ANY if what in ("check constraint", "primary key") else ""
        self._schema.restrict(name, f"adds a {what} to {name}", demands=demands)

    def create_foreign_key(self, call: ast.Call, table: str) -> None:
        name, place = self._table(call, 1, "source_table", table)
        target = self._named(call, place, "referent_table")
        delete = py.keyword(call, "ondelete")
        self._schema.add_foreign_key(
            name,
            target,
            f"binds {name} to {target} by a foreign key",
            columns=self._module.texts(py.argument(call, place + 1, "local_cols")),
            deletes="" if delete is None or py.is_none(delete) else self._module.text(delete),
            targeted=self._module.texts(py.argument(call, place + 2, "remote_cols")),
        )

    def execute(self, call: ast.Call, _table: str) -> None:
        self._schema.add(*classify(self._named(call, 0, "sqltext"), self._dialect))

    def bulk_insert(self, call: ast.Call, _table: str) -> None:
        rows = py.argument(call, 1, "rows")
        keys = {
            key.value if isinstance(key, ast.Constant) else None
            for row in (rows.elts if isinstance(rows, ast.List) else [None])
            for key in (row.keys if isinstance(row, ast.Dict) else [None])
        }
        if self._dialect == "postgres" and keys & {"id", None}:
            self._schema.add(
                unknown("inserts rows, maybe with numbers of their own, which the older code gets as well")
            )
        else:
            self._schema.add(data("inserts rows"))

    def rename_table(self, call: ast.Call, _table: str) -> None:
        self._schema.restrict("", f"renames the table {self._named(call, 0, 'old_table_name')}")

    def comment(self, _call: ast.Call, _table: str) -> None:
        self._schema.add(expand("comments on the schema"))


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_bind(node: ast.stmt) -> bool:
    """`bind = op.get_bind()` does nothing by itself."""
    value = node.value if isinstance(node, ast.Assign) else None
    return isinstance(value, ast.Call) and py.name_of(value.func) == "get_bind"


_OPERATIONS: dict[str, Callable[[_Body, ast.Call, str], None]] = {
    "create_table": _Body.create_table,
    "drop_table": _Body.drop_table,
    "rename_table": _Body.rename_table,
    "add_column": _Body.add_column,
    "drop_column": _Body.drop_column,
    "alter_column": _Body.alter_column,
    "create_index": _Body.create_index,
    "drop_index": _Body.drop_thing,
    "drop_constraint": _Body.drop_thing,
    "create_unique_constraint": _Body.create_constraint,
    "create_check_constraint": _Body.create_constraint,
    "create_primary_key": _Body.create_constraint,
    "create_exclude_constraint": _Body.create_constraint,
    "create_foreign_key": _Body.create_foreign_key,
    "execute": _Body.execute,
    "bulk_insert": _Body.bulk_insert,
    "create_table_comment": _Body.comment,
    "drop_table_comment": _Body.comment,
}
