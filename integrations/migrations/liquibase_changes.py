"""Liquibase's change types: what each does, and what running it backwards would destroy."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bot.domain.migrations import Step
from integrations.migrations.bindings import ANY
from integrations.migrations.operations import Column, Schema, contract, data, expand, unknown
from integrations.migrations.python import is_plain_sql
from integrations.migrations.sql import classify
from integrations.migrations.sql_names import Dialect, may_refer


@dataclass(frozen=True)
class Change:
    """One element: its name, its attributes, the elements in it, and its text."""

    kind: str
    settings: Mapping[str, str] = field(default_factory=dict)
    parts: tuple["Change", ...] = ()
    text: str = ""

    def __getitem__(self, name: str) -> str:
        return self.settings.get(name, "")


@dataclass(frozen=True)
class ChangeSet:
    id: str
    author: str
    changes: tuple[Change, ...]
    rollback: Change | None
    content: str
    repeatable: bool


@dataclass(frozen=True)
class Changes:
    """`undone` are the steps of the way back, where there is one."""

    steps: tuple[Step, ...]
    undone: tuple[Step, ...]
    reversible: bool


def read_change_set(one: ChangeSet, dialect: Dialect) -> Changes:
    up = _Reader(dialect)
    for change in one.changes:
        up.read(change)
    if one.rollback is None:
        return Changes(up.schema.steps, tuple(up.undone), up.reversible)
    down = _Reader(dialect)
    if one.rollback["changeSetId"]:
        down.schema.add(unknown("goes back by another changeset"))
    if one.rollback.parts:
        for change in one.rollback.parts:
            down.read(change)
    elif one.rollback.text:
        down.schema.add(*classify(one.rollback.text, dialect))
    return Changes(up.schema.steps, down.schema.steps, reversible=True)


class _Reader:
    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.schema = Schema()
        self.undone: list[Step] = []
        self.reversible = True

    def read(self, change: Change) -> None:
        if (
            any(part.kind in ("where", "modifySql", "param") for part in change.parts)
            and change.kind == "sql"
        ):
            self.strange(change)
            return
        reader = _CHANGES.get(change.kind, _Reader.strange)
        reader(self, change)
        self.reversible &= change.kind in _REVERSIBLE

    def strange(self, change: Change) -> None:
        self.schema.add(unknown(f"does something that is not understood ({change.kind})"))

    def create_table(self, change: Change) -> None:
        table = change["tableName"]
        self.schema.create_table(
            table, [self._column(part) for part in change.parts if part.kind == "column"]
        )
        self.undone.append(contract(f"drops the table {table}", f"the rows of {table}"))

    def add_column(self, change: Change) -> None:
        table = change["tableName"]
        for part in change.parts:
            column = self._column(part)
            self.schema.add_column(table, column)
            self.undone.append(
                contract(f"drops {table}.{column.name}", f"the values of {table}.{column.name}")
            )

    def _column(self, part: Change) -> Column:
        rules = next((one for one in part.parts if one.kind == "constraints"), Change("constraints"))
        defaults = {key: value for key, value in part.settings.items() if key.startswith("defaultValue")}
        computed = [
            value
            for key, value in defaults.items()
            if key in ("defaultValueComputed", "defaultValueSequenceNext")
        ]
        plain = all(is_plain_sql(value, self.dialect) for value in computed)
        nothing = [value.upper() for value in defaults.values()] == ["NULL"]
        refers = rules["references"].partition("(")[0] or rules["referencedTableName"]
        return Column(
            part["name"],
            nullable=rules["nullable"] != "false" and rules["notNullConstraintName"] == "",
            default=(bool(defaults) and not nothing) or part["autoIncrement"] == "true",
            unique=rules["unique"] == "true",
            primary=rules["primaryKey"] == "true",
            refers=refers,
            on_delete="cascade" if rules["deleteCascade"] == "true" else "",
            checked=bool(rules["checkConstraint"]),
            computed=part["computed"] == "true",
            understood=plain,
        )

    def drop_table(self, change: Change) -> None:
        self.schema.drop_table(change["tableName"])

    def drop_column(self, change: Change) -> None:
        names = [part["name"] for part in change.parts if part.kind == "column"] or [change["columnName"]]
        for name in names:
            self.schema.drop_column(change["tableName"], name)

    def create_index(self, change: Change) -> None:
        columns = [part for part in change.parts if part.kind == "column"]
        plain = all(part["name"].isidentifier() and part["computed"] != "true" for part in columns)
        self.schema.add_index(change["tableName"], unique=change["unique"] == "true", understood=plain)

    def foreign_key(self, change: Change) -> None:
        table, target = change["baseTableName"], change["referencedTableName"]
        self.schema.add_foreign_key(
            table,
            target,
            f"binds {table} to {target} by a foreign key",
            columns=_names(change["baseColumnNames"]),
            deletes="cascade" if change["deleteCascade"] == "true" else change["onDelete"],
            targeted=_names(change["referencedColumnNames"]),
        )

    def drop_not_null(self, change: Change) -> None:
        where = f"{change['tableName']}.{change['columnName']}"
        self.schema.add(expand(f"lets {where} be empty, so the older code may meet empty values"))
        self.undone.append(contract(f"demands a value in {where}", f"rows without a value in {where}"))

    def add_default(self, change: Change) -> None:
        where = f"{change['tableName']}.{change['columnName']}"
        computed = change["defaultValueComputed"]
        refers = may_refer(change["columnName"]) and not self.schema.made(change["tableName"])
        if refers or (computed and not is_plain_sql(computed, self.dialect)):
            self.strange(change)
        else:
            self.schema.add(expand(f"gives {where} a default"))

    def restrict(self, change: Change) -> None:
        table = change["tableName"] or change["oldTableName"] or change["baseTableName"]
        column = change["columnName"] or change["oldColumnName"]
        where = f"{table}.{column}" if column and "," not in column else table
        words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in change.kind)
        loses = f"values of {where} that do not fit" if change.kind == "modifyDataType" else ""
        self.schema.restrict(table, f"does to {where}: {words}", loses, demands=_demands(change))

    def rows(self, change: Change) -> None:
        table = change["tableName"]
        if (
            change.kind == "delete"
            and not any(part.kind == "where" for part in change.parts)
            and not change["where"]
        ):
            self.schema.add(contract(f"deletes every row of {table}", f"the rows of {table}"))
        elif change.kind == "delete":
            condition = change["where"] or next(part.text for part in change.parts if part.kind == "where")
            statement = f"DELETE FROM {table} WHERE {condition}"  # noqa: S608 - read, and never run
            self.schema.add(*classify(statement, self.dialect))
        elif (
            change.kind == "insert"
            and self.dialect == "postgres"
            and not self.schema.made(table)
            and any(part["name"].lower() == "id" for part in change.parts)
        ):
            self.schema.add(unknown(f"inserts rows into {table} with numbers of their own"))
        elif change.kind == "insert":
            self.schema.add(data(f"inserts rows into {table}"))
        else:
            self.schema.add(data(f"changes rows of {table}", f"earlier values in {table}"))

    def sql(self, change: Change) -> None:
        if change["endDelimiter"] or change["splitStatements"] == "false":
            self.strange(change)
        else:
            self.schema.add(*classify(change.text, self.dialect))

    def creates(self, change: Change) -> None:
        if change["replaceIfExists"] == "true":
            self.schema.add(contract("gives a view another meaning"))
        else:
            self.schema.add(expand(f"creates {change['viewName'] or change['sequenceName'] or 'something'}"))
            self.undone.append(contract("drops it again"))

    def nothing(self, _change: Change) -> None:
        return


def _names(listed: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in listed.split(",") if name.strip())


def _demands(change: Change) -> str:
    if change.kind == "addNotNullConstraint":
        return change["columnName"] or ANY
    return ANY if change.kind in ("addPrimaryKey", "addCheckConstraint") else ""


_RESTRICTING = (
    "addNotNullConstraint", "addUniqueConstraint", "addPrimaryKey", "addCheckConstraint", "renameTable", "renameColumn",
    "renameView", "modifyDataType", "dropDefaultValue", "dropUniqueConstraint", "dropPrimaryKey", "dropIndex",
    "dropForeignKeyConstraint", "dropAllForeignKeyConstraints", "dropView", "dropSequence", "dropCheckConstraint",
    "mergeColumns", "addLookupTable", "alterSequence", "dropProcedure", "renameSequence",
)  # fmt: skip
_CHANGES: dict[str, Callable[[_Reader, Change], None]] = {
    **dict.fromkeys(_RESTRICTING, _Reader.restrict),
    "createTable": _Reader.create_table,
    "addColumn": _Reader.add_column,
    "dropTable": _Reader.drop_table,
    "dropColumn": _Reader.drop_column,
    "createIndex": _Reader.create_index,
    "addForeignKeyConstraint": _Reader.foreign_key,
    "dropNotNullConstraint": _Reader.drop_not_null,
    "addDefaultValue": _Reader.add_default,
    "insert": _Reader.rows,
    "update": _Reader.rows,
    "delete": _Reader.rows,
    "loadData": _Reader.rows,
    "loadUpdateData": _Reader.rows,
    "sql": _Reader.sql,
    "createView": _Reader.creates,
    "createSequence": _Reader.creates,
    "setTableRemarks": _Reader.nothing,
    "setColumnRemarks": _Reader.nothing,
    "tagDatabase": _Reader.nothing,
    "empty": _Reader.nothing,
}
# What Liquibase runs backwards by itself.
_REVERSIBLE = frozenset(
    {"createTable", "addColumn", "createIndex", "addForeignKeyConstraint", "addNotNullConstraint", "dropNotNullConstraint",
     "addUniqueConstraint", "addPrimaryKey", "addDefaultValue", "renameTable", "renameColumn", "renameView", "createView",
     "createSequence", "setTableRemarks", "setColumnRemarks", "tagDatabase", "empty", "renameSequence"}
)  # fmt: skip
