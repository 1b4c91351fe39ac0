"""The way to the database: transactions for work that is passed in."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Self, TypeVar, cast

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from bot.store import schema
from bot.store.database import READERS, Database
from bot.store.errors import StoreClosed, StoreUnavailable
from bot.store.unit import UnitOfWork
from bot.store.writer import Writer

T = TypeVar("T")


class Store:
    """Made by `open`, ended by `close`; may be used from any event loop in between."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._writer = Writer(database.writer, clock)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="kaeru-store-reader")
        self._closed = False

    @classmethod
    async def open(cls, url: str, *, clock: Callable[[], datetime]) -> Self:
        """Connect to `sqlite:////path/kaeru.sqlite` or `postgresql://…`, and make or check the schema.

        Raises StoreUnavailable, SchemaTooNew.
        """
        database = await asyncio.to_thread(_prepared, url)
        return cls(database, clock)

    async def close(self) -> None:
        """Finish what is queued, then let go of the database. May be called twice."""
        self._closed = True
        await asyncio.to_thread(self._let_go)

    def _let_go(self) -> None:
        self._writer.close()
        self._readers.shutdown()
        self._database.dispose()

    async def write(self, work: Callable[[UnitOfWork], T]) -> T:
        """Do `work` in a transaction and return its result once that is on disk.

        Concurrent writes share a commit, each within its own savepoint: what `work` raises undoes `work`
        alone and is raised here. `work` runs in another thread, must not wait for anything, and may be
        called again where a concurrent replica made its first try void. A caller that is cancelled cannot
        tell whether it was done.

        Raises StoreUnavailable (not kept), CommitFailed (perhaps kept), StoreClosed.
        """
        return cast("T", await self._writer.submit(work))

    async def read(self, work: Callable[[UnitOfWork], T]) -> T:
        """Do `work` on a consistent, read-only view of what is committed, alongside the writes.

        Raises StoreUnavailable, StoreClosed.
        """
        if self._closed:
            raise StoreClosed("The store is closed: kaeru is shutting down.")
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    def _read(self, work: Callable[[UnitOfWork], T]) -> T:
        try:
            with self._database.reader.connect() as connection:
                return work(UnitOfWork(connection, self._clock, writes=False))
        except OperationalError as error:
            raise StoreUnavailable("The database cannot be read now. Check it, then try again.") from error


def _prepared(url: str) -> Database:
    database = Database(url)
    try:
        schema.prepare(database.writer)
    except SQLAlchemyError as error:
        database.dispose()
        raise StoreUnavailable(
            f"The database at {database.name} cannot be opened ({type(error).__name__}). "
            "Check that it is there, that it accepts this user, and that the disk is writable."
        ) from error
    except BaseException:
        database.dispose()
        raise
    return database
