"""What every deploy target promises, held against three hosts over SSH that change together."""

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest
import pytest_asyncio

from tests.contract import test_target_contract as suite
from tests.hosts.world import HostsWorld, Site

pytestmark = pytest.mark.asyncio(loop_scope="module")


def _of_one_world(test: Callable[..., Any]) -> bool:
    """The suite's tests of lost requests bring adapters of their own; the hosts' are in test_lost.py."""
    own = any(
        mark.args[0] == "shared" for mark in getattr(test, "pytestmark", ()) if mark.name == "parametrize"
    )
    return bool({"world", "own_world"} & set(inspect.signature(test).parameters)) and not own


TESTS = {name: test for name, test in vars(suite).items() if name.startswith("test_") and _of_one_world(test)}
assert len(TESTS) >= 10, "the suite's tests are not found any more"
globals().update(TESTS)
# What those tests ask for besides their world.
globals().update({name: vars(suite)[name] for name in ("key", "incidents") if name in vars(suite)})


@pytest_asyncio.fixture(loop_scope="module")
async def world(hosts: Site) -> AsyncIterator[HostsWorld]:
    """All at once: then a version that does not start is set everywhere, as the suite expects of one host."""
    async with aclosing(hosts.target(batch="100%")) as target:
        yield HostsWorld(target, hosts)


@pytest_asyncio.fixture(loop_scope="module")
async def own_world(world: HostsWorld) -> HostsWorld:
    """It is put back as it was before each test, broken releases too."""
    return world
