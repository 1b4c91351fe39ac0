"""The Swarm that the tests of the suite share, and a service of one's own in it."""

import os
from collections.abc import AsyncIterator

import pytest

from sandbox.clusters import swarm as clusters
from sandbox.clusters.errors import Unavailable
from sandbox.clusters.swarm import SwarmCluster
from tests.swarm.world import Service, service_on


@pytest.fixture(scope="session")
def swarm() -> SwarmCluster:
    """Started where it does not run yet, and left running for the next time."""
    try:
        return clusters.up()
    except Unavailable as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture
async def service(swarm: SwarmCluster) -> AsyncIterator[Service]:
    async with service_on(swarm.docker_host) as made:
        yield made
