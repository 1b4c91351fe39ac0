"""The quarantine of exact shapes: the same image may be well with other settings."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from bot.domain.quarantine import BadShape
from bot.store.scope import Scope
from bot.store.tables import BadShapeRow, table

_T = table(BadShapeRow)


@dataclass(frozen=True, slots=True)
class BadShapeRecord:
    """A shape that must not be chosen again. `quarantined_by` is an incident's id."""

    shape: BadShape
    quarantined_at: datetime
    quarantined_by: str


class BadShapes:
    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def quarantine(self, service: str, shape: BadShape, incident_id: str, at: datetime) -> None:
        """It must not be chosen again. The first incident that said so since it was last lifted is kept."""
        statement = self._scope.insert(_T)
        new = statement.excluded
        statement = statement.on_conflict_do_update(
            index_elements=["service", "component", "ref"],
            set_={
                "version": new.version,
                "quarantined_at": new.quarantined_at,
                "quarantined_by": new.quarantined_by,
                "lifted_at": None,
                "lifted_by": None,
            },
            where=_T.c.quarantined_at.is_(None),
        )
        row = {"service": service, "component": shape.component, "ref": shape.ref, "version": shape.version}
        self._scope.connection.execute(
            statement, {**row, "quarantined_at": at, "quarantined_by": incident_id}
        )

    def lift(self, service: str, shape: BadShape, by: str, at: datetime) -> None:
        """`by` vouches for it again. Where there is no quarantine, nothing happens."""
        same = (_T.c.service == service, _T.c.component == shape.component, _T.c.ref == shape.ref)
        changes = {"quarantined_at": None, "quarantined_by": None, "lifted_at": at, "lifted_by": by}
        self._scope.connection.execute(
            update(_T).where(*same, _T.c.quarantined_at.is_not(None)).values(**changes)
        )

    def all(self, service: str) -> tuple[BadShapeRecord, ...]:
        """Those in quarantine, by component and name."""
        rows = self._scope.connection.execute(
            select(_T)
            .where(_T.c.service == service, _T.c.quarantined_at.is_not(None))
            .order_by(_T.c.component, _T.c.version, _T.c.ref)
        )
        return tuple(
            BadShapeRecord(
                shape=BadShape(component=row.component, ref=row.ref, version=row.version),
                quarantined_at=row.quarantined_at,
                quarantined_by=row.quarantined_by,
            )
            for row in rows
        )
