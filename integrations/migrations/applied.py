"""What a tool's own table in the database says has been applied."""

from collections.abc import Callable
from typing import Any

from bot.domain.migrations import AppliedList, Found, History, Listing, Tool
from integrations.migrations.rows import NoTable, Rows
from integrations.migrations.scripts import number_of
from integrations.migrations.sql_names import Dialect

TABLES: dict[Tool, str] = {
    Tool.ALEMBIC: "alembic_version",
    Tool.DJANGO: "django_migrations",
    Tool.RAILS: "schema_migrations",
    Tool.GOLANG_MIGRATE: "schema_migrations",
    Tool.FLYWAY: "flyway_schema_history",
    Tool.LIQUIBASE: "databasechangelog",
}
_COLUMNS: dict[Tool, tuple[str, ...]] = {
    Tool.ALEMBIC: ("version_num",),
    Tool.DJANGO: ("app", "name"),
    Tool.RAILS: ("version",),
    Tool.GOLANG_MIGRATE: ("version", "dirty"),
    Tool.FLYWAY: ("version", "description", "type", "success"),
    Tool.LIQUIBASE: ("id", "author", "filename"),
}
_ORDER: dict[Tool, str] = {Tool.FLYWAY: "installed_rank", Tool.LIQUIBASE: "orderexecuted", Tool.DJANGO: "id"}
_Table = list[tuple[Any, ...]]


async def applied_list(
    rows: Rows, tool: Tool, found: Found, *, dialect: Dialect, table: str | None
) -> AppliedList:
    """The list of one tool, in the words of `found`. Raises the errors of `Rows`, apart from NoTable."""
    reader = _READERS.get(tool)
    if reader is None:
        return AppliedList(known=False, note="Plain SQL files leave no list in the database.")
    name = table or (TABLES[tool].upper() if (tool, dialect) == (Tool.LIQUIBASE, "mysql") else TABLES[tool])
    try:
        content = await rows.rows(_query(tool, name, dialect))
    except NoTable:
        return AppliedList(
            known=False, note=f"The database has no table {name}, in which {tool} would keep its list."
        )
    return reader(content, found)


def _query(tool: Tool, table: str, dialect: Dialect) -> str:
    """The table's name was checked to be one; the columns are the tool's own."""
    mark = '"' if dialect == "postgres" else "`"
    quoted = ".".join(f"{mark}{part}{mark}" for part in table.split("."))
    columns = ", ".join(f"{mark}{column}{mark}" for column in _COLUMNS[tool])
    order = f" ORDER BY {mark}{_ORDER[tool]}{mark}" if tool in _ORDER else ""
    return f"SELECT {columns} FROM {quoted}{order}"  # noqa: S608 - see the docstring


def _known(found: Found) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*found.older.ids, *found.newer.ids)))


def _alembic(table: _Table, _found: Found) -> AppliedList:
    return AppliedList(known=True, listing=Listing.HEADS, ids=tuple(str(version) for (version,) in table))


def _django(table: _Table, found: Found) -> AppliedList:
    """Only the apps of the repository: those of Django itself and of libraries have lists of their own."""
    apps = {one.partition(".")[0] for one in _known(found)}
    return AppliedList(known=True, ids=tuple(f"{app}.{name}" for app, name in table if app in apps))


def _rails(table: _Table, found: Found) -> AppliedList:
    """Versions below the first file are old ones, whose files were tidied away."""
    first = min((int(one) for one in _known(found) if one.isdecimal()), default=0)
    versions = [str(version).strip() for (version,) in table]
    return AppliedList(
        known=True, ids=tuple(one for one in versions if not one.isdecimal() or int(one) >= first)
    )


def _golang_migrate(table: _Table, _found: Found) -> AppliedList:
    # -1 stands for nothing at all.
    versions = [(str(int(version)), bool(dirty)) for version, dirty in table if int(version) >= 0]
    return AppliedList(
        known=True,
        listing=Listing.LATEST,
        ids=tuple(version for version, _ in versions),
        dirty=tuple(version for version, dirty in versions if dirty),
    )


def _flyway(table: _Table, found: Found) -> AppliedList:
    """The last word on each version counts: applied, undone, deleted, or failed."""
    standing: dict[str, bool] = {}
    dirty: dict[str, None] = {}
    for version, description, kind, success in table:
        one = f"R {description}" if version is None else str(version)
        if version is not None and str(kind) in ("BASELINE", "SQL_BASELINE"):
            standing |= dict.fromkeys(_up_to(one, found), True)
        elif str(kind) != "SCHEMA":
            dirty.pop(one, None)
            standing[one] = bool(success) and not str(kind).startswith(("UNDO", "DELETE"))
            if not success:
                dirty[one] = None
    ids = tuple(one for one, stands in standing.items() if stands)
    return AppliedList(known=True, ids=ids, dirty=tuple(dirty))


def _up_to(version: str, found: Found) -> list[str]:
    return [one for one in _known(found) if not one.startswith("R ") and number_of(one) <= number_of(version)]


def _liquibase(table: _Table, found: Found) -> AppliedList:
    """The table names a changelog as Liquibase was given it, which is the end of its path in the repository."""
    ids = []
    for number, author, filename in table:
        place = str(filename).removeprefix("classpath:").lstrip("/")
        ids.append(_in_repository(f"{place}::{number}::{author}", found.older, found.newer))
    return AppliedList(known=True, ids=tuple(ids))


def _in_repository(one: str, *histories: History) -> str:
    every = {known for history in histories for known in history.ids}
    if one in every:
        return one
    ends = [known for known in every if known.endswith(f"/{one}")]
    return ends[0] if len(ends) == 1 else one


_READERS: dict[Tool, Callable[[_Table, Found], AppliedList]] = {
    Tool.ALEMBIC: _alembic,
    Tool.DJANGO: _django,
    Tool.RAILS: _rails,
    Tool.GOLANG_MIGRATE: _golang_migrate,
    Tool.FLYWAY: _flyway,
    Tool.LIQUIBASE: _liquibase,
}
