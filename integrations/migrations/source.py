"""The Migrations port: two versions of the files, and the database's own list."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from pathlib import PurePosixPath

from bot.domain.base import Version
from bot.domain.databases import Sideways
from bot.domain.migrations import AppliedList, AppliedState, Effect, Found, History, Migration, Tool, compare
from bot.domain.plan import Check
from bot.ports.errors import PortError, Refused
from bot.ports.migrations import Sources
from bot.ports.target import Observation
from integrations.migrations import alembic, django, liquibase, rails, sql_files, trial
from integrations.migrations.applied import applied_list
from integrations.migrations.down import plan_down
from integrations.migrations.rows import rows_of
from integrations.migrations.running import Backwards
from integrations.migrations.scripts import NO_UNDO, Files, Reading, between
from integrations.migrations.settings import MigrationsSettings
from integrations.migrations.sql_names import Dialect
from integrations.runs import Runs

READERS: dict[Tool, Callable[[Files, Dialect], Reading]] = {
    Tool.ALEMBIC: alembic.read_alembic,
    Tool.DJANGO: django.read_django,
    Tool.RAILS: rails.read_rails,
    Tool.FLYWAY: sql_files.read_flyway,
    Tool.LIQUIBASE: liquibase.read_liquibase,
    Tool.GOLANG_MIGRATE: sql_files.read_golang_migrate,
    Tool.SQL: sql_files.read_plain,
}
_NUMBERED = (Tool.RAILS, Tool.FLYWAY, Tool.GOLANG_MIGRATE, Tool.SQL)


class VersionMigrations:
    """Reads migrations from `sources`, and has them run backwards by the program of the settings."""

    def __init__(self, settings: MigrationsSettings, sources: Sources) -> None:
        self._settings = settings
        self._sources = sources

    async def plan_down(
        self, found: Found, applied: AppliedState, older: Version, newer: Version
    ) -> Sideways:
        return await asyncio.to_thread(plan_down, self._settings, found, applied, older, newer)

    async def run_down(self, planned: Sideways, key: str) -> AsyncGenerator[Observation, None]:
        if self._settings.down_state is None:
            raise Refused(
                "kaeru is not told any more how to run the migrations backwards.",
                remedy="Set `down` in the database's migrations in kaeru.yml again.",
            )
        runs = Runs(
            self._settings.down_state,
            timeout_s=self._settings.down_timeout.total_seconds(),
            keep_output=False,
        )
        backwards = Backwards(self._settings, runs, between=self.between, applied=self.applied)
        async with contextlib.aclosing(backwards.run(planned, key)) as looks:
            async for seen in looks:
                yield seen

    async def checks(self, version: Version) -> tuple[Check, ...]:
        found = await self.between(version, version)
        applied, way_down = await asyncio.gather(
            self.applied(found), trial.of_way_down(self._settings, version, found.tools)
        )
        listed = trial.of_list(found, applied, needed=way_down is not None)
        return listed if way_down is None else (*listed, way_down)

    async def between(self, older: Version, newer: Version) -> Found:
        try:
            before, after = await asyncio.gather(
                self._sources.texts(older, self._settings.paths),
                self._sources.texts(newer, self._settings.paths),
            )
        except PortError as error:
            return Found(known=False, note=error.advice)
        # Parsing is work for the processor, and others wait for this loop.
        return await asyncio.to_thread(self.compare, before, after)

    def compare(self, older: Files, newer: Files) -> Found:
        """The migrations between two versions of the files."""
        tools = self._tools({**older, **newer})
        dialect = self._settings.dialect
        before = [READERS[tool](older, dialect) for tool in tools]
        after = [READERS[tool](newer, dialect) for tool in tools]
        found = [
            between(one, other, numbered=one.tool in _NUMBERED)
            for one, other in zip(before, after, strict=True)
        ]
        read = {script.path for reading in (*before, *after) for script in reading.scripts}
        strays = [
            _stray(tools[0], path)
            for path in sorted({*older, *newer} - read)
            if path.endswith(".sql")
            and older.get(path, "") != newer.get(path, "")
            and not _is_way_back(path, tools)
        ]
        notes = [note for one in found for note in one.notes]
        if not tools:
            notes.append("Neither version has a migration in the places that `paths` names.")
        if len(found) > 1:
            notes.append(f"Several tools keep migrations here: {', '.join(tools)}.")
        return Found(
            known=True,
            tools=tuple(tools),
            migrations=(*(migration for one in found for migration in one.migrations), *strays),
            older=_together([one.older for one in found]),
            newer=_together([one.newer for one in found]),
            notes=tuple(notes),
        )

    async def applied(self, found: Found) -> AppliedState:
        return compare(found.older, found.newer, await self._list(found))

    async def _list(self, found: Found) -> AppliedList:
        url = self._settings.database_url
        if url is None:
            return AppliedList(known=False, note="Set database_url to have the database's own list read.")
        if len(found.tools) != 1:
            what = "No tool was" if not found.tools else "More than one tool was"
            return AppliedList(known=False, note=f"{what} found, so its list in the database is not known.")
        try:
            return await applied_list(
                rows_of(self._settings, url),
                found.tools[0],
                found,
                dialect=self._settings.dialect,
                table=self._settings.table,
            )
        except PortError as error:
            return AppliedList(known=False, note=error.advice)

    def _tools(self, files: Files) -> list[Tool]:
        if self._settings.tool != "auto":
            return [self._settings.tool]
        found = {tool_of(path, text) for path, text in files.items()} - {None}
        # Files of SQL beside those of a tool are its callbacks and helpers, not another tool's migrations.
        kept = found - {Tool.SQL} or found
        return [tool for tool in Tool if tool in kept]


def tool_of(path: str, text: str | None) -> Tool | None:
    """The tool that a file belongs to, by its name and what is in it."""
    name = PurePosixPath(path).name
    by = (
        (Tool.LIQUIBASE, liquibase.is_changelog(path, text)),
        (Tool.DJANGO, django.is_migration(path, text)),
        (Tool.ALEMBIC, path.endswith(".py") and alembic.is_revision(text)),
        (Tool.RAILS, bool(rails.PATH.fullmatch(path)) and "ActiveRecord::Migration" in (text or "")),
        (Tool.FLYWAY, bool(sql_files.FLYWAY.fullmatch(name))),
        (Tool.GOLANG_MIGRATE, bool(sql_files.GOLANG.fullmatch(name)) and name.endswith(".up.sql")),
        (Tool.SQL, path.endswith(".sql")),
    )
    return next((tool for tool, holds in by if holds), None)


def _is_way_back(path: str, tools: list[Tool]) -> bool:
    """Whether one of the tools reads it as the way back of a migration."""
    name = PurePosixPath(path).name
    ways = {
        Tool.FLYWAY: name.startswith("U") and bool(sql_files.FLYWAY.fullmatch(name)),
        Tool.GOLANG_MIGRATE: name.endswith(".down.sql"),
        Tool.SQL: True,
    }
    return any(ways.get(tool, False) for tool in tools)


def _stray(tool: Tool, path: str) -> Migration:
    does = (f"changed, and is no migration that {tool} is known to run",)
    return Migration(tool=tool, id=path, path=path, effect=Effect.UNKNOWN, does=does, undo=NO_UNDO)


def _together(histories: list[History]) -> History:
    return History(
        ids=tuple(one for history in histories for one in history.ids),
        parents=tuple(pair for history in histories for pair in history.parents),
    )
