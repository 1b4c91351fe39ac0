"""What a repository works with: a connection inside a transaction, and the time."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, Table
from sqlalchemy.dialects import postgresql, sqlite

from bot.store.errors import Missing


@dataclass(frozen=True, slots=True)
class Scope:
    """`writes` is False in a unit of work that only reads."""

    connection: Connection
    clock: Callable[[], datetime]
    writes: bool

    @property
    def postgres(self) -> bool:
        return self.connection.dialect.name == "postgresql"

    def locked(self, statement: Select[Any]) -> Select[Any]:
        """In a unit that writes, what it read stays as it is until the commit.

        SQLite needs no more than its single writer; PostgreSQL locks the row.
        """
        return statement.with_for_update() if self.writes else statement

    def insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT that can say ON CONFLICT, in the dialect at hand."""
        return postgresql.insert(table) if self.postgres else sqlite.insert(table)


def found(row: Any | None, what: str) -> Any:
    """Raises Missing with a sentence where there is no row."""
    if row is None:
        raise Missing(f"There is no {what} in the store.")
    return row
