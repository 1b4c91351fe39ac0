"""A PostgreSQL server: how it is reached, what it is, and what its errors mean."""

import configparser
import contextlib
import os
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import AsyncConnection, errors

from bot.ports.errors import AuthFailed, PortError, Refused, Unavailable
from integrations.backups.secretfile import secret_file
from integrations.backups.settings import PostgresqlBackupSettings, ServerSettings
from integrations.process import redact

LOCALHOST, PORT = "localhost", 5432
SEE = "See whether the server runs and can be reached from here, at this host and port."
_UNREACHED = (
    r"connection refused|timeout expired|could not translate host|no route to host|no such file or directory"
)
RIGHTS = "integrations/backups/README.md says which rights the role needs."

FACTS: LiteralString = """
SELECT current_setting('server_version_num')::int, current_setting('server_version'), pg_is_in_recovery(),
  pg_database_size(current_database()),
  CASE WHEN NOT pg_is_in_recovery() THEN 0
    WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
      AND EXISTS (SELECT FROM pg_stat_wal_receiver WHERE pid IS NOT NULL) THEN 0
    ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 END,
  pg_is_in_recovery() AND NOT EXISTS (SELECT FROM pg_stat_wal_receiver WHERE pid IS NOT NULL)
"""
TABLES: LiteralString = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND c.relispopulated AND n.nspname <> 'information_schema'
  AND n.nspname NOT LIKE 'pg\\_%'
  AND (c.relpersistence = 'p' OR (c.relpersistence = 'u' AND NOT pg_is_in_recovery()))
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1, 2
"""
WAITS: LiteralString = """
SELECT coalesce((SELECT l.relation::regclass::text FROM pg_locks l WHERE l.pid = a.pid AND NOT l.granted LIMIT 1), '?'),
  b.pid, coalesce(nullif(b.application_name, ''), b.usename, '?'), b.state,
  extract(epoch FROM clock_timestamp() - b.xact_start)::float8
