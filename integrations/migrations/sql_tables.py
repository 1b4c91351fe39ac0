"""CREATE, ALTER and DROP, as the parser reads them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlglot import exp

from bot.domain.migrations import Effect, Step
from integrations.migrations.bindings import Bindings
from integrations.migrations.sql_bindings import bindings_of, demanded_by
from integrations.migrations.sql_columns import added_column, added_constraint
from integrations.migrations.sql_names import (
    CHANGES,
    Dialect,
    calls,
    cannot_fail,
    contract,
    expand,
    key_of,
    may_refer,
    name_of,
    named,
    plain_default,
    unknown,
)

_LOSES = {
    "TABLE": "the rows of {}",
    "COLUMN": "the values of {}",
    "SCHEMA": "everything in {}",
    "DATABASE": "everything in {}",
    "SEQUENCE": "where {} stood",
}
_OPTIONS = (exp.AutoIncrementProperty, exp.CharacterSetProperty, exp.CollateProperty, exp.RowFormatProperty,
            exp.SchemaCommentProperty, exp.AlgorithmProperty, exp.LockProperty)  # fmt: skip
_MADE_WITH = (*_OPTIONS, exp.EngineProperty, exp.PartitionedOfProperty, exp.PartitionedByProperty, exp.LikeProperty,
              exp.UnloggedProperty)  # fmt: skip
_FULL = 2**30  # half of what an `int` counts to
_STORAGE = ("fillfactor", "autovacuum_", "toast_tuple_target", "parallel_workers")


@dataclass
class Scope:
    """What a migration has made so far: whatever happens to that, the older code does not know it."""

    dialect: Dialect
    tables: set[str] = field(default_factory=set)
    types: set[str] = field(default_factory=set)
    bindings: Bindings = field(default_factory=Bindings)

    def forget(self) -> None:
        """The same name may mean another table from here on."""
        self.tables.clear()
        self.bindings = Bindings()

    def bound(self, table: str, node: exp.Expr) -> list[str]:
        """The tables whose rows the older code cannot delete any more, once `node` has made or changed `table`."""
        self.bindings.demand(table, demanded_by(node))
        self.bindings.add(bindings_of(table, node, self.dialect))
        return self.bindings.bound(self.tables)


def create(node: exp.Create, scope: Scope) -> Iterator[Step]:
    kind = str(node.args.get("kind") or "").upper()
    name = name_of(node.this)
    if kind == "INDEX" and isinstance(node.this, exp.Index):
        yield _index(node, node.this, scope)
    elif kind == "TABLE":
        yield _table(node, name, scope)
    elif kind == "VIEW":
        yield _view(node, name)
    elif kind in ("FUNCTION", "PROCEDURE"):
        yield unknown(f"defines {named(kind.lower(), name)}, whose body is not read")
    elif kind == "TRIGGER":
        yield contract(f"makes {named('trigger', name)} run at every write")
    elif kind in ("SCHEMA", "DATABASE", "SEQUENCE", "TYPE") and not node.args.get("replace"):
        if kind == "TYPE" and not node.args.get("exists"):
            scope.types.add(name.lower())
        yield expand(f"creates {named(kind.lower(), name)}")
    else:
        yield unknown(f"creates or replaces {named(kind.lower() or 'thing', name)}")


def _index(node: exp.Create, index: exp.Index, scope: Scope) -> Step:
    table = name_of(index.args.get("table"))
    what = f"adds an index to {table}"
    if key_of(index.args.get("table"), scope.dialect) in scope.tables:
        return expand(what)
    if node.args.get("unique"):
        return contract(f"forbids equal rows in {table}, by a unique index")
    params = index.args.get("params")
    parts = [] if params is None else [*(params.args.get("columns") or ()), params.args.get("where")]
    conditions = [part.this if isinstance(part, exp.Where) else part for part in parts if part is not None]
    if not conditions or not all(cannot_fail(part) for part in conditions):
        return contract(f"{what} over an expression: a write may fail over it")
    return expand(what)


def _table(node: exp.Create, name: str, scope: Scope) -> Step:  # noqa: PLR0911 - one answer per kind of table
    properties = node.args.get("properties")
    found = properties.expressions if properties is not None else []
    if node.args.get("replace"):
        return contract(f"replaces {named('table', name)} by an empty one", f"the rows of {name}")
    if any(isinstance(one, exp.InheritsProperty) for one in found):
        return contract(f"creates {named('table', name)}, whose rows show up in the tables it inherits from")
    if any(isinstance(one, exp.TemporaryProperty) for one in found):
        strange = calls(node)
        return unknown(f"calls the function {strange}") if strange else expand("makes a temporary table")
    partitions = [one for one in found if isinstance(one, exp.PartitionedOfProperty)]
    if any(isinstance(one.this, exp.Schema) for one in partitions):
        return contract(f"creates the partition {name} with rules of its own")
    source = node.expression
    if not all(isinstance(one, _MADE_WITH) for one in found) or (
        source is not None and (not isinstance(source, (exp.Query, exp.Values)) or source.find(*CHANGES))
    ):
        return unknown(f"creates {named('table', name)} in a way that is not understood")
    if source is not None and calls(source):
        return unknown(f"calls the function {calls(source)}")
    key = key_of(node.this, scope.dialect)
    if not node.args.get("exists") and not partitions and name:
        scope.tables.add(key)
    if bound := scope.bound(key, node):
        return contract(
            f"creates {named('table', name)}, which refers to {', '.join(bound)}: "
            "the older code cannot delete a row that is referred to"
        )
    return expand(f"creates {named('table', name)}")


def _view(node: exp.Create, name: str) -> Step:
    if node.args.get("replace"):
        return contract(f"gives {named('view', name)} another meaning")
    source = node.expression
    if source is not None and (calls(source) or source.find(*CHANGES)):
        return unknown(f"creates {named('view', name)} from something that may change data")
    return expand(f"creates {named('view', name)}")


def drop(node: exp.Drop, scope: Scope, table: str = "") -> Iterator[Step]:
    kind = str(node.args.get("kind") or "thing").upper()
    things = node.args.get("tables") or [node.this]
    for thing in things:
        name = name_of(thing)
        key = key_of(thing, scope.dialect)
        if kind == "TABLE" and key in scope.tables and not node.args.get("cascade"):
            scope.tables.discard(key)
            scope.bindings.forget(key)
            yield expand(f"drops {named('table', name)}, which this migration made")
            continue
        full = f"{table}.{name}" if table and kind == "COLUMN" else name
        on = f" of {table}" if table and kind != "COLUMN" else ""
        loses = _LOSES.get(kind, "").format(full or "it")
        yield contract(f"drops {named(kind.lower(), full)}{on}", loses)


def alter(node: exp.Alter, scope: Scope) -> Iterator[Step]:
    kind = str(node.args.get("kind") or "").upper()
    table = name_of(node.this)
    actions = node.args.get("actions") or []
    renames = [action for action in actions if isinstance(action, exp.AlterRename)]
    if renames:
        yield contract(f"renames {named(kind.lower(), table)} or a part of it")
    if kind != "TABLE":
        if not renames or len(actions) != len(renames):
            yield unknown(f"alters {named(kind.lower() or 'thing', table)}")
        return
    for action in actions:
        if not isinstance(action, exp.AlterRename):
            yield from _of_new(_action(table, action, scope), node, action, scope)
    for option in node.args.get("options") or ():
        if not (renames and isinstance(option, exp.ToTableProperty)):
            yield _option(table, option)
    if not actions and not node.args.get("options"):
        yield unknown(f"alters {named('table', table)}")


def _of_new(steps: Iterator[Step], node: exp.Alter, action: exp.Expr, scope: Scope) -> Iterator[Step]:
    """What happens to a table that this migration made cannot disturb the older code, unless it binds others."""
    key = key_of(node.this, scope.dialect)
    if key not in scope.tables:
        yield from steps
        return
    if bound := scope.bound(key, action):
        yield contract(
            f"binds {', '.join(bound)} by {name_of(node.this)}: the older code cannot delete a row that is referred to"
        )
    for step in steps:
        yield step if step.effect is Effect.UNKNOWN and not _is_default(action) else expand(step.does)


def _is_default(action: exp.Expr) -> bool:
    default = action.args.get("default") if isinstance(action, exp.AlterColumn) else None
    return isinstance(default, exp.Expr) and plain_default(default)


def _action(table: str, action: exp.Expr, scope: Scope) -> Iterator[Step]:
    if isinstance(action, exp.ColumnDef):
        yield added_column(table, action, scope.types)
    elif isinstance(action, exp.AddConstraint):
        yield from (added_constraint(table, one) for one in action.expressions)
    elif isinstance(action, exp.Drop):
        yield from drop(action, Scope(scope.dialect), table)
    elif isinstance(action, exp.AlterColumn):
        yield _altered(table, action)
    elif isinstance(action, exp.AlterSet):
        yield _storage(table, action)
    else:
        yield _renamed(table, action)


def _renamed(table: str, action: exp.Expr) -> Step:
    if isinstance(action, exp.ModifyColumn):
        column, former = action.this.name, action.args.get("rename_from")
        if former is None or former.name.lower() == column.lower():
            lost = f"values of {table}.{column} that do not fit"
            return contract(f"defines the column {table}.{column} anew", lost)
        return contract(f"renames the column {table}.{former.name} to {column}")
    if isinstance(action, exp.RenameColumn):
        return contract(f"renames the column {table}.{name_of(action.this)}")
    if isinstance(action, exp.RenameIndex):
        return contract(f"renames the index {name_of(action.this)} of {table}")
    if isinstance(action, exp.DropPrimaryKey):
        return contract(f"drops the primary key of {table}")
    return unknown(f"does something to {named('table', table)} that is not understood")


def _altered(table: str, action: exp.AlterColumn) -> Step:
    column = f"{table}.{name_of(action.this)}"
    said = {key for key, value in action.args.items() if value not in (None, False) and key != "this"}
    if action.args.get("dtype") is not None:
        return contract(f"changes the type of {column}", f"values of {column} that do not fit")
    demands = action.args.get("allow_null") is False
    if demands or said == {"drop"}:
        return contract(f"demands a value in {column}" if demands else f"drops the default of {column}")
    if said == {"allow_null", "drop"}:
        return expand(f"lets {column} be empty, so the older code may meet empty values")
    default = action.args.get("default")
    if said == {"default"} and isinstance(default, exp.Expr) and plain_default(default):
        nothing = isinstance(default, exp.Null)
        if not nothing and may_refer(name_of(action.this)):
            return unknown(f"gives {column} a default, which may be no row of the table that it refers to")
        return contract(f"drops the default of {column}") if nothing else expand(f"gives {column} a default")
    return unknown(f"changes {column} in a way that is not understood")


def _storage(table: str, action: exp.AlterSet) -> Step:
    options = [one.this.name.lower() for one in action.expressions if isinstance(one, exp.EQ)]
    others = [key for key, value in action.args.items() if value and key != "expressions"]
    if (
        options
        and not others
        and len(options) == len(action.expressions)
        and all(one.startswith(_STORAGE) for one in options)
    ):
        return expand(f"tunes the storage of {table}")
    return unknown(f"sets something of {named('table', table)} that is not understood")


def _is_near_the_end(number: object) -> bool:
    return not isinstance(number, exp.Literal) or not number.is_int or int(number.name) >= _FULL


def _option(table: str, option: exp.Expr) -> Step:
    if isinstance(option, exp.AutoIncrementProperty) and _is_near_the_end(option.this):
        return unknown(f"lets {table} count on near the end of its numbers")
    if isinstance(option, _OPTIONS):
        return expand(f"sets an option of {table}")
    if isinstance(option, exp.EngineProperty):
        if option.name.lower() == "innodb":
            return expand(f"rebuilds {table}")
        return contract(f"stores {table} with another engine")
    return unknown(f"sets an option of {table} that is not understood")
