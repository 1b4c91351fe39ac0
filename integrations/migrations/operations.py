"""Schema changes as the tools' own languages name them, with the same meaning that they have in SQL."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.migrations import Effect, Step
from integrations.migrations.bindings import Binding, Bindings, on_delete


@dataclass(frozen=True)
class Column:
    """A column as a tool's language describes it.

    `refers` is a table (`targeted` its columns, where they are said);
    `on_delete` what its database then does. A foreign key of several columns is one without a name, `of` them.
    """

    name: str
    nullable: bool = True
    default: bool = False
    """The database itself fills it with a plain value."""
    computed: bool = False
    unique: bool = False
    primary: bool = False
    refers: str = ""
    on_delete: str = ""
    targeted: tuple[str, ...] = ()
    of: tuple[str, ...] = ()
    checked: bool = False
    understood: bool = True

    @property
    def frees(self) -> bool:
        """Whether a row that this one refers to can still be deleted."""
        return on_delete(self.on_delete) == "empties"


def expand(does: str, loses: str = "") -> Step:
    return Step(effect=Effect.EXPAND, does=does, loses=loses)


def contract(does: str, loses: str = "") -> Step:
    return Step(effect=Effect.CONTRACT, does=does, loses=loses)


def data(does: str, loses: str = "") -> Step:
    return Step(effect=Effect.DATA, does=does, loses=loses)


def unknown(does: str) -> Step:
    return Step(effect=Effect.UNKNOWN, does=does)


class Schema:
    """The changes of one migration, in order; it remembers the tables that the migration itself has made."""

    def __init__(self) -> None:
        self._made: set[str] = set()
        self._bindings = Bindings()
        self._steps: list[Step] = []

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(self._steps)

    def add(self, *steps: Step) -> None:
        self._steps += steps

    def made(self, table: str) -> bool:
        """Whether the older code cannot know `table`."""
        return bool(table) and table in self._made

    def create_table(self, table: str, columns: list[Column], *, exists_ok: bool = False) -> None:
        if not exists_ok:
            self._made.add(table)
        if bound := self._bound(table, columns):
            self.add(
                contract(
                    f"creates the table {table}, which refers to {', '.join(bound)}: "
                    "the older code cannot delete a row that is referred to"
                )
            )
        elif not all(column.understood for column in columns):
            self.add(unknown(f"creates the table {table} in a way that is not understood"))
        else:
            self.add(expand(f"creates the table {table}"))

    def drop_table(self, table: str) -> None:
        if self.made(table):
            self._made.discard(table)
            self._bindings.forget(table)
            self.add(expand(f"drops the table {table}, which this migration made"))
        else:
            self.add(contract(f"drops the table {table}", f"the rows of {table}"))

    def add_column(self, table: str, column: Column) -> None:
        where = f"{table}.{column.name}"
        if self.made(table):
            if self._bound(table, [column]):
                self.add(contract(f"adds the column {where}, which refers to {column.refers}"))
            else:
                self.add(expand(f"adds the column {where}"))
        elif not column.understood:
            self.add(unknown(f"adds the column {where} in a way that is not understood"))
        elif reason := _refusal(column):
            self.add(contract(f"adds the column {where}, {reason}"))
        else:
            how = "with a default" if column.default else "which may be empty"
            self.add(expand(f"adds the column {where}, {how}"))

    def drop_column(self, table: str, column: str) -> None:
        where = f"{table}.{column}"
        if self.made(table):
            self.add(expand(f"drops the column {where}"))
        else:
            self.add(contract(f"drops the column {where}", f"the values of {where}"))

    def add_index(self, table: str, *, unique: bool = False, understood: bool = True) -> None:
        if self.made(table):
            self.add(expand(f"adds an index to {table}"))
        elif unique:
            self.add(contract(f"forbids equal rows in {table}, by a unique index"))
        elif not understood:
            self.add(unknown(f"adds an index to {table} that is not understood"))
        else:
            self.add(expand(f"adds an index to {table}"))

    def restrict(self, table: str, does: str, loses: str = "", *, demands: str = "") -> None:
        """Something that the older code may stumble over, unless it cannot know the table.

        `demands` is the column (ANY: it is not said which, see `bindings`) that may not be empty any more.
        """
        if not self.made(table):
            self.add(contract(does, loses))
            return
        if demands:
            self._bindings.demand(table, [demands.lower()])
        self._add_unless_bound(does)

    def add_foreign_key(
        self,
        table: str,
        target: str,
        does: str,
        *,
        columns: Sequence[str],
        deletes: str,
        targeted: Sequence[str] = (),
    ) -> None:
        if self.made(table):
            self._bindings.add([_binding(table, target, columns, deletes, targeted)])
            self._add_unless_bound(does)
        else:
            self.add(contract(does))

    def _add_unless_bound(self, does: str) -> None:
        if bound := self._bindings.bound(self._made):
            self.add(contract(f"{does}, so the older code cannot delete rows of {', '.join(bound)}"))
        else:
            self.add(expand(does))

    def _bound(self, table: str, columns: list[Column]) -> list[str]:
        demanded = [one.name for one in columns if not one.nullable or one.primary or one.checked]
        self._bindings.demand(table, [name.lower() for name in demanded])
        self._bindings.add(
            _binding(table, one.refers, one.of or (one.name,), one.on_delete, one.targeted)
            for one in columns
            if one.refers
        )
        return self._bindings.bound(self._made)


def _binding(
    table: str, target: str, columns: Sequence[str], deletes: str, targeted: Sequence[str] = ()
) -> Binding:
    known = tuple(name.lower() for name in columns if name)
    return Binding(table, target, known, on_delete(deletes), tuple(name.lower() for name in targeted))


def _refusal(column: Column) -> str:
    if column.computed:
        return "computed from others: a write may fail over it"
    if column.primary:
        return "a primary key"
    if not column.nullable and not column.default:
        return "which must have a value and has no default in the database"
    if column.unique and column.default:
        return "in which two rows may not have the same value"
    if column.refers and (column.default or not column.frees):
        return f"which refers to {column.refers}, whose rows can then no longer be deleted freely"
    return "with a check" if column.checked else ""
