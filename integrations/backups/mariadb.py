"""MariaDB and MySQL: `mariadb-dump` or `mysqldump` in one transaction, compressed on the way, watched for DDL."""

import asyncio
import re
import zlib
from datetime import UTC, datetime
from typing import Any

from bot.domain.plan import Check, Level, Warn
from bot.ports.backups import Backup, Phase
from bot.ports.errors import PortError, Refused, Unavailable
from integrations.backups.checking import Broken
from integrations.backups.dump import Ended, pour
from integrations.backups.engine import Dumped, Survey, Write
from integrations.backups.gzipped import Deflater, Inflater
from integrations.backups.mariadb_restore import MariadbRestores
from integrations.backups.mariadb_server import (
    DDL,
    Cursor,
    Facts,
    ServerError,
    Table,
    count_rows,
    number_of,
    objects_of,
    rows,
    tables_of,
)
from integrations.backups.streams import CHUNK, Meter, Source, in_thread
from integrations.process import TimedOut, run

COMPLETED = b"-- Dump completed"
LOOK_AT_LOCKS_S = 0.5
VERSION_S = 20.0
TELL_LAG_S = 5.0
_WAITING = (
    "SELECT id, time_ms / 1000, coalesce(info, '') FROM information_schema.processlist"
    " WHERE db = %s AND user = substring_index(current_user(), '@', 1) AND state LIKE 'Waiting for table%%lock%%'"
)
_OLDEST = (
    "SELECT id, user, command, time FROM information_schema.processlist"
    " WHERE db = %s AND id NOT IN (%s, connection_id()) ORDER BY time DESC LIMIT 1"
)
_SIZE = "SELECT sum(data_length) FROM information_schema.tables WHERE table_schema = %s"
_CLIENT = re.compile(r"(?:Distrib|from|Ver) (\d+)\.(\d+)\.(\d+)(-MariaDB)?")


