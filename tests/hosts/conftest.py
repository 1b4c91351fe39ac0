"""The hosts: started once for each module, and put back as they were before each test."""

from collections.abc import Iterator

import pytest

from sandbox.shop.releases import Shop, build
from tests.hosts.rack import Rack, rack_of
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
    """With the shop's real process on each."""
    started.reset(built)
    return started


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rack]:
    with rack_of(tmp_path_factory.mktemp("rack"), "web1", "web2", "web3") as found:
        yield found


@pytest.fixture
def rack(mounted: Rack) -> Rack:
    """Three hosts, each with an SSH server of its own."""
    mounted.reset()
    return mounted
