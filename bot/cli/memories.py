"""What the bot remembers of components, for commands that look at them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from bot.cli.database import open_store, sqlite_path
from bot.clock import now
from bot.ports.memory import Forgetful
from bot.settings import Settings
from bot.store import Store, StoreError
from bot.usecases.memories import StoreMemory
from integrations.fleet import Memories


def remembering(store: Store) -> Memories:
    """Tells what is remembered, and leaves it to the bot to remember more."""
    return lambda service, component: StoreMemory(store, service, component, clock=now, keeps=False)


@asynccontextmanager
async def memories_of(settings: Settings) -> AsyncIterator[Memories]:
    """The bot's memories, where there are any: no database is made.

    One that cannot be used is as good as none here; `kaeru check` says on another row what is wrong with it.
    """
    async with AsyncExitStack() as opened:
        path = sqlite_path(settings.database)
        found: Memories = _none
        if path is None or path.exists():
            try:
                found = remembering(await opened.enter_async_context(open_store(settings)))
            except StoreError:
                found = _none
        yield found


def _none(_service: str, _component: str) -> Forgetful:
    return Forgetful()
