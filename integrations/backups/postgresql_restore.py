"""PostgreSQL: bringing a dump back, into a scratch database or in the place of the real one."""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection, errors, sql

from bot.domain.plan import Check, Level, Warn
from bot.ports.backups import Backup
from bot.ports.errors import PortError, Refused, Unavailable
from integrations.backups.dump import Ended, feed, program
from integrations.backups.engine import Restore
from integrations.backups.postgresql_rights import rights
from integrations.backups.postgresql_server import TABLES, Server
from integrations.backups.settings import PostgresqlBackupSettings
from integrations.backups.streams import Meter, Source

LONGEST = 40  # of a database's name within a name made of it; PostgreSQL cuts at 63
END_SESSIONS_S = 0.1

_LIKE = """
SELECT pg_encoding_to_char(encoding), datcollate, datctype, pg_get_userbyid(datdba), shobj_description(oid, 'pg_database')
FROM pg_database WHERE datname = %s
"""
_SETTINGS = """
SELECT s.setrole::regrole::text, s.setrole = 0, c.name, c.value
FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase,
  LATERAL (SELECT split_part(one, '=', 1), substr(one, strpos(one, '=') + 1) FROM unnest(s.setconfig) one) c(name, value)
WHERE d.datname = %s
"""
_GRANTS = """
SELECT CASE WHEN a.grantee = 0 THEN NULL ELSE pg_get_userbyid(a.grantee) END, a.privilege_type, a.is_grantable
FROM pg_database d, LATERAL aclexplode(d.datacl) a WHERE d.datname = %s
"""
_NARROWED = "SELECT datacl IS NOT NULL FROM pg_database WHERE datname = %s"
_THERE = """
SELECT d.oid, pg_database_size(d.oid), (SELECT count(*) FROM pg_stat_activity a WHERE a.datid = d.oid)
FROM pg_database d WHERE d.datname = %s
"""
_LISTS = ("search_path", "temp_tablespaces", "local_preload_libraries", "session_preload_libraries")
_END_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"


