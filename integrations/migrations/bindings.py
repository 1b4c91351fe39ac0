"""Foreign keys of the tables that a migration makes, and which of them keep the older code from deleting its rows."""

from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

OnDelete = Literal["refuses", "cascades", "empties"]


def on_delete(said: str) -> OnDelete:
    """`said` as SQL or a tool's language has it.

    SET DEFAULT counts as a refusal: InnoDB knows none, and the default has to be a row that is there.
    """
    words = said.upper().replace("_", " ").strip()
    if words == "CASCADE":
        return "cascades"
    return "empties" if words in ("SET NULL", "NULLIFY") else "refuses"


@dataclass(frozen=True)
class Binding:
    """`columns` of `table` refer to `targeted` (empty: its primary key) of `target`."""

    table: str
    target: str
    columns: tuple[str, ...]
    deletes: OnDelete
    targeted: tuple[str, ...] = ()


ANY = "*"


class Bindings:
    """Grows with the migration.

    A table that was made and cascades from an older one loses rows with it, so whatever holds its rows holds those of
    the older one, too.
    """

    def __init__(self) -> None:
        self._all: list[Binding] = []
        self._demanded: defaultdict[str, set[str]] = defaultdict(set)
        self._told: set[tuple[str, str]] = set()

    def add(self, bindings: Iterable[Binding]) -> None:
        self._all += bindings

    def forget(self, table: str) -> None:
        self._all = [one for one in self._all if one.table != table]
        self._demanded.pop(table, None)

    def demand(self, table: str, columns: Iterable[str]) -> None:
        """`columns` (ANY: it is not known which) may never be empty, so ON DELETE SET NULL fails over them."""
        self._demanded[table].update(columns)

    def bound(self, made: AbstractSet[str]) -> list[str]:
        """The tables whose rows are held now and were not when this was last asked; `made` are the migration's own."""
        swept = self._swept(made)
        emptied = {
            (one.table, column)
            for one in self._all
            if self._deletes(one) == "empties" and _from_old(one, made, swept)
            for column in one.columns
        }
        found = []
        for one in self._all:
            refused = self._deletes(one) == "refuses" and _from_old(one, made, swept)
            pair = (one.table, one.target)
            if (
                refused or any((one.target, column) in emptied for column in one.targeted)
            ) and pair not in self._told:
                self._told.add(pair)
                found.append(one.target)
        return list(dict.fromkeys(found))

    def _deletes(self, one: Binding) -> OnDelete:
        demanded = self._demanded.get(one.table, set())
        stuck = not one.columns or ANY in demanded or bool(demanded & set(one.columns))
        return "refuses" if one.deletes == "empties" and stuck else one.deletes

    def _swept(self, made: AbstractSet[str]) -> set[str]:
        """Tables of the migration whose rows go when the older code deletes rows of its own."""
        swept: set[str] = set()
        while True:
            more = {
                one.table
                for one in self._all
                if one.deletes == "cascades" and _from_old(one, made, swept) and one.table not in swept
            }
            if not more:
                return swept
            swept |= more


def _from_old(one: Binding, made: AbstractSet[str], swept: AbstractSet[str]) -> bool:
    return one.target in swept or (one.target not in made and one.target != one.table)
