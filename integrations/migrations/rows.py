"""Rows of a database that is only ever read: PostgreSQL by psycopg, MariaDB and MySQL by aiomysql."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib import import_module
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import SecretStr

from bot.ports.errors import AuthFailed, PortError, Refused, Unavailable
from integrations.extras import missing
from integrations.migrations.settings import MigrationsSettings

# MySQL's: too many connections, shutting down, no socket, no host, gone, lost.
_GONE = (1040, 1053, 2002, 2003, 2006, 2013)


class NoTable(Refused):
    """The table that was asked for does not exist."""


class Rows(Protocol):
    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What a SELECT returns, in a read-only transaction of its own.

        Raises NoTable, AuthFailed, Unavailable, or Refused for what the database declines. No error holds the
        address or its password.
        """
        ...


def rows_of(settings: MigrationsSettings, url: SecretStr) -> Rows:
    timeout_s = settings.timeout.total_seconds()
    return PostgresRows(url, timeout_s) if settings.dialect == "postgres" else MysqlRows(url, timeout_s)


def _driver(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        lacking = missing(error)
        if lacking is None:
            raise
        raise lacking from error


class PostgresRows:
    def __init__(self, url: SecretStr, timeout_s: float) -> None:
        self._url = url
        self._timeout_s = timeout_s

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        psycopg = _driver("psycopg")
        try:
            async with asyncio.timeout(self._timeout_s), self._connection(psycopg) as connection:
                return list(await (await connection.execute(sql)).fetchall())
        except TimeoutError as error:
            raise _late(self._timeout_s) from error
        except psycopg.Error as error:
            # `from None`: the driver's own words may hold what stands in the address.
            raise _postgres_error(error, psycopg) from None

    @contextlib.asynccontextmanager
    async def _connection(self, psycopg: Any) -> AsyncIterator[Any]:
        connection = await psycopg.AsyncConnection.connect(
            self._url.get_secret_value(), connect_timeout=max(2, round(self._timeout_s))
        )
        try:
            await connection.set_read_only(True)
            await connection.execute(f"SET LOCAL statement_timeout = {round(self._timeout_s * 1000)}")
            yield connection
        finally:
            await connection.close()


def _postgres_error(error: Any, psycopg: Any) -> PortError:
    state = error.sqlstate or ""
    if state == "42P01":
        return NoTable("The database has no such table.")
    if state in ("28P01", "28000"):
        return AuthFailed(
            "The database does not let this user in.",
            remedy="Check the name and the password in database_url.",
        )
    if state == "42501":
        return _no_rights()
    if isinstance(error, psycopg.OperationalError):
        # Without a state the connection failed before the server spoke, or the password was wrong there.
        said = str(error)
        if "authentication failed" in said or "no password supplied" in said:
            return AuthFailed(
                "The database does not let this user in.",
                remedy="Check the name and the password in database_url.",
            )
        return Unavailable("The database cannot be reached.", remedy="Check the address in database_url.")
    return Refused(f"The database declined to answer (SQLSTATE {state or 'unknown'}).", remedy="See its log.")


class MysqlRows:
    """`?unix_socket=/run/mysqld/mysqld.sock` in the address takes the socket; `?ssl=true` demands TLS."""

    def __init__(self, url: SecretStr, timeout_s: float) -> None:
        self._url = url
        self._timeout_s = timeout_s

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        aiomysql = _driver("aiomysql")
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._connection(aiomysql) as connection,
                connection.cursor() as cursor,
            ):
                await cursor.execute("START TRANSACTION READ ONLY")
                await cursor.execute(sql)
                return list(await cursor.fetchall())
        except TimeoutError as error:
            raise _late(self._timeout_s) from error
        except aiomysql.Error as error:
            raise _mysql_error(error) from None

    @contextlib.asynccontextmanager
    async def _connection(self, aiomysql: Any) -> AsyncIterator[Any]:
        connection = await aiomysql.connect(**_mysql_arguments(self._url), connect_timeout=self._timeout_s)
        try:
            yield connection
        finally:
            # At once: after a statement that took too long, a polite farewell would wait for it.
            connection.close()


def _mysql_arguments(url: SecretStr) -> dict[str, Any]:
    parts = urlsplit(url.get_secret_value())
    options = parse_qs(parts.query)
    arguments: dict[str, Any] = {
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "db": unquote(parts.path.lstrip("/")),
        "charset": "utf8mb4",
    }
    if options.get("unix_socket"):
        return arguments | {"unix_socket": options["unix_socket"][0]}
    if options.get("ssl", ["false"])[0] == "true":
        arguments["ssl"] = import_module("ssl").create_default_context()
    return arguments | {"host": parts.hostname or "127.0.0.1", "port": parts.port or 3306}


def _mysql_error(error: Any) -> PortError:
    code = error.args[0] if error.args else 0
    if code == 1146:
        return NoTable("The database has no such table.")
    if code in (1044, 1045, 1698):
        return AuthFailed(
            "The database does not let this user in.",
            remedy="Check the name and the password in database_url.",
        )
    if code in (1142, 1143):
        return _no_rights()
    if code in _GONE:
        return Unavailable("The database cannot be reached.", remedy="Check the address in database_url.")
    return Refused(f"The database declined to answer (error {code}).", remedy="See its log.")


def _late(timeout_s: float) -> Unavailable:
    return Unavailable(f"The database took longer than {timeout_s:g} s.")


def _no_rights() -> AuthFailed:
    return AuthFailed(
        "The user of database_url may not read the list of applied migrations.",
        remedy="Grant it SELECT on that table.",
    )
