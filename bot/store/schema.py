"""The schema: made where there is none, checked where there is one."""

from collections.abc import Callable

from sqlalchemy import Connection, insert, inspect, select, update
from sqlalchemy.engine import Engine

from bot.store.errors import SchemaTooNew
from bot.store.tables import Row, SchemaRow, ShapeRow, table

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
    later = {table(ShapeRow)}
    Row.metadata.create_all(connection, tables=[t for t in Row.metadata.sorted_tables if t not in later])
    postgres = connection.dialect.name == "postgresql"
    for statement in _POSTGRES_TRIGGERS if postgres else _SQLITE_TRIGGERS:
        connection.exec_driver_sql(statement)


def _remember_shapes(connection: Connection) -> None:
    table(ShapeRow).create(connection)


# Step n leads from version n to version n + 1. A step is never changed once it was released.
STEPS: tuple[Callable[[Connection], None], ...] = (_create, _remember_shapes)
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
