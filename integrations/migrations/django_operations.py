"""Django's operations: what each does to the schema, and what running it backwards would destroy."""

import ast
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.domain.migrations import Step
from integrations.migrations import python as py
from integrations.migrations.operations import Column, Schema, contract, expand, unknown
from integrations.migrations.python import Module, NotUnderstood
from integrations.migrations.sql import classify
from integrations.migrations.sql_names import Dialect

# Arguments of a field that the database never sees.
_CODE_ONLY = frozenset(
    {"auto_now", "auto_now_add", "blank", "choices", "default", "editable", "error_messages", "help_text", "limit_choices_to",
     "on_delete", "related_name", "related_query_name", "serialize", "storage", "upload_to", "validators", "verbose_name"}
)  # fmt: skip
_RELATIONS = ("ForeignKey", "OneToOneField")
_NOTHING = ("AlterModelOptions", "AlterModelManagers", "AlterModelTableComment")


def is_reversible(call: ast.Call) -> bool:
    """Whether Django can run it backwards."""
    kind = py.name_of(call.func)
    if kind == "RunPython":
        return len(call.args) > 1 or py.keyword(call, "reverse_code") is not None
    if kind == "RunSQL":
        return len(call.args) > 1 or py.keyword(call, "reverse_sql") is not None
    if kind == "SeparateDatabaseAndState":
        inner = py.argument(call, 0, "database_operations")
        elements = inner.elts if isinstance(inner, (ast.List, ast.Tuple)) else []
        return all(isinstance(one, ast.Call) and is_reversible(one) for one in elements)
    return True


@dataclass
class App:
    """What the migrations of one app have made so far."""

    label: str
    tables: dict[str, str] = field(default_factory=dict)
    fields: dict[tuple[str, str], str] = field(default_factory=dict)
    # Models whose tables Django does not keep.
    untouched: set[str] = field(default_factory=set)

    def table(self, model: str) -> str:
        return self.tables.get(model.lower(), f"{self.label}_{model.lower()}")