class PostgresqlRestores:
    """The half of `Postgresql` that brings back."""

    atomic = True

    def __init__(self, settings: PostgresqlBackupSettings) -> None:
        self._settings = settings
        self._server = Server(settings)
        self.database = settings.database
        self.identity = f"postgresql://{self._server.where}/{settings.database}"

    @asynccontextmanager
    async def scratch(self, source: Source, name: str) -> AsyncGenerator[dict[str, int], None]:
        server = self._proving()
        like = await self._like(self.database)
        try:
            await self._create(server, name, like)
            # Whoever owned what is of no matter here, and may be missing on another server.
            await self._pg_restore(server, source, name, "--no-owner", "--no-privileges")
            async with server.connected(name) as connection:
                rows = await count_rows(connection, await tables_of(connection))
            yield rows
        finally:
            await asyncio.shield(asyncio.ensure_future(self._drop(server, name)))

    async def drop_scratch(self, name: str) -> None:
        await self._drop(self._proving(), name)

    def _proving(self) -> Server:
        scratch = self._settings.scratch
        return self._server if scratch is None else Server(self._settings, scratch)

    async def plan_restore(self, backup: Backup, into: str) -> Restore:
        async with contextlib.AsyncExitStack() as stack:
            connection = await stack.enter_async_context(self._server.connected(self._settings.maintenance))
            there = await (await connection.execute(_THERE, (into,))).fetchone()
            real = None
            if await (await connection.execute(_LIKE, (self.database,))).fetchone() is not None:
                real = await stack.enter_async_context(self._server.connected(self.database))
            may = await rights(connection, real, None if there is None else into)
        fingerprint = hashlib.sha256(repr((backup.sha256, into, there and there[0])).encode()).hexdigest()[
            :16
        ]
        restore = f"Restore {backup.id} into a new database beside it, and count its rows"
        if there is None:
            made = (f"{restore}.", f"Name it {into}.")
            return Restore(exists=False, fingerprint=fingerprint, actions=made, checks=may)
        ours = Check(
            name="name",
            ok=into == self.database,
            detail=f"{into} is there already: choose a name that is free"
            if into != self.database
            else f"{into} is the database that the backup is of",
        )
        actions = (
            f"{restore}.",
            f"End the {there[2]} sessions in {into}.",
            f"Rename {into} away and the restored one to {into}, in one transaction. The old one is kept.",
        )
        warnings = (
            Warn(
                level=Level.DANGER,
                text=f"What was written to {into} since {backup.at:%Y-%m-%d %H:%M:%S} UTC is not in it.",
            ),
            Warn(
                level=Level.WARNING,
                text="Subscriptions and replication slots of the old database do not move over.",
            ),
        )
        return Restore(
            exists=True, fingerprint=fingerprint, actions=actions, warnings=warnings, checks=(*may, ours)
        )

    async def restore(self, source: Source, into: str, mark: str, meter: Meter) -> dict[str, int]:
        meter.detail = f"into {beside(into, mark)}"
        like = await self._like(into) or await self._like(self.database)
        name = beside(into, mark)
        # Whoever owns it may create in its schema public from the beginning, as the restored objects' owner has to.
        await self._create(self._server, name, like, owned=True)
        await self._pg_restore(self._server, source, name)
        async with self._server.connected(name) as connection:
            rows = await count_rows(connection, await tables_of(connection))
        async with self._server.connected(self._settings.maintenance) as connection:
            await _dress(connection, into, name, mark, like)
        return rows

    async def switch(self, into: str, mark: str, source: Source) -> None:  # noqa: ARG002 - the engine's signature
        async with (
            self._server.connected(self._settings.maintenance) as connection,
            self._server.connected(self._settings.maintenance) as ending,
        ):
            there = await (await connection.execute(_THERE, (into,))).fetchone()
            if there is None:
                await connection.execute(_rename(beside(into, mark), into))
                return
            # The rename locks the name, so nobody can come in, and then waits up to 5 s for those who are in.
            end = asyncio.create_task(_end_sessions(ending, into))
            try:
                async with connection.transaction():
                    await connection.execute(_rename(into, before(into, mark)))
                    await connection.execute(_rename(beside(into, mark), into))
            except errors.ObjectInUse as error:
                raise Unavailable(
                    f"{into} is still in use and could not be replaced; nothing was changed.",
                    remedy="End the sessions and prepared transactions in it.",
                ) from error
            finally:
                end.cancel()
                await asyncio.gather(end, return_exceptions=True)

    async def restored(self, into: str, mark: str) -> bool:
        like = await self._like(into)
        return like is not None and _signed(mark) in (like[4] or "")

    async def begun(self, into: str, mark: str) -> bool:  # noqa: ARG002 - the engine's signature
        return False  # it is done in one transaction

    async def discard(self, into: str, mark: str) -> None:
        await self._drop(self._server, beside(into, mark))

    async def previous(self, into: str, mark: str) -> str | None:
        return before(into, mark) if await self._like(before(into, mark)) else None

    async def rows(self, database: str) -> dict[str, int]:
        async with self._server.connected(database) as connection:
            return await count_rows(connection, await tables_of(connection))

    async def _like(self, database: str) -> tuple[Any, ...] | None:
        """Encoding, collation, character type, owner and comment of a database, if there is one."""
        async with self._server.connected(self._settings.maintenance) as connection:
            found: tuple[Any, ...] | None = await (await connection.execute(_LIKE, (database,))).fetchone()
            return found

    async def _create(
        self, server: Server, name: str, like: tuple[Any, ...] | None, *, owned: bool = False
    ) -> None:
        """Make `name` anew and empty, with the encoding and the collation of `like`; with `owned` its owner too."""
        options = sql.Composed([])
        if like is not None:
            options = sql.SQL(" ENCODING {} LC_COLLATE {} LC_CTYPE {}").format(*map(sql.Literal, like[:3]))
            if owned:
                options += sql.SQL(" OWNER {}").format(sql.Identifier(like[3]))
        create = sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name))
        for last in (False, False, True):
            await self._drop(server, name)
            async with server.connected(self._settings.maintenance) as connection:
                try:
                    await connection.execute(create + options)
                except (errors.DuplicateDatabase, errors.UniqueViolation):
                    # What a killed bot asked for a moment ago, the server has only just finished.
                    if last:
                        raise
                else:
                    return

    async def _drop(self, server: Server, name: str) -> None:
        async with server.connected(self._settings.maintenance) as connection:
            await connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )

    async def _pg_restore(self, server: Server, source: Source, name: str, *options: str) -> None:
        with server.access(name, "kaeru") as access:
            argv = [
                program(self._settings.programs, "pg_restore"),
                "--exit-on-error",
                "--no-password",
                f"--dbname={access.conninfo}",
                *options,
            ]
            ended = await feed(
                argv,
                environment=access.environment,
                source=source,
                secret=access.secret,
                files=access.descriptors,
            )
        if ended.code != 0:
            raise self._failed("pg_restore", ended, Meter())

    def _failed(self, name: str, ended: Ended, meter: Meter) -> PortError:
        if ended.killed_by:
            return Unavailable(
                f"{name} was killed ({ended.killed_by}) before it had finished; nothing of it was kept.",
                retry_after_s=5.0,
                remedy="Look whether the machine ran out of memory.",
            )
        if ended.mentions("lock timeout", "statement timeout"):
            wait_s = self._settings.lock_wait.total_seconds()
            return Unavailable(
                f"The backup waited {wait_s:g} s in vain for a lock: {meter.waited_for or ended.gist}.",
                retry_after_s=10.0,
                remedy="End that session or wait for it, or raise lock_wait.",
            )
        error = self._server.explained(ended.gist)
        if type(error) is Unavailable and not ended.mentions("connection", "terminating", "recovery"):
            # What nobody knows will not go away by itself.
            return Refused(
                f"{name} failed: {ended.gist}.", remedy="Run it by hand as kaeru's user to see more."
            )
        return error


