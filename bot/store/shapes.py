"""The shapes that components were seen in: what can be brought back although the target has forgotten it."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, delete, or_, select, tuple_, update

from bot.domain.base import Version
from bot.ports.memory import Shape
from bot.store.scope import Scope
from bot.store.tables import ShapeRow, table

_T = table(ShapeRow)
_NEXT = timedelta(microseconds=1)


class Shapes:
    """Specs may hold secrets: they are given to adapters only, and no statement's parameters are ever logged."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def keep(
        self, service: str, component: str, ref: str, version: Version, spec: str, *, at: datetime
    ) -> None:
        """This shape is current at `at`. Where another one was current last, it is so from now on."""
        newest = self._scope.connection.execute(
            self._scope.locked(_newest_first(service, component).limit(1))
        ).one_or_none()
        lasting = newest is not None and newest.ref == ref
        if newest is not None:
            # Whatever the clock does, the present shape stays the newest one.
            at = max(at, newest.last_at if lasting else newest.last_at + _NEXT)
        statement = self._scope.insert(_T)
        new = statement.excluded
        changed = {"version": new.version, "spec": new.spec, "last_at": new.last_at}
        if not lasting:
            changed["since_at"] = new.since_at
        statement = statement.on_conflict_do_update(
            index_elements=["service", "component", "ref"], set_=changed
        )
        row = {"service": service, "component": component, "ref": ref, "version": version, "spec": spec}
        self._scope.connection.execute(statement, {**row, "first_at": at, "since_at": at, "last_at": at})

    def good(self, service: str, component: str, ref: str, at: datetime) -> None:
        """The service served well in this shape at `at`. Nothing happens where it is not remembered."""
        earlier = or_(_T.c.good_at.is_(None), _T.c.good_at < at)
        same = (_T.c.service == service, _T.c.component == component, _T.c.ref == ref)
        self._scope.connection.execute(update(_T).where(*same, earlier).values(good_at=at))

    def all(self, service: str, component: str) -> tuple[Shape, ...]:
        """The one that was current last first."""
        rows = self._scope.connection.execute(_newest_first(service, component))
        return tuple(_shape(row) for row in rows)

    def find(self, service: str, component: str, ref: str) -> Shape | None:
        row = self._scope.connection.execute(
            select(_T).where(_T.c.service == service, _T.c.component == component, _T.c.ref == ref)
        ).one_or_none()
        return None if row is None else _shape(row)

    def since(self, service: str, component: str, ref: str) -> datetime | None:
        """Since when `ref` has been current without a break, as far as anybody looked; None where it is not."""
        newest = self._scope.connection.execute(_newest_first(service, component).limit(1)).one_or_none()
        return newest.since_at if newest is not None and newest.ref == ref else None

    def prune(self, good_before: datetime, *, keep: int, limit: int = 10_000) -> int:
        """Forget all but the newest `keep` of each component, and those seen good since `good_before`.

        Returns how many, `limit` at most.
        """
        forgotten, at = 0, ("", "")
        while forgotten < limit:
            here = (_T.c.service, _T.c.component)
            beyond = select(*here).where(tuple_(*here) > tuple_(*at)).order_by(*here).limit(1)
            found = self._scope.connection.execute(beyond).one_or_none()
            if found is None:
                break
            at = (found.service, found.component)
            forgotten += self._prune(*at, good_before, keep, limit - forgotten)
        return forgotten

    def _prune(self, service: str, component: str, good_before: datetime, keep: int, limit: int) -> int:
        mine = (_T.c.service == service, _T.c.component == component)
        stale = or_(_T.c.good_at.is_(None), _T.c.good_at < good_before)
        spared = _newest_first(service, component).with_only_columns(_T.c.ref).limit(keep)
        old = select(_T.c.ref).where(*mine, stale, _T.c.ref.not_in(spared)).limit(limit)
        return self._scope.connection.execute(delete(_T).where(*mine, _T.c.ref.in_(old))).rowcount


def _newest_first(service: str, component: str) -> Select[Any]:
    mine = select(_T).where(_T.c.service == service, _T.c.component == component)
    return mine.order_by(_T.c.last_at.desc())


def _shape(row: Row[Any]) -> Shape:
    return Shape(
        ref=row.ref,
        version=row.version,
        spec=row.spec,
        first_at=row.first_at,
        last_at=row.last_at,
        good_at=row.good_at,
    )
