"""Waiting while a person holds the incident."""

import asyncio

from bot.store import Store

POLL_S = 0.5


async def unheld(store: Store, incident_id: str) -> None:
    """Until nobody holds it. The hold is in the database; nothing wakes us but looking."""
    while (await store.read(lambda uow: uow.incidents.get(incident_id))).held_by is not None:  # noqa: ASYNC110 - see above
        await asyncio.sleep(POLL_S)
