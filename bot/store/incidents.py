"""The incidents as they stand, one row each."""

import re
from datetime import date
from typing import Any

from sqlalchemy import Row, bindparam, insert, literal_column, select, update
from sqlalchemy.exc import IntegrityError

from bot.domain.incident import Incident
from bot.domain.timeline import GENESIS
from bot.store.errors import AlreadyOpen, Stale
from bot.store.scope import Scope, found
from bot.store.tables import CounterRow, IncidentRow, table

_T = table(IncidentRow)
_COUNTERS = table(CounterRow)
# A literal, not a parameter: only so does the partial index apply.
_OPEN = _T.c.status != literal_column("'closed'")
_BY_ID = select(_T.c.state).where(_T.c.id == bindparam("id"))
_BY_CHANNEL = select(_T.c.state).where(_T.c.channel_id == bindparam("channel_id"))
_OPEN_FOR = select(_T.c.state).where(_T.c.service == bindparam("service"), _OPEN)

# "inc-20261124-" + this + "-17" + what Slack's taken names add stays well below 80 characters.
_SLUG_LENGTH = 48


class Incidents:
    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._lengths: dict[str, int] = {}

    def add(self, incident: Incident) -> None:
        """Raises AlreadyOpen where the service has an open incident, or the id is taken."""
        running = self.open_for(incident.service) if incident.is_open else None
        if running is not None:
            raise AlreadyOpen(
                f"{incident.service} has an open incident already: {running.id}. Join that one."
            )
        row = {"id": incident.id, "head_seq": 0, "head_hash": GENESIS, **_columns(incident)}
        try:
            self._scope.connection.execute(insert(_T), row)
        except IntegrityError as error:
            raise AlreadyOpen(
                f"{incident.id} cannot be added: its id, its channel, or the place of "
                f"{incident.service}'s open incident is taken. Look for the one that is there."
            ) from error
        self._lengths[incident.id] = incident.length

    def save(self, incident: Incident, *, expected: int | None = None) -> None:
        """Replace the row, if it still has the length from which `incident` evolved.

        That is the length that this unit of work last read, unless `expected` names it. Raises Stale,
        Missing, and ValueError where neither is known.
        """
        before = self._lengths.get(incident.id) if expected is None else expected
        if before is None:
            raise ValueError(
                f"{incident.id} was not read in this unit of work. Read it there, or pass the expected length."
            )
        statement = update(_T).where(_T.c.id == bindparam("the_id"), _T.c.length == bindparam("before"))
        result = self._scope.connection.execute(
            statement, {"the_id": incident.id, "before": before, **_columns(incident)}
        )
        if result.rowcount == 0:
            now_it_is = self.get(incident.id).length
            raise Stale(
                f"{incident.id} has {now_it_is} events by now, not {before}. Read it again and decide again."
            )
        self._lengths[incident.id] = incident.length

    def get(self, incident_id: str) -> Incident:
        """Raises Missing."""
        return self._read(found(self._one(_BY_ID, id=incident_id), f"incident {incident_id}"))

    def find(self, incident_id: str) -> Incident | None:
        return self._maybe(self._one(_BY_ID, id=incident_id))

    def by_channel(self, channel_id: str) -> Incident | None:
        """The incident whose own channel this is."""
        return self._maybe(self._one(_BY_CHANNEL, channel_id=channel_id))

    def open_for(self, service: str) -> Incident | None:
        """The one incident of a service that is not closed."""
        return self._maybe(self._one(_OPEN_FOR, service=service))

    def list(self, *, open_only: bool, limit: int, service: str | None = None) -> tuple[Incident, ...]:
        """Newest first."""
        statement = select(_T.c.state).order_by(_T.c.declared_at.desc(), _T.c.id.desc()).limit(limit)
        if open_only:
            statement = statement.where(_OPEN)
        if service is not None:
            statement = statement.where(_T.c.service == service)
        rows = self._scope.connection.execute(statement)
        return tuple(Incident.model_validate_json(row.state) for row in rows)

    def next_id(self, service: str, day: date) -> str:
        """A fresh id such as `inc-20261124-shop-1`, usable as a channel name. Counts per service and day."""
        prefix = f"inc-{day:%Y%m%d}-{slug(service)}"
        statement = self._scope.insert(_COUNTERS).values(name=prefix, value=1)
        counted = statement.on_conflict_do_update(
            index_elements=["name"], set_={"value": _COUNTERS.c.value + 1}
        ).returning(_COUNTERS.c.value)
        return f"{prefix}-{self._scope.connection.execute(counted).scalar_one()}"

    def _one(self, statement: Any, **parameters: str) -> Row[Any] | None:
        return self._scope.connection.execute(self._scope.locked(statement), parameters).one_or_none()

    def _maybe(self, row: Row[Any] | None) -> Incident | None:
        return None if row is None else self._read(row)

    def _read(self, row: Row[Any]) -> Incident:
        incident = Incident.model_validate_json(row.state)
        self._lengths[incident.id] = incident.length
        return incident


def slug(service: str) -> str:
    """A service's name as channel names allow it."""
    return re.sub(r"[^a-z0-9]+", "-", service.lower()).strip("-")[:_SLUG_LENGTH].strip("-") or "service"


def _columns(incident: Incident) -> dict[str, Any]:
    return {
        "service": incident.service,
        "status": incident.status.value,
        "channel_id": incident.channel_id,
        "declared_at": incident.declared_at,
        "closed_at": incident.closed_at,
        "length": incident.length,
        "state": incident.model_dump_json(),
    }
