"""The Swarm that the tests of the suite share, and a service of one's own in it."""

from collections.abc import AsyncIterator

import pytest

from sandbox.clusters.swarm import SwarmCluster
from tests.swarm.world import Service, service_on, the_swarm


@pytest.fixture(scope="session")
def swarm() -> SwarmCluster:
    return the_swarm()


@pytest.fixture
async def service(swarm: SwarmCluster) -> AsyncIterator[Service]:
    async with service_on(swarm.docker_host) as made:
        yield made
