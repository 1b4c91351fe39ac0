"""What all stories share: a built shop, and the memory of a bot that has seen v1.2.9 serve well."""

import asyncio
import shutil
from pathlib import Path

import pytest

from sandbox.shop.releases import Shop, build
from sandbox.workspace import forms
from tests.crash.scene import GOOD, scene

pytest.register_assert_rewrite("tests.crash.truth")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return build(tmp_path_factory.mktemp("built"), current=GOOD)


@pytest.fixture(scope="session")
def memory(built: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that is copied for every story."""
    data = tmp_path_factory.mktemp("memory")
    asyncio.run(_see_it_serve(data, built))
    return Path(shutil.copytree(data / "bot", data / "kept"))


async def _see_it_serve(data: Path, built: Shop) -> None:
    async with scene(data, built, serving=GOOD) as stage:
        alice = stage.workspace.person("alice")

        async def known() -> bool:
            home = await alice.open_home()
            return home is not None and "seen serving well" in forms.text_of(home)

        await stage.until_async(known, f"kaeru to know {GOOD}")
