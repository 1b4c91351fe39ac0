"""A MariaDB or MySQL server: how it is reached, what it is, and what its errors mean."""

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import aiomysql  # type: ignore[import-untyped]  # it ships no types
from pymysql import err  # type: ignore[import-untyped]  # nor does this

from bot.ports.errors import AuthFailed, PortError, Refused, Unavailable
from integrations.backups.dump import Ended
from integrations.backups.secretfile import SecretFile, secret_file
from integrations.backups.settings import MariadbBackupSettings, ServerSettings
from integrations.process import redact

Cursor = Any
"""aiomysql's."""
ServerError: type[Exception] = err.MySQLError
GoneError: type[Exception] = err.OperationalError
"""What KILL says of a session that has ended already, among others."""
LOCALHOST, PORT = "127.0.0.1", 3306
RIGHTS = "integrations/backups/README.md says which rights the user needs."
DDL = (1412, 1146, 1051)
"""The definition has changed; no such table. Both mean that somebody changes the schema."""
_DENIED = (1044, 1045, 1142, 1227, 1370, 1410, 1698)
_MISSING = (1049,)
_PASSING = (0, 1040, 1053, 1077, 1158, 1159, 1160, 1161, 1203, 1205, 1213, 1317, 1927)
"""Too many connections, shutting down, packets lost, a lock, a deadlock, interrupted."""
_UNREACHED = (2002, 2003, 2005)
SEE = "See whether the server runs and can be reached from here, at this host and port."
_FULL = (1021, 1114, 3)

_OBJECTS = (
    (
        "SELECT table_name, table_type, engine, create_time, table_collation FROM information_schema.tables"
        " WHERE table_schema = %s"
    ),
    (
        "SELECT table_name, ordinal_position, column_name, column_type, is_nullable, column_default, extra"
        " FROM information_schema.columns WHERE table_schema = %s ORDER BY 1, 2"
    ),
    (
        "SELECT table_name, index_name, seq_in_index, column_name, non_unique FROM information_schema.statistics"
        " WHERE table_schema = %s ORDER BY 1, 2, 3"
    ),
    "SELECT table_name, view_definition FROM information_schema.views WHERE table_schema = %s",
    (
        "SELECT event_object_table, trigger_name, created, action_statement FROM information_schema.triggers"
        " WHERE trigger_schema = %s ORDER BY 1, 2"
    ),
    "SELECT routine_name, last_altered, routine_definition FROM information_schema.routines WHERE routine_schema = %s ORDER BY 1, 2",
    "SELECT event_name, last_altered, event_definition FROM information_schema.events WHERE event_schema = %s ORDER BY 1, 2",
)
_TABLES = (
    "SELECT table_name, update_time, update_time > now() - INTERVAL 2 SECOND, engine FROM information_schema.tables"
    " WHERE table_schema = %s AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY 1"
)


@dataclass(frozen=True)
class Facts:
    """`lag_s` is how far a replica is behind, None where it does not replay; `lag_known`: whether one may ask."""

    flavour: str
    version: tuple[int, int, int]
    replica: bool
    lag_s: float | None
    lag_known: bool
    others: int

    @property
    def name(self) -> str:
        return f"{self.flavour} {'.'.join(map(str, self.version))}"


@dataclass(frozen=True)
class Table:
    """When it was last written to, as far as the server remembers, and whether that was just now."""

    name: str
    written_at: Any
    recently: bool
    engine: str


