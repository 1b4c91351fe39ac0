"""The hosts: started once for each module, and put back as they were before each test."""

from collections.abc import Iterator

import pytest

from sandbox.shop.releases import Shop, build
from tests.hosts.world import Site, site


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return build(tmp_path_factory.mktemp("built"), current="v1.3.0")


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory, built: Shop) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("hosts"), built) as found:
        yield found


@pytest.fixture
def hosts(started: Site, built: Shop) -> Site:
    started.reset(built)
    return started
