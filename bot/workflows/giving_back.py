"""Giving back what is not a component's: users who are kept from the service, and caches that may serve old answers."""

from collections.abc import Awaitable

from bot.domain.afterwards import cache_of, is_all, is_of_traffic
from bot.domain.debts import Debt
from bot.domain.served import percent
from bot.ports import OutcomeUnknown
from bot.ports.traffic import Traffic
from bot.usecases.fleet import Fleet
from bot.workflows.caching import cache_named, forgotten
from bot.workflows.shifting import set_share, traffic_of

INSIST_FOR_S = 60.0


def giving_back(fleet: Fleet, service: str, debt: Debt, key: str) -> Awaitable[None] | None:
    """None where it is a component's. What is awaited raises PortError where it is owed still."""
    if is_of_traffic(debt):
        return _all_back(traffic_of(fleet, service), key)
    name = cache_of(debt)
    return None if name is None else _forgets(fleet, service, name, key)


async def _all_back(traffic: Traffic, key: str) -> None:
    seen = await set_share(traffic, 1.0, key, insist_s=INSIST_FOR_S)
    if not is_all(seen.share):
        said = "in a way that kaeru cannot express" if seen.share is None else percent(seen.share)
        raise OutcomeUnknown(
            f"All traffic was to reach the service, and it is split {said}.", remedy="Look at the balancer."
        )


async def _forgets(fleet: Fleet, service: str, name: str, key: str) -> None:
    await forgotten(cache_named(fleet, service, name), name, (), key)
