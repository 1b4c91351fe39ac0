"""What is kept, and the transactions around it. Rows never leave this package.

store = await Store.open("sqlite:////path/kaeru.sqlite", clock=clock)
incident = await store.read(lambda uow: uow.incidents.get("inc-20261124-shop-1"))
await store.write(lambda uow: uow.facts.set("cursor", "17"))
await store.close()
"""

from bot.store.alone import AnotherBot, bot_holds
from bot.store.errors import (
    AlreadyOpen,
    CommitFailed,
    Missing,
    SchemaTooNew,
    Stale,
    StoreClosed,
    StoreError,
    StoreUnavailable,
)
from bot.store.inbox import Arrival, InboxItem
from bot.store.outbox import OutboxItem
from bot.store.releases import ReleaseRecord
from bot.store.store import Store
from bot.store.timeline import Draft
from bot.store.unit import UnitOfWork

__all__ = [
    "AlreadyOpen",
    "AnotherBot",
    "Arrival",
    "CommitFailed",
    "Draft",
    "InboxItem",
    "Missing",
    "OutboxItem",
    "ReleaseRecord",
    "SchemaTooNew",
    "Stale",
    "Store",
    "StoreClosed",
    "StoreError",
    "StoreUnavailable",
    "UnitOfWork",
    "bot_holds",
]