class Operations:
    """Reads one migration; `undone` are the steps of running it backwards."""

    def __init__(self, module: Module, app: App, dialect: Dialect) -> None:
        self._module = module
        self._app = app
        self._dialect = dialect
        self.schema = Schema()
        self.undone: list[Step] = []

    def read(self, call: ast.Call) -> None:
        kind = py.name_of(call.func)
        reader = _OPERATIONS.get(kind, Operations.strange)
        try:
            if kind in _NOTHING:
                return
            if kind.endswith("Extension"):
                self.schema.add(expand("adds an extension of the database"))
            else:
                reader(self, call)
        except NotUnderstood:
            self.schema.add(unknown(f"does something that is not understood ({kind or 'a call'})"))
            self.undone.append(unknown("is not understood"))

    def strange(self, _call: ast.Call) -> None:
        raise NotUnderstood

    def _text(self, call: ast.Call, place: int, name: str) -> str:
        return self._module.text(py.argument(call, place, name))

    def create_model(self, call: ast.Call) -> None:
        model = self._text(call, 0, "name")
        options = _dictionary(py.keyword(call, "options"))
        if "db_table" in options:
            self._app.tables[model.lower()] = self._module.text(options["db_table"]).strip('"')
        if py.is_false(options.get("managed")) or py.is_true(options.get("proxy")):
            self._app.untouched.add(model.lower())
            return
        fields = py.argument(call, 1, "fields")
        if not isinstance(fields, (ast.List, ast.Tuple)):
            raise NotUnderstood
        table, columns = self._app.table(model), []
        for pair in fields.elts:
            if not isinstance(pair, ast.Tuple) or len(pair.elts) != 2:
                raise NotUnderstood
            name = self._module.text(pair.elts[0])
            self._remember(model, name, pair.elts[1])
            columns.append(self._column(name, pair.elts[1]))
        self.schema.create_table(table, columns)
        self.undone.append(contract(f"drops the table {table}", f"the rows of {table}"))

    def delete_model(self, call: ast.Call) -> None:
        model = self._text(call, 0, "name")
        if model.lower() not in self._app.untouched:
            self.schema.drop_table(self._app.table(model))

    def rename(self, call: ast.Call) -> None:
        thing = call.args[0] if call.args else call.keywords[0].value
        self.schema.restrict("", f"renames something of {self._app.label}.{self._module.text(thing)}")

    def add_field(self, call: ast.Call) -> None:
        model, name = self._text(call, 0, "model_name"), self._text(call, 1, "name")
        found = py.argument(call, 2, "field")
        self._remember(model, name, found)
        if model.lower() in self._app.untouched:
            return
        table = self._app.table(model)
        if isinstance(found, ast.Call) and py.name_of(found.func) == "ManyToManyField":
            self._many_to_many(table, name, found)
            return
        self.schema.add_column(table, self._column(name, found))
        self.undone.append(contract(f"drops {table}.{name}", f"the values of {table}.{name}"))

    def _many_to_many(self, table: str, name: str, found: ast.Call) -> None:
        if py.keyword(found, "through") is not None:
            return
        joined, other = f"{table}_{name}", self._target(found)
        self.schema.create_table(joined, [Column("", refers=table), Column("", refers=other)])
        self.undone.append(contract(f"drops {joined}", f"the rows of {joined}"))

    def remove_field(self, call: ast.Call) -> None:
        model, name = self._text(call, 0, "model_name"), self._text(call, 1, "name")
        self.schema.drop_column(self._app.table(model), name)

    def alter_field(self, call: ast.Call) -> None:
        model, name = self._text(call, 0, "model_name"), self._text(call, 1, "name")
        before = self._app.fields.get((model.lower(), name.lower()))
        found = py.argument(call, 2, "field")
        after = self._remember(model, name, found)
        where = f"{self._app.table(model)}.{name}"
        if before == after:
            self.schema.add(expand(f"changes {where} in the code alone"))
            return
        if before is not None and _without_null(before) == _without_null(after) and _is_null(after):
            self.schema.add(expand(f"lets {where} be empty, so the older code may meet empty values"))
            self.undone.append(contract(f"demands a value in {where}", f"rows without a value in {where}"))
            return
        self.schema.restrict(
            self._app.table(model), f"changes the column {where}", f"values of {where} that do not fit"
        )
        self.undone.append(contract(f"changes {where}", f"values of {where} that do not fit"))

    def add_index(self, call: ast.Call) -> None:
        model, index = self._text(call, 0, "model_name"), py.argument(call, 1, "index")
        if not isinstance(index, ast.Call):
            raise NotUnderstood
        known = {one.arg for one in index.keywords} <= {
            "fields",
            "name",
            "include",
            "db_tablespace",
            "opclasses",
            "fillfactor",
        }
        self.schema.add_index(self._app.table(model), understood=known and not index.args)

    def restrict(self, call: ast.Call) -> None:
        kind = py.name_of(call.func)
        model = self._text(call, 0, "name" if kind.startswith("Alter") else "model_name")
        what = {"AddConstraint": "adds a constraint to", "RemoveConstraint": "drops a constraint of",
                "RemoveIndex": "drops an index of", "RenameIndex": "renames an index of"}.get(kind, "changes rules of")  # fmt: skip
        self.schema.restrict(self._app.table(model), f"{what} {self._app.table(model)}")

    def validate(self, _call: ast.Call) -> None:
        self.schema.add(expand("checks rows against a constraint that holds already"))

    def run_sql(self, call: ast.Call) -> None:
        self.schema.add(*self._sql(py.argument(call, 0, "sql")))
        reverse = py.argument(call, 1, "reverse_sql")
        if reverse is not None:
            self.undone += self._sql(reverse)

    def _sql(self, node: ast.expr | None) -> tuple[Step, ...]:
        if isinstance(node, ast.Attribute) and node.attr == "noop":
            return ()
        if isinstance(node, (ast.List, ast.Tuple)):
            # A pair of a statement and its parameters stands in a list of its own.
            parts = [one.elts[0] if isinstance(one, ast.Tuple) and one.elts else one for one in node.elts]
            return tuple(step for part in parts for step in self._sql(part))
        return classify(self._module.text(node).replace("%%", "%"), self._dialect)

    def run_python(self, call: ast.Call) -> None:
        code, reverse = py.argument(call, 0, "code"), py.argument(call, 1, "reverse_code")
        if code is not None and py.name_of(code) != "noop":
            self.schema.add(unknown("runs Python code, which is not read"))
        if reverse is not None and py.name_of(reverse) != "noop":
            self.undone.append(unknown("runs Python code, which is not read"))

    def separate(self, call: ast.Call) -> None:
        inner = py.argument(call, 0, "database_operations")
        if inner is None:
            return
        if not isinstance(inner, (ast.List, ast.Tuple)):
            raise NotUnderstood
        for one in inner.elts:
            if not isinstance(one, ast.Call):
                raise NotUnderstood
            self.read(one)

    def _column(self, name: str, node: ast.expr | None) -> Column:
        """Django fills a new column for the rows there are, and then takes the default away again."""
        if not isinstance(node, ast.Call):
            raise NotUnderstood
        kind = py.name_of(node.func)
        related = kind in _RELATIONS and not py.is_false(py.keyword(node, "db_constraint"))
        automatic = kind in ("AutoField", "BigAutoField", "SmallAutoField")
        default = py.keyword(node, "db_default")
        plain = isinstance(default, ast.Constant) or (
            isinstance(default, ast.Call) and py.name_of(default.func) == "Now"
        )
        return Column(
            name,
            nullable=py.flag(node, "null", absent=False) or kind == "ManyToManyField",
            default=plain or automatic,
            computed=kind == "GeneratedField",
            unique=py.flag(node, "unique", absent=False) or kind == "OneToOneField",
            primary=py.flag(node, "primary_key", absent=False),
            refers=self._target(node) if related or kind == "ManyToManyField" else "",
            understood=default is None or plain,
        )

    def _target(self, node: ast.Call) -> str:
        """The table that a relation points to, as well as its name tells."""
        try:
            name = self._module.text(py.argument(node, 0, "to"))
        except NotUnderstood:
            return "another model"
        app, _, model = name.rpartition(".")
        return self._app.table(model) if app in ("", self._app.label) else f"{app}_{model}".lower()

    def _remember(self, model: str, name: str, node: ast.expr | None) -> str:
        """What the database sees of a field, as text."""
        if not isinstance(node, ast.Call):
            raise NotUnderstood
        seen = sorted(
            (one.arg or "*", ast.dump(one.value)) for one in node.keywords if one.arg not in _CODE_ONLY
        )
        text = "\n".join(
            [ast.dump(node.func), *map(ast.dump, node.args), *(f"{key}={value}" for key, value in seen)]
        )
        self._app.fields[model.lower(), name.lower()] = text
        return text


