"""ActiveRecord's schema statements: what each does, and what running it backwards would destroy."""

import re
from collections.abc import Callable
from typing import ClassVar

from bot.domain.migrations import Step
from integrations.migrations.bindings import ANY
from integrations.migrations.operations import Column, Schema, contract, expand, unknown
from integrations.migrations.python import NotUnderstood, is_plain_sql
from integrations.migrations.ruby import Call, Opaque, Sql, Value
from integrations.migrations.sql import classify
from integrations.migrations.sql_names import Dialect, may_refer

_TYPES = frozenset(
    """bigint binary blob boolean bit bit_varying box char cidr circle citext column date daterange datetime decimal
    float hstore inet int4range int8range integer interval json jsonb line longtext lseg ltree macaddr mediumtext money
    numeric numrange oid path point polygon string text time timestamp timestamptz tinyint tinytext tsrange tstzrange
    tsvector uuid virtual xml""".split()  # noqa: SIM905 - a column of forty quoted words reads worse
)
_REFERENCES = ("references", "belongs_to", "reference")
_COLUMN_OPTIONS = frozenset(
    {"null", "default", "limit", "precision", "scale", "array", "comment", "collation", "index", "unsigned", "type",
     "foreign_key", "polymorphic", "after", "first", "charset", "if_not_exists", "using", "primary_key", "enum_type"}
)  # fmt: skip