class Mariadb(MariadbRestores):
    """One database. Raises the errors of `bot.ports.errors`."""

    async def survey(self) -> Survey:
        async with self._server.connected(self.database) as cursor:
            facts = await self._server.facts(cursor)
            ((bytes_,),) = await rows(cursor, _SIZE, self.database)
        dump = self._program(facts.flavour, "dump")
        client, flavour = await self._version(dump)
        tool = f"{dump.rpartition('/')[2]} {'.'.join(map(str, client))}"
        fits = Check(name="client programs", ok=client[0] >= facts.version[0], detail=f"{tool}, {facts.name}")
        if flavour != facts.flavour:
            fits = fits.model_copy(update={"ok": True})
        warnings = _warnings(tool, client, flavour, facts)
        refusal: PortError | None = None
        most_s = self._settings.max_lag.total_seconds()
        behind = "replays nothing" if facts.lag_s is None else f"is {facts.lag_s:.0f} s behind"
        lag = Check(name="replica lag", ok=True, detail=behind)
        if facts.replica and facts.lag_known:
            lag = lag.model_copy(update={"ok": facts.lag_s is not None and facts.lag_s <= most_s})
        if not fits.ok:
            refusal = Refused(
                f"{tool} is older than the server, {facts.name}: what it does not know would be missing.",
                remedy="Install the client programs of the server's version; set `programs` to their folder.",
            )
        elif not lag.ok:
            remedy = "Wait until it has caught up, back up from the primary, or raise max_lag."
            refusal = Unavailable(f"The replica {behind}.", retry_after_s=15.0, remedy=remedy)
        checks = (fits, lag) if facts.replica else (fits,)
        return Survey(
            server=facts.name,
            tool=tool,
            checks=checks,
            warnings=warnings,
            refusal=refusal,
            bytes=None if bytes_ is None else int(bytes_),
        )

    async def dump(self, write: Write, meter: Meter, *, count: bool) -> Dumped:
        survey = await self.survey()
        if survey.refusal is not None:
            raise survey.refusal
        async with (
            self._server.connected(self.database) as cursor,
            self._server.connected(self.database) as looking,
        ):
            objects = await objects_of(cursor, self.database)
            tables = await tables_of(cursor, self.database)
            counted = await count_rows(cursor, self.database, [t.name for t in tables]) if count else {}
            at = datetime.now(UTC)
            packer = Deflater(write, self._settings.compression)
            await self._mariadb_dump(survey.server.split(" ")[0], packer, looking, meter)
            if COMPLETED not in packer.tail:
                raise Refused(
                    "The dump is truncated: its last line is missing, though the program told no error.",
                    remedy="Take it again, and look what ends the connection to the server.",
                )
            await in_thread(packer.close)
            await self._refuse_ddl(objects, await objects_of(cursor, self.database))
            quiet = await self._quiet(cursor, tables, counted) if count else None
        return Dumped(
            at=at,
            server=survey.server,
            tool=survey.tool,
            tables=len(tables),
            rows=quiet,
            warnings=survey.warnings,
        )

    async def _mariadb_dump(self, flavour: str, packer: Deflater, looking: Cursor, meter: Meter) -> None:
        dump = self._program(flavour, "dump")
        meter.phase = Phase.DUMPING
        with self._server.options() as (file, secret):
            argv = [
                dump,
                f"--defaults-file={file.path}",
                *("--single-transaction", "--quick", "--skip-lock-tables", "--hex-blob", "--no-tablespaces"),
                *("--routines", "--triggers", "--events", "--default-character-set=utf8mb4"),
                *(("--set-gtid-purged=OFF",) if (await self._version(dump))[1] == "MySQL" else ()),
                self.database,
            ]
            dumping = asyncio.create_task(
                pour(
                    argv,
                    environment={"LC_ALL": "C"},
                    sink=packer.write,
                    secret=secret,
                    files=file.descriptors,
                )
            )
            watching = asyncio.create_task(self._watch(looking, meter, dumping))
            try:
                await asyncio.wait([dumping])
            finally:
                for task in (watching, dumping):
                    task.cancel()
                await asyncio.gather(watching, dumping, return_exceptions=True)
        if dumping.cancelled():
            wait_s = self._settings.lock_wait.total_seconds()
            raise Unavailable(
                f"The backup waited {wait_s:g} s in vain for a lock: {meter.waited_for}.",
                retry_after_s=10.0,
                remedy="End that session or wait for it, or raise lock_wait.",
            )
        ended = dumping.result()
        if ended.code != 0:
            raise self._failed(dump.rpartition("/")[2], ended)

    async def _watch(self, cursor: Cursor, meter: Meter, dumping: asyncio.Task[Ended]) -> None:
        """Say in `meter` which table the dump waits for, and end it where that takes too long."""
        while True:
            try:
                waiting = await rows(cursor, _WAITING, self.database)
                meter.detail = ""
                if waiting:
                    thread, for_s, info = waiting[0]
                    oldest = await rows(cursor, _OLDEST, self.database, thread)
                    meter.detail = meter.waited_for = _wait(info, oldest)
                    if for_s >= self._settings.lock_wait.total_seconds():
                        # It would go on waiting without its client.
                        await cursor.execute(f"KILL {int(thread)}")
                        dumping.cancel()
                        return
            except ServerError:  # the dump itself tells what is wrong with the server
                return
            await asyncio.sleep(LOOK_AT_LOCKS_S)

    async def _refuse_ddl(self, before: dict[str, str], after: dict[str, str]) -> None:
        """What is new since is not in the dump, and harmless; what was changed may be in it half old, half new."""
        if changed := sorted(name for name in before if after.get(name) != before[name]):
            raise Unavailable(
                f"The schema was changed while the dump was taken ({', '.join(changed[:5])}); it was given up.",
                retry_after_s=10.0,
                remedy="Wait until the migration has ended.",
            )

    async def _quiet(self, cursor: Cursor, before: list[Table], counted: dict[str, int]) -> dict[str, int]:
        """The counts of the tables that nobody wrote to meanwhile: only they are certain to be the dump's."""
        after = {t.name: t for t in await tables_of(cursor, self.database)}
        still = [t for t in before if t.name in after and after[t.name].written_at == t.written_at]
        # Times are whole seconds: what was written to just before may have been so again in the same one.
        again = await count_rows(cursor, self.database, [t.name for t in still if t.recently])
        return {
            t.name: counted[t.name] for t in still if again.get(t.name, counted[t.name]) == counted[t.name]
        }

    async def read(self, source: Source, backup: Backup) -> None:
        text = Inflater(source)

        def to_its_end() -> None:
            while text.read(CHUNK):
                pass

        try:
            await in_thread(to_its_end)
        except zlib.error as error:
            raise Broken(f"The backup {backup.id} cannot be read to its end: {error}.") from error
        if not text.whole or COMPLETED not in text.tail:
            raise Broken(f"The backup {backup.id} is truncated: its last line is missing.")

    async def _version(self, dump: str) -> tuple[tuple[int, int, int], str]:
        """The version and the flavour of a client program."""
        try:
            told = (await run([dump, "--version"], timeout_s=VERSION_S)).stdout.decode(errors="replace")
        except TimedOut as error:
            raise Unavailable(f"{dump} did not say its version within {VERSION_S:g} s.") from error
        # "Ver 10.19 Distrib 10.11.6-MariaDB": the first number there is not the one.
        found = re.search(r"(?:Distrib|from) (\d+)\.(\d+)\.(\d+)", told) or re.search(
            r"Ver (\d+)\.(\d+)\.(\d+)", told
        )
        if found is None:
            raise Refused(
                f"{dump} is not a client program of MariaDB or MySQL.", remedy="Correct `programs`."
            )
        major, minor, patch = (int(number) for number in found.groups())
        return (major, minor, patch), "MariaDB" if "mariadb" in told.lower() else "MySQL"

    def _failed(self, tool: str, ended: Ended) -> PortError:
        number = number_of(ended)
        if number in DDL:
            return Unavailable(
                f"The schema was changed while the dump was taken; it was given up: {ended.gist}.",
                retry_after_s=10.0,
                remedy="Wait until the migration has ended.",
            )
        return self.failed(tool, ended)


def _warnings(tool: str, client: tuple[int, ...], flavour: str, facts: Facts) -> tuple[Warn, ...]:
    found = []
    if flavour != facts.flavour:
        found.append(
            f"{tool} is {flavour}'s, the server is {facts.name}: use the client programs of the server."
        )
    elif client[:2] < facts.version[:2]:
        found.append(f"{tool} is older than the server, {facts.name}.")
    if facts.others:
        found.append(
            f"{facts.others} tables are not InnoDB's: what is written to them during the dump may be in it by halves."
        )
    if facts.replica and not facts.lag_known:
        found.append("The user may not ask how far this replica is behind (it lacks REPLICA MONITOR).")
    if facts.replica and facts.lag_s and facts.lag_s > TELL_LAG_S:
        found.append(f"Taken from a replica that is {facts.lag_s:.0f} s behind.")
    return tuple(Warn(level=Level.WARNING, text=text) for text in found)


def _wait(info: str, oldest: list[tuple[Any, ...]]) -> str:
    table = re.search(r"(?:FROM|TABLE|LIKE|from) [`']?([^`'\s]+)", info)
    text = f"{table[1] if table else 'a table'} is locked by another session"
    if oldest:
        thread, user, command, seconds = oldest[0]
        text += f"; the oldest one is {thread} ({user}, {command}, for {seconds} s)"
    return text