def _dictionary(node: ast.expr | None) -> dict[str, ast.expr]:
    if not isinstance(node, ast.Dict):
        return {}
    pairs = zip(node.keys, node.values, strict=True)
    return {
        key.value: value
        for key, value in pairs
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }


def _without_null(text: str) -> list[str]:
    return [line for line in text.split("\n") if not line.startswith("null=")]


def _is_null(text: str) -> bool:
    return "null=Constant(value=True)" in text.split("\n")


_OPERATIONS: dict[str, Callable[[Operations, ast.Call], None]] = {
    "CreateModel": Operations.create_model,
    "DeleteModel": Operations.delete_model,
    "RenameModel": Operations.rename,
    "AlterModelTable": Operations.rename,
    "RenameField": Operations.rename,
    "AddField": Operations.add_field,
    "RemoveField": Operations.remove_field,
    "AlterField": Operations.alter_field,
    "AddIndex": Operations.add_index,
    "AddIndexConcurrently": Operations.add_index,
    "RemoveIndex": Operations.restrict,
    "RemoveIndexConcurrently": Operations.restrict,
    "RenameIndex": Operations.restrict,
    "AddConstraint": Operations.restrict,
    "AddConstraintNotValid": Operations.restrict,
    "RemoveConstraint": Operations.restrict,
    "AlterUniqueTogether": Operations.restrict,
    "AlterIndexTogether": Operations.restrict,
    "AlterOrderWithRespectTo": Operations.restrict,
    "ValidateConstraint": Operations.validate,
    "RunSQL": Operations.run_sql,
    "RunPython": Operations.run_python,
    "SeparateDatabaseAndState": Operations.separate,
}
