"""The bot's own database, opened by another process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.clock import now
from bot.domain.base import Refusal
from bot.domain.incident import Incident
from bot.settings import Settings
from bot.store import Store, StoreUnavailable


@asynccontextmanager
async def open_store(settings: Settings, *, make: bool = False) -> AsyncIterator[Store]:
    """The database, whether the bot runs or not.

    Raises StoreUnavailable where there is none, unless it may `make` one, and what Store.open raises.
    """
    path = sqlite_path(settings.database)
    if path is not None and not make and not path.exists():
        raise StoreUnavailable(
            f"There is no database at {path}. Set KAERU_DATA to the folder that the bot uses."
        )
    store = await Store.open(settings.database, clock=now)
    try:
        yield store
    finally:
        await store.close()


def sqlite_path(url: str) -> Path | None:
    """The file of an address such as sqlite:////path/kaeru.sqlite; None for another database."""
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None


async def incident_of(store: Store, word: str | None) -> Incident:
    """An incident by its id, by a service that has an open one, or the only open one. Raises Refusal."""
    if word is not None:
        found = await store.read(lambda uow: uow.incidents.find(word) or uow.incidents.open_for(word))
        if found is None:
            raise Refusal(f"There is no incident {word}. `kaeru incident list --all` shows those that are.")
        return found
    open_ones = await store.read(lambda uow: uow.incidents.list(open_only=True, limit=10))
    if not open_ones:
        raise Refusal("No incident is open. Name a closed one; `kaeru incident list --all` shows them.")
    if len(open_ones) > 1:
        names = ", ".join(incident.id for incident in open_ones)
        raise Refusal(f"More than one incident is open, so name the one you mean: {names}.")
    return open_ones[0]
