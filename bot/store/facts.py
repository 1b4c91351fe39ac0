"""Small JSON values by name: cursors and flags."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import bindparam, delete, select

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

    def keys(self, prefix: str, *, after: str = "", limit: int = 10_000) -> tuple[str, ...]:
        """Those that begin with `prefix`, in their order, from behind `after` on."""
        begins = _T.c.key.startswith(prefix, autoescape=True)
        statement = select(_T.c.key).where(begins, _T.c.key > after).order_by(_T.c.key).limit(limit)
        return tuple(self._scope.connection.execute(statement).scalars())

    def forget(self, keys: Iterable[str]) -> int:
        """Returns how many there were."""
        wanted = [{"gone": key} for key in keys]
        if wanted:
            self._scope.connection.execute(delete(_T).where(_T.c.key == bindparam("gone")), wanted)
        return len(wanted)

    def set(self, key: str, value: Any) -> None:
        statement = self._scope.insert(_T)
        statement = statement.on_conflict_do_update(
            index_elements=["key"], set_={"value": statement.excluded.value}
        )
        self._scope.connection.execute(statement, {"key": key, "value": codec.dumps(value)})
