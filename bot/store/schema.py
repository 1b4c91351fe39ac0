"""The schema: made where there is none, checked where there is one."""

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection, insert, inspect, select, update
from sqlalchemy.engine import Engine

from bot.domain.base import Version
from bot.domain.releases import shape_name, spoken
from bot.store.codec import loads
from bot.store.errors import SchemaTooNew
from bot.store.tables import BadShapeRow, IncidentRow, ReleaseRow, Row, SchemaRow, ShapeRow, table

_SCHEMA = table(SchemaRow)

# An arbitrary number that stands for "kaeru's schema" among a PostgreSQL server's advisory locks.
_LOCK = 0x6B616572

_SQLITE_TRIGGERS = tuple(
    f"CREATE TRIGGER kaeru_timeline_no_{verb.lower()} BEFORE {verb} ON kaeru_timeline "
    "BEGIN SELECT RAISE(ABORT, 'the timeline is append-only'); END"
    for verb in ("UPDATE", "DELETE")
)
_POSTGRES_TRIGGERS = (
    """
    CREATE FUNCTION kaeru_timeline_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the timeline is append-only'; END $$
    """,
    """
    CREATE TRIGGER kaeru_timeline_no_change BEFORE UPDATE OR DELETE ON kaeru_timeline
    FOR EACH ROW EXECUTE FUNCTION kaeru_timeline_is_append_only()
    """,
    """
    CREATE TRIGGER kaeru_timeline_no_truncate BEFORE TRUNCATE ON kaeru_timeline
    FOR EACH STATEMENT EXECUTE FUNCTION kaeru_timeline_is_append_only()
    """,
)


def _create(connection: Connection) -> None:
    later = {table(ShapeRow), table(BadShapeRow)}
    Row.metadata.create_all(connection, tables=[t for t in Row.metadata.sorted_tables if t not in later])
    postgres = connection.dialect.name == "postgresql"
    for statement in _POSTGRES_TRIGGERS if postgres else _SQLITE_TRIGGERS:
        connection.exec_driver_sql(statement)


def _remember_shapes(connection: Connection) -> None:
    table(ShapeRow).create(connection)


def _tell_bad_shapes_apart(connection: Connection) -> None:
    """Quarantined names of shapes (`v1.2.9+r3`) meant another one after a while: the incident knows which it was."""
    releases, incidents, bad = table(ReleaseRow), table(IncidentRow), table(BadShapeRow)
    bad.create(connection)
    quarantined = select(releases).where(releases.c.quarantined_at.is_not(None))
    for row in connection.execute(quarantined).all():
        if spoken(row.version) == row.version:
            continue
        by = select(incidents.c.state).where(incidents.c.id == row.quarantined_by)
        meant = set(_shapes_called(row.version, connection.execute(by).scalar_one_or_none()))
        same = {
            "service": row.service,
            "quarantined_at": row.quarantined_at,
            "quarantined_by": row.quarantined_by,
        }
        for component, ref in sorted(meant):
            name = shape_name(spoken(row.version), ref)
            connection.execute(insert(bad), {**same, "component": component, "ref": ref, "version": name})
        if meant:
            this = (releases.c.service == row.service, releases.c.version == row.version)
            connection.execute(update(releases).where(*this).values(quarantined_at=None, quarantined_by=None))


def _shapes_called(name: Version, state: str | None) -> Iterator[tuple[str, str]]:
    """The components and refs that an incident's plans meant by `name`."""
    incident: dict[str, Any] = loads(state) if state else {}
    for record in incident.get("plans", ()):
        for change in (record.get("plan") or {}).get("components", ()):
            for end in ("from", "to"):
                if change.get(f"{end}_version") == name and change.get(f"{end}_ref"):
                    yield change["component"], change[f"{end}_ref"]


# Step n leads from version n to version n + 1. A step is never changed once it was released.
STEPS: tuple[Callable[[Connection], None], ...] = (_create, _remember_shapes, _tell_bad_shapes_apart)
VERSION = len(STEPS)


def prepare(engine: Engine) -> None:
    """Bring the database to this version, in one transaction. Raises SchemaTooNew."""
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        known = _version(connection)
        if known > VERSION:
            raise SchemaTooNew(
                f"This database has schema {known}, and this kaeru knows schema {VERSION} at most. "
                "Upgrade kaeru, or restore the backup that was made before the upgrade."
            )
        for step in STEPS[known:]:
            step(connection)
        if known == 0:
            connection.execute(insert(_SCHEMA).values(id=1, version=VERSION))
        elif known < VERSION:
            connection.execute(update(_SCHEMA).values(version=VERSION))


def _version(connection: Connection) -> int:
    if not inspect(connection).has_table(_SCHEMA.name):
        return 0
    return connection.execute(select(_SCHEMA.c.version)).scalar_one_or_none() or 0
