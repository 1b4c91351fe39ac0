"""PostgreSQL: `pg_dump -Fc` in the snapshot that rows are counted in, `pg_restore` to read it and to bring it back."""

import asyncio
import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import AsyncConnection, sql

from bot.domain.plan import Check, Level, Warn
from bot.ports.backups import Backup, Phase
from bot.ports.errors import PortError, Refused, Unavailable
from integrations.backups.checking import Broken
from integrations.backups.dump import feed, pour, program
from integrations.backups.engine import Dumped, Survey, Write
from integrations.backups.postgresql_restore import PostgresqlRestores, count_rows
from integrations.backups.postgresql_server import TABLES, WAITS, Facts
from integrations.backups.streams import Meter, Source
from integrations.process import TimedOut, run

LOOK_AT_LOCKS_S = 0.5
VERSION_S = 20.0
TELL_LAG_S = 5.0


class Postgresql(PostgresqlRestores):
    """One database. Raises the errors of `bot.ports.errors`."""

    async def survey(self) -> Survey:
        client, major = await self._client("pg_dump")
        async with self._server.connected(self.database) as connection:
            facts = await self._server.facts(connection)
        newer = Check(
            name="client programs",
            ok=major >= facts.major,
            detail=f"pg_dump {client}, PostgreSQL {facts.version}",
        )
        lag = _lag(facts, self._settings.max_lag.total_seconds())
        refusal: PortError | None = None
        if not newer.ok:
            refusal = Refused(
                f"pg_dump {client} is older than the server, PostgreSQL {facts.version}: it would refuse.",
                remedy=f"Install postgresql-client-{facts.major} where kaeru runs; set `programs` to its folder.",
            )
        elif not lag.ok:
            remedy = "Wait until it has caught up, back up from the primary, or raise max_lag."
            refusal = Unavailable(f"The replica {lag.detail}.", retry_after_s=15.0, remedy=remedy)
        warnings: tuple[Warn, ...] = ()
        if facts.replica and lag.ok and facts.lag_s and facts.lag_s > TELL_LAG_S:
            warnings = (Warn(level=Level.WARNING, text=f"Taken from a replica that {lag.detail}."),)
        return Survey(
            server=f"PostgreSQL {facts.version}",
            tool=f"pg_dump {client}",
            checks=(newer, lag) if facts.replica else (newer,),
            warnings=warnings,
            refusal=refusal,
            bytes=facts.bytes,
        )

    async def dump(self, write: Write, meter: Meter, *, count: bool) -> Dumped:
        survey = await self.survey()
        if survey.refusal is not None:
            raise survey.refusal
        application = f"kaeru-{secrets.token_hex(6)}"  # by it, its locks are found
        async with (
            self._server.connected(self.database) as connection,
            self._server.connected(self.database) as looking,
        ):
            snapshot, at, tables = await _snapshot(connection, self._settings.lock_wait)
            watching = asyncio.create_task(_watch(looking, application, meter))
            counting = asyncio.create_task(count_rows(connection, tables if count else []))
            try:
                await self._pg_dump(snapshot, application, write, meter)
                rows = await counting
            finally:
                for task in (watching, counting):
                    task.cancel()
                await asyncio.gather(watching, counting, return_exceptions=True)
        return Dumped(
            at=at,
            server=survey.server,
            tool=survey.tool,
            tables=len(tables),
            rows=rows if count else None,
            warnings=survey.warnings,
        )

    async def _pg_dump(self, snapshot: str, application: str, write: Write, meter: Meter) -> None:
        wait_ms = round(self._settings.lock_wait.total_seconds() * 1000)
        meter.phase = Phase.DUMPING
        with self._server.access(self.database, application) as access:
            argv = [
                program(self._settings.programs, "pg_dump"),
                "--format=custom",
                f"--compress={self._settings.compression}",
                "--no-password",
                f"--lock-wait-timeout={wait_ms}",
                f"--snapshot={snapshot}",
                f"--dbname={access.conninfo}",
            ]
            ended = await pour(
                argv,
                environment=access.environment,
                sink=write,
                secret=access.secret,
                files=access.descriptors,
            )
        if ended.code != 0:
            raise self._failed("pg_dump", ended, meter)

    async def read(self, source: Source, backup: Backup) -> None:
        argv = [program(self._settings.programs, "pg_restore"), "--file=/dev/null"]
        ended = await feed(argv, environment={"LC_ALL": "C"}, source=source)
        if ended.code != 0:
            raise Broken(f"The backup {backup.id} cannot be read to its end: {ended.gist}.")

    async def _client(self, name: str) -> tuple[str, int]:
        """The version of a client program: `15.4`, 15."""
        argv = [program(self._settings.programs, name), "--version"]
        try:
            said = (await run(argv, timeout_s=VERSION_S, environment={"LC_ALL": "C"})).stdout.decode(
                errors="replace"
            )
        except TimedOut as error:
            raise Unavailable(f"{argv[0]} did not say its version within {VERSION_S:g} s.") from error
        found = re.search(r"\(PostgreSQL\) ((\d+)[\w.]*)", said)
        if found is None:
            raise Refused(
                f"{argv[0]} is not PostgreSQL's {name}.", remedy="Correct `programs` of the backup."
            )
        return found[1], int(found[2])


async def _snapshot(
    connection: AsyncConnection[Any], lock_wait: timedelta
) -> tuple[str, datetime, list[tuple[str, str]]]:
    """Begin a transaction whose snapshot pg_dump can share; it has to stay open until pg_dump has begun."""
    await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
        await connection.execute(sql.SQL("SET LOCAL {} = 0").format(sql.Identifier(name)))
    wait = sql.Literal(round(lock_wait.total_seconds() * 1000))
    await connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(wait))
    row = await (await connection.execute("SELECT pg_export_snapshot(), now()")).fetchone()
    if row is None:
        raise Unavailable("PostgreSQL gave no snapshot.")
    return row[0], row[1].astimezone(UTC), await (await connection.execute(TABLES)).fetchall()


async def _watch(connection: AsyncConnection[Any], application: str, meter: Meter) -> None:
    """Say in `meter` who holds the lock that pg_dump waits for."""
    while True:
        try:
            row = await (await connection.execute(WAITS, (application,))).fetchone()
        except psycopg.Error:  # the dump itself tells what is wrong with the server
            return
        meter.detail = ""
        if row is not None:
            table, pid, who, state, for_s = row
            known = [
                f"process {pid}",
                *([state] if state else []),
                *([f"for {for_s:.0f} s"] if for_s else []),
            ]
            unseen = "" if state else "; what it does, only a role with pg_read_all_stats sees"
            meter.detail = f"{table} is locked by {who} ({', '.join(known)}{unseen})"
            meter.waited_for = meter.detail
        await asyncio.sleep(LOOK_AT_LOCKS_S)


def _lag(facts: Facts, most_s: float) -> Check:
    if not facts.replica:
        return Check(name="replica lag", ok=True, detail="is no replica")
    if facts.lag_s is None:
        detail = "has replayed nothing since it was started: how far it is behind cannot be told"
        return Check(name="replica lag", ok=False, detail=detail)
    detail = f"is {facts.lag_s:.0f} s behind the primary" + (
        ", from which it receives nothing" if facts.cut_off else ""
    )
    return Check(name="replica lag", ok=facts.lag_s <= most_s, detail=detail)