class Body:
    """The statements of one method. `undone` are the steps of running them backwards, where that is possible."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._schema = Schema()
        self.undone: list[Step] = []
        self.reversible = True

    @property
    def steps(self) -> tuple[Step, ...]:
        return self._schema.steps

    def read(self, statements: list[Call]) -> None:
        for call in statements:
            try:
                if call.receiver or any(isinstance(one, Opaque) for one in call.arguments):
                    self.strange(call)
                self.OPERATIONS.get(call.name, Body.strange)(self, call)
            except NotUnderstood:
                self._schema.add(unknown(f"does something that is not understood ({call.name})"))
                self.reversible = False

    def strange(self, _call: Call) -> None:
        raise NotUnderstood

    def create_table(self, call: Call) -> None:
        table = _text(call, 0)
        if (
            call.options.get("force") not in (None, False)
            or "options" in call.options
            or "as" in call.options
        ):
            self._schema.add(contract(f"replaces the table {table}", f"the rows of {table}"))
            self.reversible = False
            return
        columns = [column for inner in call.body or () for column in self._columns_of(inner, call)]
        key = call.options.get("primary_key")
        keys = key if isinstance(key, list) else [key]
        columns += [Column(name, primary=True) for name in keys if isinstance(name, str)]
        self._schema.create_table(table, columns, exists_ok=call.options.get("if_not_exists") is True)
        self.undone.append(contract(f"drops the table {table}", f"the rows of {table}"))

    def create_join_table(self, call: Call) -> None:
        one, other = sorted((_text(call, 0), _text(call, 1)))
        self._schema.create_table(str(call.options.get("table_name") or f"{one}_{other}"), [])
        self.undone.append(contract("drops a join table", "the rows of a join table"))

    def _columns_of(self, inner: Call, outer: Call) -> list[Column]:
        """What one line of a `create_table` block adds."""
        if outer.params != [inner.receiver]:
            raise NotUnderstood
        if inner.name == "check_constraint":
            return [Column(word, checked=True) for word in re.findall(r"\w+", _text(inner, 0))]
        if inner.name == "primary_key":
            return [Column(_text(inner, 0), primary=True)]
        if inner.name in ("timestamps", "index", "exclusion_constraint", "unique_constraint"):
            return []
        if inner.name == "foreign_key":
            return [
                Column(
                    "",
                    refers=_text(inner, 0),
                    on_delete=str(inner.options.get("on_delete", "")),
                    of=_columns_of_key(_text(inner, 0), inner.options),
                    targeted=_targeted(inner.options),
                )
            ]
        return self._columns(inner)

    def _columns(self, call: Call) -> list[Column]:
        """`t.string :name, null: false`, one column for each name."""
        if call.name in _REFERENCES:
            return [self._reference(_text(call, place), call.options) for place in range(len(call.arguments))]
        if call.name not in _TYPES or not call.arguments:
            raise NotUnderstood
        names = call.arguments[:1] if call.name == "column" else call.arguments
        if not all(isinstance(name, str) for name in names):
            raise NotUnderstood
        return [self._column(str(name), call.options, virtual=call.name == "virtual") for name in names]

    def _column(self, name: str, options: dict[str, Value], *, virtual: bool = False) -> Column:
        default, index = options.get("default"), options.get("index")
        plain = not isinstance(default, (Sql, Opaque)) or (
            isinstance(default, Sql) and is_plain_sql(default.text, self._dialect)
        )
        return Column(
            name,
            nullable=options.get("null") is not False,
            default=default is not None,
            unique=isinstance(index, dict) and index.get("unique") is True,
            computed=virtual or "as" in options,
            primary=options.get("primary_key") is True,
            understood=plain and set(options) <= _COLUMN_OPTIONS | {"as", "stored"},
        )

    def _reference(self, name: str, options: dict[str, Value]) -> Column:
        column = self._column(f"{name}_id", options)
        key = options.get("foreign_key")
        settings = key if isinstance(key, dict) else {}
        refers = str(settings.get("to_table") or f"{name}s") if key else ""
        return Column(
            column.name,
            nullable=column.nullable,
            default=column.default,
            refers=refers,
            unique=column.unique,
            on_delete=str(settings.get("on_delete") or ""),
            targeted=_targeted(settings),
            understood=column.understood,
        )

    def drop_table(self, call: Call) -> None:
        self._schema.drop_table(_text(call, 0))
        self.reversible &= call.body is not None

    def change_table(self, call: Call) -> None:
        """Each line as the statement that it stands for."""
        table = _text(call, 0)
        for inner in call.body or ():
            if call.params != [inner.receiver]:
                raise NotUnderstood
            if inner.name in _TYPES or inner.name in _REFERENCES:
                self._add_columns(table, self._columns(inner))
            elif inner.name in (
                "index",
                "rename",
                "remove",
                "change",
                "change_default",
                "change_null",
                "timestamps",
                "foreign_key",
            ):
                long = _LONG.get(inner.name, inner.name)
                self.OPERATIONS[long](
                    self, Call(long, arguments=[table, *inner.arguments], options=inner.options)
                )
            else:
                raise NotUnderstood

    def add_column(self, call: Call) -> None:
        table = _text(call, 0)
        self._add_columns(
            table, [self._column(_text(call, 1), call.options, virtual=_text(call, 2) == "virtual")]
        )

    def add_columns(self, call: Call) -> None:
        names = [_text(call, place) for place in range(1, len(call.arguments))]
        self._add_columns(_text(call, 0), [self._column(name, call.options) for name in names])

    def add_reference(self, call: Call) -> None:
        self._add_columns(_text(call, 0), [self._reference(_text(call, 1), call.options)])

    def add_timestamps(self, call: Call) -> None:
        options = {"null": False, **call.options}
        self._add_columns(
            _text(call, 0), [self._column(name, options) for name in ("created_at", "updated_at")]
        )

    def _add_columns(self, table: str, columns: list[Column]) -> None:
        for column in columns:
            self._schema.add_column(table, column)
            self.undone.append(
                contract(f"drops {table}.{column.name}", f"the values of {table}.{column.name}")
            )

    def remove_column(self, call: Call) -> None:
        self._schema.drop_column(_text(call, 0), _text(call, 1))
        self.reversible &= len(call.arguments) > 2  # only with its type can the column be made again

    def remove_columns(self, call: Call) -> None:
        for place in range(1, len(call.arguments)):
            self._schema.drop_column(_text(call, 0), _text(call, place))
        self.reversible &= "type" in call.options

    def add_index(self, call: Call) -> None:
        table, columns = _text(call, 0), call.arguments[1] if len(call.arguments) > 1 else None
        names = columns if isinstance(columns, list) else [columns]
        # A text that is no name is an expression.
        plain = (
            all(isinstance(name, str) and name.isidentifier() for name in names)
            and "where" not in call.options
        )
        unique = call.options.get("unique") not in (None, False)
        self._schema.add_index(table, unique=unique, understood=plain)

    def enable_extension(self, _call: Call) -> None:
        self._schema.add(expand("adds an extension of the database"))

    def add_foreign_key(self, call: Call) -> None:
        table, target = _text(call, 0), _text(call, 1)
        self._schema.add_foreign_key(
            table,
            target,
            f"binds {table} to {target} by a foreign key",
            columns=_columns_of_key(target, call.options),
            deletes=str(call.options.get("on_delete") or ""),
            targeted=_targeted(call.options),
        )

    def restrict(self, call: Call) -> None:
        table = _text(call, 0)
        what = call.name.replace("_", " ")
        loses = f"values of {table}.{_text(call, 1)} that do not fit" if call.name == "change_column" else ""
        # A column that is defined anew may say null: false.
        demands = ANY if call.name in ("add_check_constraint", "change_column") else ""
        self._schema.restrict(table, f"does to {table}: {what}", loses, demands=demands)
        self.reversible &= call.name != "change_column"

    def change_null(self, call: Call) -> None:
        where = f"{_text(call, 0)}.{_text(call, 1)}"
        if call.arguments[2:3] == [True]:
            self._schema.add(expand(f"lets {where} be empty, so the older code may meet empty values"))
            self.undone.append(contract(f"demands a value in {where}", f"rows without a value in {where}"))
        else:
            self._schema.restrict(_text(call, 0), f"demands a value in {where}", demands=_text(call, 1))

    def change_default(self, call: Call) -> None:
        where = f"{_text(call, 0)}.{_text(call, 1)}"
        default = (
            call.options.get("to") if call.options else call.arguments[2] if len(call.arguments) > 2 else None
        )
        if isinstance(default, (Sql, Opaque, dict, list)):
            raise NotUnderstood
        if default is None:
            self._schema.restrict(_text(call, 0), f"drops the default of {where}")
        elif may_refer(where) and not self._schema.made(_text(call, 0)):
            raise NotUnderstood
        else:
            self._schema.add(expand(f"gives {where} a default"))
        self.reversible &= "from" in call.options

    def execute(self, call: Call) -> None:
        self._schema.add(*classify(_text(call, 0), self._dialect))
        self.reversible = False

    def safety_assured(self, call: Call) -> None:
        self.read(call.body or [])

    OPERATIONS: ClassVar[dict[str, Callable[["Body", Call], None]]] = {
        **dict.fromkeys(("rename_table", "rename_column", "rename_index", "change_column", "remove_index", "remove_foreign_key",
                         "remove_reference", "remove_belongs_to", "remove_timestamps", "add_check_constraint",
                         "remove_check_constraint", "drop_join_table"), restrict),
        "create_table": create_table, "create_join_table": create_join_table, "drop_table": drop_table,
        "change_table": change_table, "add_column": add_column, "add_columns": add_columns, "add_reference": add_reference,
        "add_belongs_to": add_reference, "add_timestamps": add_timestamps, "remove_column": remove_column,
        "remove_columns": remove_columns, "add_index": add_index, "enable_extension": enable_extension,
        "add_foreign_key": add_foreign_key, "change_column_null": change_null, "change_column_default": change_default,
        "execute": execute, "safety_assured": safety_assured,
    }  # fmt: skip


_LONG = {"index": "add_index", "rename": "rename_column", "remove": "remove_columns", "change": "change_column",
         "change_default": "change_column_default", "change_null": "change_column_null", "timestamps": "add_timestamps",
         "foreign_key": "add_foreign_key"}  # fmt: skip


def _columns_of_key(target: str, options: dict[str, Value]) -> tuple[str, ...]:
    """Rails' own rule for a regular plural; of any other one the columns are not known, so it counts as a refusal."""
    named = options.get("column")
    if isinstance(named, str):
        return (named,)
    regular = target.endswith("s") and not target.endswith(("ss", "ies", "es"))
    return (f"{target.removesuffix('s')}_id",) if named is None and regular else ()


def _targeted(options: dict[str, Value]) -> tuple[str, ...]:
    named = options.get("primary_key")
    return (named,) if isinstance(named, str) else ()


def _text(call: Call, place: int) -> str:
    value = call.arguments[place] if place < len(call.arguments) else None
    if not isinstance(value, str):
        raise NotUnderstood
    return value
