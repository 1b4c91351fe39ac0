"""Whole incidents on classic deploys: from the command to the word that users are well."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.domain import events as e
from sandbox.shop.releases import build
from tests.classic.colours import Colours, bluegreen_settings, two_shops
from tests.classic.proxies import nginx
from tests.classic.scripts import deploy_script
from tests.scenarios.conftest import NewWorld
from tests.scenarios.world import GOOD

SYMLINKS_OWN = dict.fromkeys(("releases", "link", "restart", "environment", "version_url"))


@pytest.fixture
def colours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Colours]:
    built = build(tmp_path_factory.mktemp("built"), current="v1.3.0")
    with two_shops(built, tmp_path_factory.mktemp("colours")) as found:
        yield found


async def test_a_switch_to_a_bad_colour_is_taken_back(
    new_world: NewWorld, colours: Colours, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with nginx(tmp_path_factory.mktemp("nginx"), colours.ports) as proxy:
        await asyncio.to_thread(proxy.turn, "green")
        urls = {colour: shop.url for colour, shop in colours.shops.items()}
        target: dict[str, Any] = bluegreen_settings(urls, proxy).model_dump(mode="json", exclude_none=True)
        described = {"target": {**SYMLINKS_OWN, "kind": "bluegreen", **target}, "health": {"url": proxy.url}}
        world = await new_world(changes={"services": {"shop": described}})
        await world.known_good()
        await asyncio.to_thread(proxy.turn, "blue")  # v1.3.0, which is bad
        room = await world.declare()
        await room.approve(to=GOOD)
        await room.sees("Mitigated: shop is well on v1.2.9")
        assert proxy.stands() == "green"
        await room.sees("Verified: shop stayed well on v1.2.9")


async def test_a_script_takes_a_bad_deploy_back(new_world: NewWorld, tmp_path: Path) -> None:
    own = {name: None for name in SYMLINKS_OWN if name != "version_url"}
    target = {
        **own,
        "kind": "script",
        "command": ["./deploy.sh", "{version}", "--strategy=rolling"],
        "cwd": str(tmp_path),
        "state": str(tmp_path / "state"),
        "versions": ["ls", str(tmp_path / "shop" / "releases")],
        "environment": {"DEPLOY_TOKEN": "hunter2"},
    }
    world = await new_world(changes={"services": {"shop": {"target": target}}})
    deploy_script(tmp_path, world.shop)
    await world.bad_deploy()
    room = await world.declare()
    await room.approve(to=GOOD)
    await room.sees("Mitigated: shop is well on v1.2.9")
    assert await world.serves() == GOOD
    printed = [line for event in await room.events(e.StepPrinted) for line in event.lines]
    assert printed[:2] == ["deploying v1.2.9 (--strategy=rolling)", "restarting with token=[redacted]"]
    assert printed[-1] == "done"
    assert all("hunter2" not in str(message) for message in await room.messages())


async def test_a_script_that_fails_before_it_touches_anything_costs_no_version(
    new_world: NewWorld, tmp_path: Path
) -> None:
    own = {name: None for name in SYMLINKS_OWN if name != "version_url"}
    target = {
        **own,
        "kind": "script",
        "command": ["./deploy.sh", "{version}"],
        "cwd": str(tmp_path),
        "state": str(tmp_path / "state"),
        "versions": ["ls", str(tmp_path / "shop" / "releases")],
    }
    script = tmp_path / "deploy.sh"
    script.write_text("#!/bin/sh\necho the registry is away >&2\nexit 1\n", encoding="ascii")
    script.chmod(0o755)
    world = await new_world(changes={"services": {"shop": {"target": target}}})
    await world.bad_deploy()
    room = await world.declare()
    await room.approve(to=GOOD)
    await room.sees("it is not held against v1.2.9")
    ledger = await world.read(lambda uow: uow.releases.all("shop"))
    assert ledger[GOOD].quarantined_at is None
    await room.sees("the registry is away")
    await room.when(lambda i: len(i.plans) == 2 and i.plans[-1].state == "ready", "the next plan")
    offered = (await room.events(e.PlanReady))[-1]
    assert offered.plan.to_version == GOOD
