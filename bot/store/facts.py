"""Small JSON values by name: cursors and flags."""

from typing import Any

from sqlalchemy import select

from bot.store import codec
from bot.store.scope import Scope
from bot.store.tables import FactRow, table

_T = table(FactRow)


class Facts:
    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def get(self, key: str) -> Any:
        """The value, or None where nothing was set."""
        text = self._scope.connection.execute(select(_T.c.value).where(_T.c.key == key)).scalar()
        return None if text is None else codec.loads(text)

    def set(self, key: str, value: Any) -> None:
        statement = self._scope.insert(_T)
        statement = statement.on_conflict_do_update(
            index_elements=["key"], set_={"value": statement.excluded.value}
        )
        self._scope.connection.execute(statement, {"key": key, "value": codec.dumps(value)})
