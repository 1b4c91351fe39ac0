"""What every deploy target promises, held against blue-green behind each switch.

What cannot hold for two colours is named below, and has tests of its own here and in test_bluegreen_*.py.
"""

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox.shop.releases import Shop, build
from tests.classic.colours import BlueGreenWorld, Colours, two_shops
from tests.classic.promises import promised
from tests.classic.proxies import Proxy, haproxy, nginx
from tests.classic.scripted import Scripted

globals().update(
    promised(
        but={
            "test_it_says_what_runs_and_what_could": "two colours hold two of the three versions",
            "test_a_version_that_does_not_start_is_a_failure_and_can_be_reverted": (
                "what does not start never gets traffic, so that there is nothing to revert"
            ),
        }
    )
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Colours]:
    built: Shop = build(tmp_path_factory.mktemp("built"), current="v1.3.0")
    with two_shops(built, tmp_path_factory.mktemp("colours")) as found:
        yield found


@contextmanager
def _proxy(kind: str, folder: Path, colours: Colours) -> Iterator[Proxy]:
    if kind == "haproxy":
        with haproxy(folder, colours.ports) as found:
            yield found
        return
    with nginx(folder, colours.ports) as server:
        yield server if kind == "nginx" else Scripted(server)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["nginx", "haproxy", "command"])
async def shared(
    request: pytest.FixtureRequest, colours: Colours, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[BlueGreenWorld]:
    with _proxy(request.param, tmp_path_factory.mktemp(request.param), colours) as proxy:
        world = BlueGreenWorld(colours, proxy)
        async with aclosing(world.target):
            yield world


@pytest_asyncio.fixture(loop_scope="module")
async def world(shared: BlueGreenWorld) -> BlueGreenWorld:
    shared.reset()
    return shared


@pytest.fixture(scope="module")
def incidents() -> Iterator[int]:
    return itertools.count(1)


@pytest.fixture
def key(incidents: Iterator[int]) -> str:
    return f"INC-{next(incidents)}/apply"


async def test_it_says_what_serves_and_what_could(world: BlueGreenWorld) -> None:
    """Of the versions that could run only those two are there that the colours hold."""
    turns = world.proxy.turns()
    world.proxy.turn("green")
    world.proxy.turn("blue")
    assert world.proxy.turns() == turns + 2, "the contract's tests would not see a needless switch"
    seen = await world.target.inspect()
    assert (seen.current, seen.running, seen.warnings) == ("v1.3.0", "v1.3.0", ())
    assert [(a.version, a.ref) for a in seen.available] == [
        ("v1.3.0", "blue:v1.3.0"),
        ("v1.2.9", "green:v1.2.9"),
    ]
    assert seen.current_ref == "blue:v1.3.0"
