"""The Swarm that the tests of the suite share, and a service of one's own in it."""

from collections.abc import AsyncIterator

import pytest

from integrations.swarm.target import SwarmTarget
from sandbox.clusters.swarm import SwarmCluster
from tests.swarm.world import Service, service_on, the_swarm


@pytest.fixture(scope="session")
def swarm() -> SwarmCluster:
    return the_swarm()


@pytest.fixture
async def service(swarm: SwarmCluster) -> AsyncIterator[Service]:
    async with service_on(swarm.docker_host) as made:
        yield made


@pytest.fixture
async def target(service: Service) -> AsyncIterator[SwarmTarget]:
    """Kaeru for `service`, with all its defaults. A test whose kaeru is another one makes it itself."""
    made = service.target()
    yield made
    await made.aclose()
