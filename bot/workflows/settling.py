"""What is settled for one incident of a service is settled for all of them that owe the same."""

from collections.abc import Callable

from bot.domain.decide import Events
from bot.domain.incident import Incident
from bot.store import Store
from bot.usecases.desk import Desk
from bot.usecases.owing import owing


async def repaid_everywhere(
    store: Store, desk: Desk, service: str, decision: Callable[[Incident], Events]
) -> None:
    """Let every incident of `service` that owes something decide."""
    for one in await store.read(owing):
        if one.service == service:
            await desk.change(one.id, decision)
