"""Workflows that gave up, read from the engine's database beside the running bot."""

import asyncio

from dbos import DBOSClient, DBOSPortableJSONSerializer
from sqlalchemy.exc import SQLAlchemyError

from bot.cli.database import sqlite_path
from bot.ports import Unavailable
from bot.ports.engine import Parked
from bot.settings import Settings


async def parked(settings: Settings) -> tuple[Parked, ...]:
    """Newest first; none where no bot has run yet. Raises Unavailable."""
    path = sqlite_path(settings.engine_database)
    if path is not None and not path.exists():
        return ()
    return await asyncio.to_thread(_parked, settings.engine_database)


def _parked(url: str) -> tuple[Parked, ...]:
    try:
        client = DBOSClient(
            system_database_url=url, serializer=DBOSPortableJSONSerializer(), retry_connection_errors=False
        )
        try:
            listed = client.list_workflows(
                status=["ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"], sort_desc=True, limit=100
            )
        finally:
            client.destroy()
    except SQLAlchemyError as error:
        raise Unavailable(
            "The engine's database cannot be read now.",
            remedy="Check KAERU_ENGINE_DATABASE_URL and that it runs.",
        ) from error
    return tuple(
        Parked(workflow_id=w.workflow_id, name=w.name, reason=f"ended with {w.error or w.status}")
        for w in listed
    )
