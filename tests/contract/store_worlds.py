"""What the store's tests are told with: incidents, a clock, and somebody with the database's password."""

from datetime import UTC, datetime, timedelta
from typing import Any

from bot.domain import events as e
from bot.domain.incident import Incident
from bot.domain.lifecycle import evolve
from bot.domain.severity import Severity
from bot.store import Store

START = datetime(2026, 11, 24, 9, 30, 0, 123456, tzinfo=UTC)


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **delta: float) -> datetime:
        self.now += timedelta(**delta)
        return self.now


def declared(
    incident_id: str = "inc-1", service: str = "shop", *, channel: str | None = None, at: datetime = START
) -> Incident:
    """An open incident, as its first events leave it."""
    incident = evolve(
        None,
        e.IncidentDeclared(at=at, by="U1", incident_id=incident_id, service=service, source_channel=None),
    )
    if channel is None:
        return incident
    return evolve(incident, e.ChannelOpened(at=at, channel_id=channel, name=incident_id))


def graver(incident: Incident) -> Incident:
    """One event further."""
    return evolve(incident, e.SeveritySet(at=START, by="U1", severity=Severity.HIGH))


def closed(incident: Incident, at: datetime = START) -> Incident:
    return evolve(incident, e.IncidentClosed(at=at, by="U1"))


def run_sql(store: Store, *statements: str) -> list[Any]:
    """What somebody with the database's password can do. Returns the last statement's rows."""
    rows: list[Any] = []
    with store._database.writer.begin() as connection:
        for statement in statements:
            result = connection.exec_driver_sql(statement)
            rows = list(result) if result.returns_rows else []
    return rows
