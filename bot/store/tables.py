"""The tables. Rows never leave this package: its repositories take and give values of the domain.

Columns that hold JSON are plain text (`bot.store.codec`); times are whole microseconds in UTC.
"""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, Table, Text, text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from bot.store.codec import Instant

# SQLite numbers rows by itself only where the key is declared INTEGER.
_ID = BigInteger().with_variant(Integer, "sqlite")


def _where(condition: str) -> dict[str, Any]:
    """A partial index, in both dialects."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


class Row(SQLModel, registry=registry()):
    """The base of all tables; its registry keeps them apart from other libraries' SQLModel tables."""


class IncidentRow(Row, table=True):
    """`state` is the incident's JSON; `head_seq` and `head_hash` are where its timeline ends."""

    __tablename__ = "kaeru_incident"
    __table_args__: ClassVar[Any] = (
        Index("kaeru_incident_one_open", "service", unique=True, **_where("status <> 'closed'")),
        Index("kaeru_incident_open", "declared_at", "id", **_where("status <> 'closed'")),
        Index("kaeru_incident_newest", "declared_at", "id"),
        Index("kaeru_incident_service_newest", "service", "declared_at", "id"),
        Index("kaeru_incident_channel", "channel_id", unique=True, **_where("channel_id IS NOT NULL")),
    )

    id: str = Field(primary_key=True)
    service: str
    status: str
    channel_id: str | None = None
    declared_at: datetime = Field(sa_type=Instant)
    closed_at: datetime | None = Field(default=None, sa_type=Instant)
    length: int
    state: str = Field(sa_type=Text)
    head_seq: int = Field(sa_type=BigInteger)
    head_hash: str


class TimelineRow(Row, table=True):
    """One sealed entry. `words` is for search only; `source` tells a repetition."""

    __tablename__ = "kaeru_timeline"
    __table_args__: ClassVar[Any] = (
        Index("kaeru_timeline_source", "incident_id", "source", unique=True, **_where("source IS NOT NULL")),
        Index("kaeru_timeline_slack", "incident_id", "slack_ts", **_where("slack_ts IS NOT NULL")),
        Index("kaeru_timeline_kind", "incident_id", "kind", "seq"),
    )

    incident_id: str = Field(primary_key=True, foreign_key="kaeru_incident.id")
    seq: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    at: datetime = Field(sa_type=Instant)
    recorded_at: datetime = Field(sa_type=Instant)
    kind: str
    actor: str
    slack_ts: str | None = None
    body: str = Field(sa_type=Text)
    words: str = Field(sa_type=Text)
    source: str | None = Field(default=None, sa_type=Text)
    prev_hash: str
    hash: str


class InboxRow(Row, table=True):
    """Something that came in. `state`: new, done, dead."""

    __tablename__ = "kaeru_inbox"
    __table_args__: ClassVar[Any] = (
        Index("kaeru_inbox_new", "id", **_where("state = 'new'")),
        Index("kaeru_inbox_new_kind", "kind", "id", **_where("state = 'new'")),
        Index("kaeru_inbox_done", "done_at", **_where("state = 'done'")),
        Index("kaeru_inbox_dead", "id", **_where("state = 'dead'")),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=_ID)
    key: str = Field(unique=True)
    kind: str
    body: str = Field(sa_type=Text)
    state: str
    attempts: int
    reason: str = Field(sa_type=Text)
    received_at: datetime = Field(sa_type=Instant)
    done_at: datetime | None = Field(default=None, sa_type=Instant)


class OutboxRow(Row, table=True):
    """What Slack shall show in one slot. `state`: pending, sending, idle, dead."""

    __tablename__ = "kaeru_outbox"
    __table_args__: ClassVar[Any] = (
        Index("kaeru_outbox_slot", "lane", "slot", unique=True),
        Index("kaeru_outbox_new", "lane", "id", **_where("state = 'pending' AND sent_revision = 0")),
        Index("kaeru_outbox_edit", "next_at", "id", **_where("state = 'pending' AND sent_revision > 0")),
        Index("kaeru_outbox_sending", "id", "lane", **_where("state = 'sending'")),
        Index("kaeru_outbox_dead", "id", **_where("state = 'dead'")),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=_ID)
    lane: str
    slot: str
    incident_id: str | None = Field(default=None, foreign_key="kaeru_incident.id")
    operation: str = Field(sa_type=Text)
    needs_channel: bool
    state: str
    revision: int
    claimed_revision: int
    sent_revision: int
    attempts: int
    next_at: datetime = Field(sa_type=Instant)
    sending_since: datetime | None = Field(default=None, sa_type=Instant)
    result: str | None = Field(default=None, sa_type=Text)
    error: str = Field(sa_type=Text)


