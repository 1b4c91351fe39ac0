"""The ledger of versions: which were seen, which served well, which must not come back."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update

from bot.domain.base import Version
from bot.domain.releases import Standing
from bot.store.scope import Scope
from bot.store.tables import ReleaseRow, table

_T = table(ReleaseRow)


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """What is remembered of a version. `quarantined_by` is an incident's id, None once the quarantine is lifted."""

    version: Version
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    last_good_at: datetime | None = None
    quarantined_at: datetime | None = None
    quarantined_by: str | None = None
    lifted_at: datetime | None = None
    lifted_by: str | None = None

    @property
    def standing(self) -> Standing:
        if self.quarantined_at is not None:
            return Standing.QUARANTINED
        return Standing.UNKNOWN if self.last_good_at is None else Standing.GOOD


class Releases:
    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def saw(self, service: str, version: Version, at: datetime, *, good: bool | None) -> None:
        """`version` answered at `at`; `good` is None where that is not known. A quarantine stays."""
        record = self._lock(service, version)
        changes: dict[str, Any] = {
            "first_seen": _earlier(record.first_seen, at),
            "last_seen": _later(record.last_seen, at),
        }
        if good:
            changes["last_good_at"] = _later(record.last_good_at, at)
        self._change(service, version, **changes)

    def quarantine(self, service: str, version: Version, incident_id: str, at: datetime) -> None:
        """It must not be chosen again. The first incident that said so is kept."""
        if self._lock(service, version).quarantined_at is None:
            self._change(
                service,
                version,
                quarantined_at=at,
                quarantined_by=incident_id,
                lifted_at=None,
                lifted_by=None,
            )

    def lift(self, service: str, version: Version, by: str, at: datetime) -> None:
        """`by` vouches for it again. Where there is no quarantine, nothing happens."""
        if self._lock(service, version).quarantined_at is not None:
            self._change(
                service, version, quarantined_at=None, quarantined_by=None, lifted_at=at, lifted_by=by
            )

    def all(self, service: str) -> dict[Version, ReleaseRecord]:
        rows = self._scope.connection.execute(
            select(_T).where(_T.c.service == service).order_by(_T.c.version)
        )
        return {row.version: _record(row) for row in rows}

    def _lock(self, service: str, version: Version) -> ReleaseRecord:
        """The record, locked; made first where there is none."""
        same = (_T.c.service == service, _T.c.version == version)
        statement = self._scope.locked(select(_T).where(*same))
        row = self._scope.connection.execute(statement).one_or_none()
        if row is None:
            self._scope.connection.execute(insert(_T), {"service": service, "version": version})
            return ReleaseRecord(version=version)
        return _record(row)

    def _change(self, service: str, version: Version, **changes: Any) -> None:
        same = (_T.c.service == service, _T.c.version == version)
        self._scope.connection.execute(update(_T).where(*same).values(**changes))


def _record(row: Any) -> ReleaseRecord:
    return ReleaseRecord(
        version=row.version,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        last_good_at=row.last_good_at,
        quarantined_at=row.quarantined_at,
        quarantined_by=row.quarantined_by,
        lifted_at=row.lifted_at,
        lifted_by=row.lifted_by,
    )


def _earlier(known: datetime | None, at: datetime) -> datetime:
    return at if known is None else min(known, at)


def _later(known: datetime | None, at: datetime) -> datetime:
    return at if known is None else max(known, at)
