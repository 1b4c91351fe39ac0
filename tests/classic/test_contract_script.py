"""What every deploy target promises, held against a real deploy script of a real shop."""

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox.shop.releases import Shop, build
from tests.classic.promises import promised
from tests.classic.scripts import ScriptWorld
from tests.contract.shop import copied, running

globals().update(promised(but={}))

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return build(tmp_path_factory.mktemp("built"), current="v1.3.0")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(built: Shop, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ScriptWorld]:
    folder = tmp_path_factory.mktemp("script")
    with running(copied(built, folder / "shop")) as shop:
        world = ScriptWorld(folder, shop)
        async with aclosing(world.target):
            yield world


@pytest_asyncio.fixture(loop_scope="module")
async def world(shared: ScriptWorld) -> ScriptWorld:
    return shared


@pytest_asyncio.fixture(loop_scope="module")
async def own_world(built: Shop, tmp_path: Path) -> AsyncIterator[ScriptWorld]:
    with running(copied(built, tmp_path / "shop")) as shop:
        world = ScriptWorld(tmp_path, shop)
        async with aclosing(world.target):
            yield world


@pytest.fixture(scope="module")
def incidents() -> Iterator[int]:
    return itertools.count(1)


@pytest.fixture
def key(incidents: Iterator[int]) -> str:
    return f"INC-{next(incidents)}/apply"
