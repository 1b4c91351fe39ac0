"""A process that delivers until nothing is left, to be killed at any moment.

    python -m tests.contract.delivery_child STORE_URL API_URL TOKEN

It lingers between sending and writing down that it has sent, which is where a kill hurts most.
"""

import asyncio
import sys
from datetime import UTC, datetime

from bot.ports.chat import Done
from bot.store import OutboxItem, Store
from bot.workflows.delivery import Delivery
from integrations.slack import SlackChat, close_client, make_client

LINGER_S = 0.02


async def on_done(_item: OutboxItem, _done: Done) -> None:
    await asyncio.sleep(LINGER_S)


async def on_dead(item: OutboxItem, sentence: str) -> None:
    raise AssertionError(f"{item.key} was given up: {sentence}")


async def deliver(store_url: str, api_url: str, token: str) -> None:
    store = await Store.open(store_url, clock=now)
    client = make_client(token, base_url=api_url)
    delivery = Delivery(store, SlackChat(client), now, on_done=on_done, on_dead=on_dead, backoff_s=0.1)
    running = asyncio.create_task(delivery.run())
    while await store.read(lambda uow: uow.outbox.backlog()):  # noqa: ASYNC110 - the database has no event to wait for
        await asyncio.sleep(0.05)
    await delivery.drain(5)
    await running
    await close_client(client)
    await store.close()


def now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    asyncio.run(deliver(*sys.argv[1:]))
