"""The adapters of a service, made as kaeru.yml says."""

from bot.catalog import Catalog, Service
from bot.usecases.fleet import Fleet, Hands
from integrations import registry


def hands_of(service: Service) -> Hands:
    """Raises PortError where an adapter cannot be made."""
    return Hands(
        targets={c.name: registry.make_target(c.target) for c in service.components},
        health=registry.make_health(service.health) if service.health else None,
        changes=registry.make_changes(service.changes) if service.changes else None,
    )


def fleet_of(catalog: Catalog) -> Fleet:
    """The adapters of every service."""
    return Fleet({service.name: hands_of(service) for service in catalog.services.values()})


async def let_go(hands: Hands) -> None:
    """Close the connections that the adapters of a service keep."""
    for adapter in (*hands.targets.values(), hands.health, hands.changes):
        release = getattr(adapter, "aclose", None)
        if release is not None:
            await release()
