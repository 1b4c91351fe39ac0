"""Workflows that gave up, for the commands that only read."""

import asyncio

from bot.cli.database import sqlite_path
from bot.ports.engine import Parked
from bot.settings import Settings
from bot.workflows.parked import parked_in


async def parked(settings: Settings) -> tuple[Parked, ...]:
    """Newest first; none where no bot has run yet. Raises Unavailable."""
    path = sqlite_path(settings.engine_database)
    if path is not None and not path.exists():
        return ()
    return await asyncio.to_thread(parked_in, settings.engine_database)