class ReleaseRow(Row, table=True):
    """What is remembered of one version of one service."""

    __tablename__ = "kaeru_release"

    service: str = Field(primary_key=True)
    version: str = Field(primary_key=True)
    first_seen: datetime | None = Field(default=None, sa_type=Instant)
    last_seen: datetime | None = Field(default=None, sa_type=Instant)
    last_good_at: datetime | None = Field(default=None, sa_type=Instant)
    quarantined_at: datetime | None = Field(default=None, sa_type=Instant)
    quarantined_by: str | None = None
    lifted_at: datetime | None = Field(default=None, sa_type=Instant)
    lifted_by: str | None = None


class ShapeRow(Row, table=True):
    """What a component looked like; `spec` may hold secrets. `since_at` begins the latest stretch as the current one."""

    __tablename__ = "kaeru_shape"
    __table_args__: ClassVar[Any] = (Index("kaeru_shape_newest", "service", "component", "last_at"),)

    service: str = Field(primary_key=True)
    component: str = Field(primary_key=True)
    ref: str = Field(primary_key=True)
    version: str
    spec: str = Field(sa_type=Text, repr=False)
    first_at: datetime = Field(sa_type=Instant)
    since_at: datetime = Field(sa_type=Instant)
    last_at: datetime = Field(sa_type=Instant)
    good_at: datetime | None = Field(default=None, sa_type=Instant)


class BadShapeRow(Row, table=True):
    """The quarantine of one shape; it outlives what is remembered of the shape. `version` is its exact name."""

    __tablename__ = "kaeru_bad_shape"

    service: str = Field(primary_key=True)
    component: str = Field(primary_key=True)
    ref: str = Field(primary_key=True)
    version: str
    quarantined_at: datetime | None = Field(default=None, sa_type=Instant)
    quarantined_by: str | None = None
    lifted_at: datetime | None = Field(default=None, sa_type=Instant)
    lifted_by: str | None = None


class ProbeRow(Row, table=True):
    """One probe. The probes of one round share `round`, the microseconds at which it began."""

    __tablename__ = "kaeru_probe"
    __table_args__: ClassVar[Any] = (
        Index("kaeru_probe_window", "service", "at"),
        Index("kaeru_probe_round", "service", "round"),
        Index("kaeru_probe_version", "service", "version", "endpoint", "at"),
        Index("kaeru_probe_bad", "service", "at", **_where("NOT ok")),
        Index("kaeru_probe_old", "at", **_where("incident_id IS NULL")),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=_ID)
    service: str
    incident_id: str | None = None
    round: int = Field(sa_type=BigInteger)
    endpoint: str
    at: datetime = Field(sa_type=Instant)
    ok: bool
    status: int | None = None
    latency_ms: float | None = None
    version: str | None = None
    error: str


class DocumentRow(Row, table=True):
    """Content by its SHA-256."""

    __tablename__ = "kaeru_document"

    ref: str = Field(primary_key=True)
    media_type: str
    content: bytes = Field(sa_type=LargeBinary)


class FactRow(Row, table=True):
    """A small JSON value by its name."""

    __tablename__ = "kaeru_fact"

    key: str = Field(primary_key=True)
    value: str = Field(sa_type=Text)


class CounterRow(Row, table=True):
    __tablename__ = "kaeru_counter"

    name: str = Field(primary_key=True)
    value: int = Field(sa_type=BigInteger)


class SchemaRow(Row, table=True):
    """One line: the version of the schema."""

    __tablename__ = "kaeru_schema"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    version: int


def table(row: type[Row]) -> Table:
    """The SQLAlchemy table of a row class."""
    return Row.metadata.tables[str(row.__tablename__)]