FROM pg_stat_activity a CROSS JOIN LATERAL unnest(pg_blocking_pids(a.pid)) AS blocker(pid)
JOIN pg_stat_activity b ON b.pid = blocker.pid
WHERE a.application_name = %s LIMIT 1
"""


_MEANINGS: tuple[tuple[str, type[PortError], str], ...] = (
    (
        "password authentication failed|no password supplied|peer authentication failed",
        AuthFailed,
        "Correct user and password of the backup in kaeru.yml.",
    ),
    ("row-level security", AuthFailed, "Give the role BYPASSRLS: it would back up a part of the rows."),
    (
        r"permission denied|no pg_hba\.conf entry|must be (owner|superuser)|role .* does not exist",
        AuthFailed,
        RIGHTS,
    ),
    (
        "version mismatch|unsupported version",
        Refused,
        "Install the server's version of the client programs; set `programs`.",
    ),
    ("no space left|disk full", Refused, "Make room on the disk that is full."),
    (
        "database .* does not exist|definition of service|service file",
        Refused,
        "Correct `database` or `service` in kaeru.yml.",
    ),
    (
        "conflict with recovery",
        Unavailable,
        "Set hot_standby_feedback on the replica, or back up from the primary.",
    ),
)
"""What is found in a sentence, and what it means; the first one counts."""


@dataclass(frozen=True)
class Facts:
    """`lag_s` is how far a replica is behind, None where that cannot be told; `cut_off`: it receives nothing."""

    major: int
    version: str
    replica: bool
    bytes: int
    lag_s: float | None
    cut_off: bool


@dataclass(frozen=True)
class Access:
    """What a client program is given so that it gets in. The password is neither in `conninfo` nor in the environment."""

    conninfo: str
    environment: dict[str, str]
    descriptors: tuple[int, ...]
    secret: str | None


class Server:
    """One server, as one role. `server` is where, `settings` is how."""

    def __init__(self, settings: PostgresqlBackupSettings, server: ServerSettings | None = None) -> None:
        self._settings = settings
        self._server = server or settings
        self._service = settings.service if server is None else None

    @property
    def where(self) -> str:
        """Without user and password: `db.internal:5432`, or the service's name."""
        if self._service and self._server.host is None:
            return f"service {self._service}"
        return f"{self._server.host or LOCALHOST}:{self._server.port or PORT}"

    @contextlib.contextmanager
    def access(self, database: str, application: str) -> Iterator[Access]:
        """For a program of PostgreSQL's. The password is in a file for it alone."""
        secret = self._server.secret()
        # Not by variables: what a service says counts more than those.
        conninfo = psycopg.conninfo.make_conninfo(
            **self._parameters() | {"dbname": database, "application_name": application},
            **({} if self._service is None else {"service": self._service}),
        )
        environment = {"LC_ALL": "C"}
        if self._service is not None and self._settings.service_file is not None:
            environment["PGSERVICEFILE"] = str(self._settings.service_file)
        if secret is None:
            ours = ("PGPASSFILE", "PGSSLCERT", "PGSSLKEY")
            environment |= {name: os.environ[name] for name in ours if name in os.environ}
            yield Access(conninfo, environment, (), None)
            return
        escaped = secret.replace("\\", "\\\\").replace(":", "\\:")
        with secret_file(f"*:*:*:*:{escaped}\n") as file:
            yield Access(conninfo, environment | {"PGPASSFILE": file.path}, file.descriptors, secret)

    @contextlib.asynccontextmanager
    async def connected(
        self, database: str, *, application: str = "kaeru"
    ) -> AsyncIterator[AsyncConnection[Any]]:
        """A connection that commits every statement. What goes wrong in the block is told in kaeru's errors."""
        secret = self._server.secret()
        parameters = self._from_service() | self._parameters()
        parameters |= {"dbname": database, "application_name": application}
        if secret is not None:
            parameters["password"] = secret
        secret = parameters.get("password")
        try:
            conninfo = psycopg.conninfo.make_conninfo(**parameters)
            connection = await AsyncConnection.connect(conninfo, autocommit=True)
            async with connection:
                yield connection
        except psycopg.Error as error:
            raise self.meaning(error, secret) from _without(error, secret)

    def _parameters(self) -> dict[str, str]:
        own = self._settings
        host = self._server.host or (None if self._service else LOCALHOST)
        given = {
            "host": host,
            "port": self._server.port,
            "user": self._server.user,
            "sslmode": None if host is not None and host.startswith("/") else own.sslmode,
            "sslrootcert": own.sslrootcert,
            "connect_timeout": max(2, round(own.connect_timeout.total_seconds())),
        }
        return {name: str(value) for name, value in given.items() if value is not None}

    def _from_service(self) -> dict[str, str]:
        """The service, or what its file says: libraries before PostgreSQL 18 take that from the environment alone."""
        file, name = self._settings.service_file, self._service
        if name is None:
            return {}
        if file is None:
            return {"service": name}
        parser = configparser.ConfigParser(
            interpolation=None, default_section="", delimiters="=", strict=False
        )
        try:
            parser.read_string(file.read_text(encoding="utf-8"))
            found = dict(parser[name])
        except (OSError, UnicodeDecodeError, configparser.Error, KeyError) as error:
            raise Refused(
                f"The service {name} cannot be read from {file}.", remedy="Correct service and service_file."
            ) from (None if isinstance(error, configparser.Error) else error)  # that one quotes a line
        return {key: value for key, value in found.items() if key not in ("dbname", "service")}

    async def facts(self, connection: AsyncConnection[Any]) -> Facts:
        row = await (await connection.execute(FACTS)).fetchone()
        if row is None:
            raise Unavailable(f"PostgreSQL at {self.where} gave no answer about itself.")
        number, version, replica, size, lag_s, cut_off = row
        return Facts(number // 10000, str(version).split(" ")[0], replica, size, lag_s, cut_off)

    def meaning(self, error: psycopg.Error, secret: str | None) -> PortError:
        """What an error of the server or of the connection means."""
        text = said(error, secret)
        if isinstance(error, errors.InsufficientPrivilege):
            known = self.explained(text)
            return (
                known
                if isinstance(known, AuthFailed)
                else AuthFailed(f"PostgreSQL at {self.where}: {text}.", remedy=RIGHTS)
            )
        if isinstance(error, errors.DiskFull):
            return Refused(f"PostgreSQL at {self.where}: {text}.", remedy="Make room on the database's disk.")
        if isinstance(error, errors.LockNotAvailable):
            return Unavailable(f"PostgreSQL at {self.where}: {text}.", retry_after_s=10.0)
        return self.explained(text)

    def explained(self, text: str) -> PortError:
        """What a sentence of libpq or of a client program means."""
        sentence = f"PostgreSQL at {self.where}: {text}."
        me = self._server.user or "kaeru's role"
        if found := re.search(r'must be (?:member of|able to SET) role "([^"]+)"', text, re.IGNORECASE):
            return AuthFailed(sentence, remedy=f"Run GRANT {found[1]} TO {me}. {RIGHTS}")
        if re.search("permission denied to create database", text, re.IGNORECASE):
            return AuthFailed(sentence, remedy=f"Run ALTER ROLE {me} CREATEDB. {RIGHTS}")
        for pattern, kind, remedy in _MEANINGS:
            if re.search(pattern, text, re.IGNORECASE):
                return kind(sentence, remedy=remedy)
        remedy = SEE if re.search(_UNREACHED, text, re.IGNORECASE) else ""
        return Unavailable(sentence, retry_after_s=5.0, remedy=remedy)


def said(error: psycopg.Error, secret: str | None) -> str:
    """The first lines of what was said, in one line and without the password."""
    text = error.diag.message_primary or str(error) or type(error).__name__
    if secret:
        text = text.replace(secret, "[redacted]")
    text = re.sub(r"\s*Is the server running[^?]*\?", "", " ".join(text.split()))
    return redact(text)[:300].rstrip(".")


def _without(error: psycopg.Error, secret: str | None) -> psycopg.Error | None:
    """The cause, unless it says the password."""
    return None if secret and secret in str(error) else error
