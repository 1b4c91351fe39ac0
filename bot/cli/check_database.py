"""The databases, for `kaeru check`: whether they answer, and whether kaeru can use what is in them."""

import asyncio

from sqlalchemy.exc import SQLAlchemyError

from bot.cli.database import sqlite_path
from bot.clock import now
from bot.ports import Refused
from bot.settings import Settings
from bot.store import Store, StoreError
from bot.store.database import Database


async def look_at_databases(settings: Settings) -> str:
    """What was seen. Raises Refused. A SQLite file that does not exist yet is not made."""
    seen = [await _own(settings.database), await asyncio.to_thread(_engine, settings.engine_database)]
    return "; ".join(part for part in seen if part)


async def _own(url: str) -> str:
    path = sqlite_path(url)
    if path is not None and not path.exists():
        return f"{path} will be made when kaeru runs first"
    try:
        store = await Store.open(url, clock=now)
        try:
            open_ones = await store.read(lambda uow: uow.incidents.list(open_only=True, limit=1000))
        finally:
            await store.close()
    except StoreError as error:
        raise Refused(str(error)) from error
    count = "1 incident is" if len(open_ones) == 1 else f"{len(open_ones)} incidents are"
    return f"{path or 'PostgreSQL'} can be used, {count} open"


def _engine(url: str) -> str:
    """The engine makes its own tables; here it only matters whether its server answers."""
    if sqlite_path(url) is not None:
        return ""
    try:
        database = Database(url)
        try:
            with database.writer.connect():
                return "the engine's PostgreSQL answers"
        finally:
            database.dispose()
    except StoreError as error:
        raise Refused(str(error)) from error
    except SQLAlchemyError as error:
        raise Refused(
            f"The engine's database does not answer ({type(error).__name__}).",
            remedy="Look at KAERU_ENGINE_DATABASE_URL.",
        ) from error