class Server:
    def __init__(self, settings: MariadbBackupSettings, server: ServerSettings | None = None) -> None:
        self._settings = settings
        self._server = server or settings

    @property
    def where(self) -> str:
        host = self._server.host or LOCALHOST
        return host if host.startswith("/") else f"{host}:{self._server.port or PORT}"

    @contextlib.contextmanager
    def options(self) -> Iterator[tuple[SecretFile, str | None]]:
        """An option file for a client program, which reads this one only; and the password, to be taken out of texts."""
        secret, host = self._server.secret(), self._server.host or LOCALHOST
        given = {"user": self._server.user, "password": secret}
        if host.startswith("/"):
            given["socket"] = host
        else:
            given |= {"protocol": "tcp", "host": host, "port": str(self._server.port or PORT)}
        if self._settings.ssl_ca is not None:
            given["ssl-ca"] = str(self._settings.ssl_ca)
        lines = [f"{name}={_quoted(value)}" for name, value in given.items() if value is not None]
        seconds = max(1, round(self._settings.connect_timeout.total_seconds()))
        lines += ["max-allowed-packet=1G", f"loose-connect-timeout={seconds}"]
        if self._settings.ssl_ca is not None:
            lines.append("loose-ssl-verify-server-cert")
        with secret_file("\n".join(("[client]", *lines, ""))) as file:
            yield file, secret

    @contextlib.asynccontextmanager
    async def connected(self, database: str | None = None) -> AsyncIterator[Cursor]:
        """A cursor on a connection of its own that commits every statement; what goes wrong is told in kaeru's errors."""
        secret, host = self._server.secret(), self._server.host or LOCALHOST
        local = host.startswith("/")
        try:
            connection = await self._connect(
                host=LOCALHOST if local else host,
                unix_socket=host if local else None,
                port=self._server.port or PORT,
                user=self._server.user,
                password=(secret or "").encode().decode("latin1"),  # what aiomysql encodes it by
                db=database,
                charset="utf8mb4",
                init_command="SET sql_notes = 0",  # aiomysql makes warnings of notes
                autocommit=True,
                ssl=self._tls(),
            )
            try:
                async with connection.cursor() as cursor:
                    yield cursor
            finally:
                connection.close()
        except (ServerError, OSError) as error:
            raise self.meaning(error, secret) from (None if secret and secret in str(error) else error)

    async def _connect(self, **parameters: Any) -> Any:
        """The limit of aiomysql ends with the TCP connection; who is silent after that would be waited for without end."""
        seconds = self._settings.connect_timeout.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                return await aiomysql.connect(connect_timeout=seconds, **parameters)
        except TimeoutError as error:
            raise Unavailable(
                f"The database server at {self.where} accepts connections and says nothing within {seconds:g} s.",
                retry_after_s=5.0,
                remedy="Look whether host and port are those of the database, and whether it is overloaded.",
            ) from error

    def _tls(self) -> ssl.SSLContext | None:
        if self._settings.ssl_ca is None:
            return None
        return ssl.create_default_context(cafile=str(self._settings.ssl_ca))

    async def facts(self, cursor: Cursor) -> Facts:
        ((version, read_only),) = await rows(cursor, "SELECT version(), @@global.read_only")
        flavour = "MariaDB" if "mariadb" in version.lower() else "MySQL"
        numbers = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
        if numbers is None:
            raise Refused(f"The server at {self.where} has a version that is not understood: {version}.")
        major, minor, patch = (int(number) for number in numbers.groups())
        replica, lag_s, known = await self._lag(cursor, flavour, bool(read_only))
        ((others,),) = await rows(
            cursor,
            "SELECT count(*) FROM information_schema.tables WHERE table_schema = %s AND table_type = 'BASE TABLE'"
            " AND engine <> 'InnoDB'",
            self._settings.database,
        )
        return Facts(flavour, (major, minor, patch), replica, lag_s, known, others)

    async def _lag(
        self,
        cursor: Cursor,
        flavour: str,
        read_only: bool,  # noqa: FBT001 - a fact among facts
    ) -> tuple[bool, float | None, bool]:
        statement = "SHOW ALL SLAVES STATUS" if flavour == "MariaDB" else "SHOW REPLICA STATUS"
        try:
            await cursor.execute(statement)
        except ServerError as error:
            if error.args and error.args[0] in (*_DENIED, 1064):
                return read_only, None, False
            raise
        found = [
            dict(zip((c[0] for c in cursor.description), row, strict=True)) for row in await cursor.fetchall()
        ]
        lags = [one.get("Seconds_Behind_Master", one.get("Seconds_Behind_Source")) for one in found]
        if not lags:
            return False, 0.0, True
        known = [float(lag) for lag in lags if lag is not None]
        return True, max(known) if len(known) == len(lags) else None, True

    def meaning(self, error: Exception, secret: str | None) -> PortError:
        """What an error of the server or of the connection means."""
        number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        text = str(error.args[-1] if error.args else error) or type(error).__name__
        return self.explained(number, text.replace(secret, "[redacted]") if secret else text)

    def explained(self, number: int, text: str) -> PortError:
        sentence = f"The database server at {self.where}: {redact(' '.join(text.split()))[:300].rstrip('.')}."
        if number in (1045, 1698):
            return AuthFailed(sentence, remedy="Correct user and password of the backup in kaeru.yml.")
        if number in _DENIED:
            return AuthFailed(sentence, remedy=RIGHTS)
        if number in _MISSING:
            return Refused(sentence, remedy="Correct `database` of the backup in kaeru.yml.")
        if number in _FULL or "no space left" in text.lower():
            return Refused(sentence, remedy="Make room on the database's disk.")
        if (
            number in _PASSING or 2000 <= number < 3000
        ):  # those of 2000 are the client's: no connection, or lost
            return Unavailable(sentence, retry_after_s=5.0, remedy=SEE if number in _UNREACHED else "")
        return Refused(sentence, remedy="Look into the log of the database server.")


async def rows(cursor: Cursor, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    await cursor.execute(statement, parameters or None)
    return list(await cursor.fetchall())


async def tables_of(cursor: Cursor, database: str) -> list[Table]:
    return [
        Table(name, at, bool(recently), engine or "")
        for name, at, recently, engine in await rows(cursor, _TABLES, database)
    ]


async def count_rows(cursor: Cursor, database: str, tables: Sequence[str]) -> dict[str, int]:
    counts = {}
    for table in tables:
        ((count,),) = await rows(cursor, f"SELECT count(*) FROM {name(database)}.{name(table)}")  # noqa: S608 - quoted
        counts[table] = int(count)
    return counts


async def objects_of(cursor: Cursor, database: str) -> dict[str, str]:
    """Everything that DDL changes, by the name of the table or routine."""
    found: dict[str, list[str]] = {}
    for statement in _OBJECTS:
        for row in await rows(cursor, statement, database):
            found.setdefault(row[0], []).append(repr(row[1:]))
    return {name: "\n".join(parts) for name, parts in found.items()}


def name(text: str) -> str:
    """A quoted name."""
    return "`" + text.replace("`", "``") + "`"


def number_of(ended: Ended) -> int:
    """The number of the error that a client program told: `Error 1412`, `Got error: 1045`, `ERROR 1049 (42000)`."""
    for line in ended.said:
        if found := re.search(r"\berror:? (\d{1,5})\b", line, re.IGNORECASE) or re.search(
            r"\((\d{4})\)", line
        ):
            return int(found[1])
    return 0


def _quoted(value: str) -> str:
    """As option files want it."""
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t")):
        value = value.replace(plain, escaped)
    return f'"{value}"'