async def tables_of(connection: AsyncConnection[Any]) -> list[tuple[str, str]]:
    return await (await connection.execute(TABLES)).fetchall()


async def count_rows(connection: AsyncConnection[Any], tables: Sequence[tuple[str, str]]) -> dict[str, int]:
    """How many rows each table has; those of a partitioned one stand at its partitions."""
    counts = {}
    for schema, table in tables:
        query = sql.SQL("SELECT count(*) FROM ONLY {}").format(sql.Identifier(schema, table))
        row = await (await connection.execute(query)).fetchone()
        counts[f"{schema}.{table}"] = int(row[0]) if row else 0
    return counts


def beside(into: str, mark: str) -> str:
    """What the restored database is called until it takes its place."""
    return f"{into[:LONGEST]}_kaeru_{mark}"


def before(into: str, mark: str) -> str:
    """What the replaced database is called afterwards."""
    return f"{into[:LONGEST]}_before_{mark}"


def _signed(mark: str) -> str:
    return f"[kaeru restore {mark}]"


def _rename(old: str, new: str) -> sql.Composed:
    return sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(new))


async def _end_sessions(connection: AsyncConnection[Any], database: str) -> None:
    while True:
        await connection.execute(_END_SESSIONS, (database,))
        await asyncio.sleep(END_SESSIONS_S)


async def _dress(
    connection: AsyncConnection[Any], like: str, name: str, mark: str, facts: tuple[Any, ...] | None
) -> None:
    """Give `name` what belongs to a database itself and is in no dump of it: settings, rights, owner; and the mark."""
    to = sql.Identifier(name)
    for role, everybody, option, value in await (await connection.execute(_SETTINGS, (like,))).fetchall():
        who = sql.SQL("DATABASE {}").format(to)
        if not everybody:
            who = sql.SQL("ROLE {} IN DATABASE {}").format(sql.SQL(role), to)
        values = sql.SQL(", ").join(map(sql.Literal, _elements(option, value)))
        text = sql.SQL("ALTER {} SET {} TO {}").format(who, sql.Identifier(*option.split(".")), values)
        await connection.execute(text)
    if (await (await connection.execute(_NARROWED, (like,))).fetchone() or (False,))[0]:
        # A new database is open to everybody; where somebody changed that, what is in the list is all there is.
        await connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(to))
    for grantee, privilege, passes_on in await (await connection.execute(_GRANTS, (like,))).fetchall():
        to_whom: sql.Composable = sql.SQL("PUBLIC") if grantee is None else sql.Identifier(grantee)
        ending = sql.SQL(" WITH GRANT OPTION" if passes_on else "")
        await connection.execute(
            sql.SQL("GRANT {} ON DATABASE {} TO {}").format(sql.SQL(privilege), to, to_whom) + ending
        )
    comment = f"{(facts and facts[4]) or ''} {_signed(mark)}".strip()
    await connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(to, sql.Literal(comment)))


def _elements(option: str, value: str) -> list[str]:
    """A setting's value as SET wants it: some are lists of names, and would be one name in one pair of quotes."""
    if option not in _LISTS:
        return [value]
    found = re.findall(r'"((?:[^"]|"")*)"|([^",\s]+)', value)
    return [quoted.replace('""', '"') or plain for quoted, plain in found] or [""]
