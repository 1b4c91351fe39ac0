"""MariaDB and MySQL: bringing a dump back. They cannot rename a database, so the real one is loaded anew."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncGenerator

from bot.domain.plan import Check, Level, Warn
from bot.ports.backups import Backup
from bot.ports.errors import PortError, Refused, Unavailable
from integrations.backups.dump import Ended, feed, program
from integrations.backups.engine import Restore
from integrations.backups.gzipped import Inflater
from integrations.backups.mariadb_rights import rights
from integrations.backups.mariadb_server import (
    Cursor,
    GoneError,
    Server,
    ServerError,
    count_rows,
    name,
    number_of,
    objects_of,
    rows,
    tables_of,
)
from integrations.backups.settings import MariadbBackupSettings
from integrations.backups.streams import Meter, Source

LEDGER = "kaeru_restores"
"""The database in which it is written down which restore has come how far."""
_DATABASE = (
    "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata"
    " WHERE schema_name = %s"
)
_OWN_SESSIONS = (
    "SELECT id FROM information_schema.processlist"
    " WHERE db = %s AND user = substring_index(current_user(), '@', 1) AND id <> connection_id()"
)
LOCKED = 1205
"""Waited for a lock in vain. All tables of a database are locked before the first one is dropped."""
_SESSIONS = "SELECT count(*) FROM information_schema.processlist WHERE db = %s"


class _HeldUp(Unavailable):
    """What was to be dropped is locked by somebody, and whole."""


class MariadbRestores:
    """The half of `Mariadb` that brings back."""

    atomic = False

    def __init__(self, settings: MariadbBackupSettings) -> None:
        self._settings = settings
        self._server = Server(settings)
        self.database = settings.database
        self.identity = f"mysql://{self._server.where}/{settings.database}"

    @contextlib.asynccontextmanager
    async def scratch(self, source: Source, name: str) -> AsyncGenerator[dict[str, int], None]:
        server = self._proving()
        try:
            await self._create(server, name)
            await self._load(server, source, name)
            async with server.connected(name) as cursor:
                counts = await count_rows(cursor, name, [t.name for t in await tables_of(cursor, name)])
            yield counts
        finally:
            await asyncio.shield(asyncio.ensure_future(_drop(server, name)))

    async def drop_scratch(self, name: str) -> None:
        server = self._proving()
        async with server.connected() as cursor:
            left = await rows(cursor, _DATABASE, name)
        if left:  # whoever may not drop it gets an error for one that is not there, too
            await _drop(server, name)

    def _proving(self) -> Server:
        scratch = self._settings.scratch
        return self._server if scratch is None else Server(self._settings, scratch)

    async def plan_restore(self, backup: Backup, into: str) -> Restore:
        async with self._server.connected() as cursor:
            there = bool(await rows(cursor, _DATABASE, into))
            objects = sorted((await objects_of(cursor, into)).items()) if there else []
            ((sessions,),) = await rows(cursor, _SESSIONS, into)
            own = len(await rows(cursor, _OWN_SESSIONS, into))
            ((user,),) = await rows(cursor, "SELECT substring_index(current_user(), '@', 1)")
            may = await self._rights(cursor, into)
        fingerprint = hashlib.sha256(repr((backup.sha256, into, there, objects)).encode()).hexdigest()[:16]
        proof = f"Restore {backup.id} into a scratch database, count its rows, and drop that again."
        if not there:
            made = (proof, f"Make the database {into} and load the backup into it.")
            return Restore(exists=False, fingerprint=fingerprint, actions=made, checks=may)
        ours = Check(
            name="name",
            ok=into == self.database,
            detail=f"{into} is the database that the backup is of"
            if into == self.database
            else f"{into} is there already: choose a name that is free",
        )
        return Restore(
            exists=True,
            fingerprint=fingerprint,
            actions=(
                proof,
                f"Take a backup of {into} as it is now.",
                f"End all sessions that {user}, kaeru's own user, has in {into} ({own} now); an application that connects as {user} loses its own.",
                f"Drop {into} with all that is in it, make it anew and load the backup into it.",
            ),
            warnings=(
                Warn(
                    level=Level.DANGER,
                    text=f"What was written to {into} since {backup.at:%Y-%m-%d %H:%M:%S} UTC is not in it.",
                ),
                Warn(
                    level=Level.DANGER,
                    text=f"Until it is loaded, the {sessions} sessions in {into} see a database that is not whole.",
                ),
            ),
            checks=(*may, ours),
        )

    async def _rights(self, cursor: Cursor, into: str) -> tuple[Check, ...]:
        names = {"scratch_name": "kaeru_scratch_0", "ledger": LEDGER}
        if self._settings.scratch is None:
            return await rights(cursor, None, self.database, into, **names)
        async with Server(self._settings, self._settings.scratch).connected() as scratch:
            return await rights(cursor, scratch, self.database, into, **names)

    async def restore(self, source: Source, into: str, mark: str, meter: Meter) -> dict[str, int]:
        """The proof before the deed: see `switch`."""
        meter.detail = f"into a scratch database, before {into} is touched"
        async with self.scratch(source, f"kaeru_scratch_{mark}") as counts:
            return counts

    async def switch(self, into: str, mark: str, source: Source) -> None:
        async with self._server.connected() as cursor:
            await cursor.execute(f"CREATE DATABASE IF NOT EXISTS {LEDGER}")
            await cursor.execute(
                f"CREATE TABLE IF NOT EXISTS {LEDGER}.restores"
                " (mark varchar(64) PRIMARY KEY, name varchar(64), state varchar(16), at datetime)"
            )
            note = f"REPLACE INTO {LEDGER}.restores VALUES (%s, %s, %s, utc_timestamp())"  # noqa: S608 - a constant
            await cursor.execute(note, (mark, into, "loading"))
            try:
                await self._create(self._server, into)
            except _HeldUp:
                forget = f"DELETE FROM {LEDGER}.restores WHERE mark = %s"  # noqa: S608 - a constant
                await cursor.execute(forget, (mark,))
                raise
            await self._load(self._server, source, into)
            await cursor.execute(note, (mark, into, "done"))

    async def restored(self, into: str, mark: str) -> bool:
        return await self._state(into, mark) == "done"

    async def begun(self, into: str, mark: str) -> bool:
        return await self._state(into, mark) == "loading"

    async def discard(self, into: str, mark: str) -> None:  # noqa: ARG002 - the engine's signature
        await _drop(self._server, f"kaeru_scratch_{mark}")

    async def previous(self, into: str, mark: str) -> str | None:  # noqa: ARG002 - the engine's signature
        return None

    async def rows(self, database: str) -> dict[str, int]:
        async with self._server.connected(database) as cursor:
            return await count_rows(cursor, database, [t.name for t in await tables_of(cursor, database)])

    async def _state(self, into: str, mark: str) -> str | None:
        async with self._server.connected() as cursor:
            if not await rows(cursor, _DATABASE, LEDGER):
                return None
            query = f"SELECT state FROM {LEDGER}.restores WHERE mark = %s AND name = %s"  # noqa: S608 - a constant
            found = await rows(cursor, query, mark, into)
            return found[0][0] if found else None

    async def _create(self, server: Server, database: str) -> None:
        """Make it anew and empty, with the character set and the collation of what it is to be like."""
        async with self._server.connected() as cursor:
            like = await rows(cursor, _DATABASE, database) or await rows(cursor, _DATABASE, self.database)
        async with server.connected() as cursor:
            # The client of a kaeru that was killed may still be at work, and would go on in the new one.
            for (session,) in await rows(cursor, _OWN_SESSIONS, database):
                with contextlib.suppress(GoneError):
                    await cursor.execute(f"KILL {int(session)}")
            # Left to itself it waits for a day for whoever has a transaction open in there.
            wait_s = max(1, round(self._settings.lock_wait.total_seconds()))
            await cursor.execute("SET SESSION lock_wait_timeout = %s", (wait_s,))
            try:
                await cursor.execute(f"DROP DATABASE IF EXISTS {name(database)}")
            except ServerError as error:
                if error.args[:1] == (LOCKED,):
                    text = (
                        f"{database} is in use by a transaction of somebody else; nothing of it was dropped."
                    )
                    raise _HeldUp(text, retry_after_s=5.0, remedy="End that transaction.") from error
                raise
            options = f" CHARACTER SET {like[0][0]} COLLATE {like[0][1]}" if like else ""
            await cursor.execute(f"CREATE DATABASE {name(database)}{options}")

    async def _load(self, server: Server, source: Source, database: str) -> None:
        async with server.connected() as cursor:
            flavour = (await server.facts(cursor)).flavour
        client = self._program(flavour, "")
        with server.options() as (file, secret):
            argv = [
                client,
                f"--defaults-file={file.path}",
                "--batch",
                "--binary-mode",
                "--skip-reconnect",
                database,
            ]
            ended = await feed(
                argv,
                environment={"LC_ALL": "C"},
                source=Inflater(source),
                secret=secret,
                files=file.descriptors,
            )
        if ended.killed_by:
            raise Unavailable(
                f"{client.rpartition('/')[2]} was killed ({ended.killed_by}) while it loaded {database}.",
                retry_after_s=5.0,
                remedy="Look whether the machine ran out of memory.",
            )
        if ended.code != 0:
            raise self.failed(client.rpartition("/")[2], ended)

    def _program(self, flavour: str, what: str) -> str:
        """The client program `dump`, or the one that runs statements; the server's own before the other's."""
        names = [f"mariadb-{what}".rstrip("-"), f"mysql{what}"]
        return program(self._settings.programs, *(names if flavour == "MariaDB" else reversed(names)))

    def failed(self, tool: str, ended: Ended) -> PortError:
        """What the end of a client program means."""
        if ended.killed_by:
            return Unavailable(
                f"{tool} was killed ({ended.killed_by}) before it had finished; nothing of it was kept.",
                retry_after_s=5.0,
                remedy="Look whether the machine ran out of memory.",
            )
        if number := number_of(ended):
            return self._server.explained(number, ended.gist)
        return Refused(f"{tool} failed: {ended.gist}.", remedy="Run it by hand as kaeru's user to see more.")


async def _drop(server: Server, database: str) -> None:
    async with server.connected() as cursor:
        await cursor.execute(f"DROP DATABASE IF EXISTS {name(database)}")
