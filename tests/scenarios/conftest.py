"""Fixtures: `world` for the usual story, `new_world` for one with other releases or settings."""

import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest

from sandbox.shop.control import point_current
from sandbox.shop.releases import Shop, build
from sandbox.workspace.manifest import Manifest
from tests.contract.shop import copied, running
from tests.scenarios.world import GOOD, MANIFEST, World, opened

Variant = tuple[tuple[str, ...], tuple[str, ...]]


class NewWorld(Protocol):
    """Opens a world; it is closed after the test. One at a time: the workflow engine is a singleton."""

    async def __call__(
        self,
        *,
        serves: str = GOOD,
        bad: Collection[str] = (),
        broken: Collection[str] = (),
        changes: Mapping[str, Any] | None = None,
        second: Mapping[str, Any] | None = None,
        databases: Mapping[str, str] | None = None,
        manifest: Manifest | Path = MANIFEST,
        rate_limits: bool = False,
    ) -> World: ...


@pytest.fixture(scope="session")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Variant], Shop]:
    """Shops built once per variant, to be copied."""
    built: dict[Variant, Shop] = {}

    def shop_of(variant: Variant) -> Shop:
        if variant not in built:
            bad, broken = variant
            folder = tmp_path_factory.mktemp("shop")
            built[variant] = build(folder, bad_versions=bad, broken_versions=broken)
        return built[variant]

    return shop_of


@pytest.fixture
async def new_world(shops: Callable[[Variant], Shop], tmp_path: Path) -> AsyncIterator[NewWorld]:
    async with contextlib.AsyncExitStack() as stack:

        async def make(
            *,
            serves: str = GOOD,
            bad: Collection[str] = (),
            broken: Collection[str] = (),
            changes: Mapping[str, Any] | None = None,
            second: Mapping[str, Any] | None = None,
            databases: Mapping[str, str] | None = None,
            manifest: Manifest | Path = MANIFEST,
            rate_limits: bool = False,
        ) -> World:
            shop = copied(shops((tuple(bad), tuple(broken))), tmp_path / "shop")
            point_current(shop.root, serves)
            return await stack.enter_async_context(
                opened(
                    stack.enter_context(running(shop)),
                    tmp_path,
                    changes=changes,
                    second=second,
                    databases=databases,
                    manifest=manifest,
                    rate_limits=rate_limits,
                )
            )

        yield make


@pytest.fixture
async def world(new_world: NewWorld) -> World:
    """The usual one: v1.2.9 serves."""
    return await new_world()
