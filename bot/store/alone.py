"""One bot per database: on PostgreSQL a lock that lasts as long as the connection that took it.

For SQLite, the lock beside the engine's file (bot/workflows/engine.py) is enough: both lie in the same folder.
"""

import asyncio
import contextlib
import time
from typing import Self

from sqlalchemy import URL, Connection, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from bot.store.errors import StoreUnavailable

_LOCK = 0x6B616572755F3031  # "kaeru_01"
_WHO_HOLDS = f"""SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid = {_LOCK >> 32} AND objid = {_LOCK & 0xFFFFFFFF}"""  # noqa: S608 - two numbers of ours
PATIENCE_S = 3.0
"""How long the server may take to notice that the connection that held the lock before, perhaps our own, is gone."""
_POLL_S = 0.1


class Alone:
    """Made by `take`; held until `release`, or until the connection is lost."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url).set(drivername="postgresql+psycopg")
        self._connection: Connection | None = None

    @classmethod
    async def take(cls, url: str) -> Self | None:
        """None where the database is not PostgreSQL. Raises StoreUnavailable where another bot uses it."""
        if make_url(url).get_backend_name() != "postgresql":
            return None
        self = cls(url)
        await asyncio.to_thread(self._take)
        return self

    async def hold(self) -> None:
        """See that it is still held; where the connection was lost, take it again.

        Raises StoreUnavailable where that cannot be, for now or because another bot has it.
        """
        await asyncio.to_thread(self._hold)

    async def release(self) -> None:
        await asyncio.to_thread(self._let_go)

    def _take(self) -> None:
        engine = create_engine(
            self._url, poolclass=NullPool, isolation_level="AUTOCOMMIT", hide_parameters=True
        )
        try:
            self._connection = engine.connect()
            taken = _try(self._connection)
            until = time.monotonic() + PATIENCE_S
            while not taken and time.monotonic() < until:
                time.sleep(_POLL_S)
                taken = _try(self._connection)
        except SQLAlchemyError as error:
            self._let_go()
            raise StoreUnavailable("The database does not answer. Check it, then try again.") from error
        if not taken:
            self._let_go()
            raise AnotherBot(
                "Another kaeru uses this database. Stop it first, or give this one databases of its own with "
                "KAERU_DATABASE_URL and KAERU_ENGINE_DATABASE_URL."
            )

    def _hold(self) -> None:
        if self._connection is not None:
            try:
                self._connection.exec_driver_sql("SELECT 1")
            except SQLAlchemyError:
                self._let_go()
            else:
                return
        self._take()

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # The server forgets the lock with the connection, however that ends.
            with contextlib.suppress(SQLAlchemyError):
                connection.close()


async def bot_holds(url: str) -> bool:
    """Whether some bot holds the lock of this database; False where it is not PostgreSQL. It takes nothing.

    Raises StoreUnavailable.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "postgresql":
        return False
    return await asyncio.to_thread(_held, parsed.set(drivername="postgresql+psycopg"))


def _held(url: URL) -> bool:
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", hide_parameters=True)
    try:
        with engine.connect() as connection:
            return bool(connection.exec_driver_sql(_WHO_HOLDS).scalar_one())
    except SQLAlchemyError as error:
        raise StoreUnavailable("The database does not answer. Check it, then try again.") from error


def _try(connection: Connection) -> bool:
    return bool(connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({_LOCK})").scalar_one())


class AnotherBot(StoreUnavailable):
    """Somebody else holds the lock."""
