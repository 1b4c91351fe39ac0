"""The service is one of a real Docker Swarm: what people live through when it has to go back."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from bot.domain import events as e
from sandbox.clusters.errors import Unavailable
from sandbox.clusters.shop_images import WEB
from sandbox.clusters.swarm import SwarmCluster
from sandbox.clusters.throwaway import ThrowawaySwarm, throwaway_swarm
from sandbox.workspace import forms
from tests.clusters import without
from tests.scenarios.clusters import ClusterWorld, swarm_world
from tests.scenarios.world import BAD, GENERAL, GOOD, whispered
from tests.swarm.world import Service, service_on, the_swarm

pytestmark = [pytest.mark.swarm, pytest.mark.timeout(300)]

SECOND = 1_000_000_000
SLOW: dict[str, Any] = {
    "Env": ["READY_AFTER=4"],
    "Healthcheck": {
        "Test": ["CMD-SHELL", "wget -q -O /dev/null http://127.0.0.1:8080/ready"],
        "Interval": SECOND // 2,
        "Timeout": 10 * SECOND,
        "StartPeriod": 60 * SECOND,
        "Retries": 10,
    },
}
"""A task that is not there at once."""


@pytest.fixture(scope="module")
def swarm() -> SwarmCluster:
    return the_swarm()


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as made:
        yield made


@pytest.fixture
async def service(swarm: SwarmCluster, stack: AsyncExitStack) -> Service:
    return await stack.enter_async_context(service_on(swarm.docker_host))


@pytest.fixture
def mortal() -> Iterator[ThrowawaySwarm]:
    """A Swarm whose daemon may be restarted."""
    try:
        with throwaway_swarm() as made:
            yield made
    except Unavailable as error:
        without("Docker Swarm", str(error))


async def poisoned(service: Service, world: ClusterWorld) -> None:
    """A good version, a bad one, and then a scale: from then on the daemon's previous spec is the bad one."""
    await world.bad_deploy()
    await service.scale(3)
    previous = (await service.get())["PreviousSpec"]["TaskTemplate"]["ContainerSpec"]["Image"]
    assert previous == f"{service.repository}:{BAD}"


async def test_what_the_daemon_would_return_to_is_the_bad_one_and_kaeru_does_not(
    service: Service, stack: AsyncExitStack, tmp_path: Path
) -> None:
    await service.create(GOOD)
    world = await swarm_world(stack, tmp_path, service)
    await poisoned(service, world)
    pace = (await service.get())["Spec"]["UpdateConfig"]
    room = await world.declare()
    await room.approve(to=GOOD)
    await room.status("verified")
    assert await world.serves() == GOOD
    assert await service.running() == [GOOD] * 3
    assert (await service.get())["Spec"]["UpdateConfig"] == pace
    ledger = await world.read(lambda uow: uow.releases.all("shop"))
    assert {v for v, known in ledger.items() if known.quarantined_at} == {BAD}

    template = (await service.get())["Spec"]["TaskTemplate"]
    answer = await whispered(world.bob, GENERAL, lambda: world.bob.command(GENERAL, "/rollback shop"))
    assert "A new plan is being made there." in answer
    said = forms.text_of(await room.sees("a rollback of this incident brought it there", timeout=60))
    assert f"shop runs {GOOD} already" in said
    assert (await service.get())["Spec"]["TaskTemplate"] == template
    await room.close()
    text = await room.postmortem()
    assert f"shop works again on {GOOD}" in text
    assert BAD in text


async def test_two_ask_and_approve_at_once_and_it_goes_back_once(
    service: Service, stack: AsyncExitStack, tmp_path: Path
) -> None:
    await service.create(GOOD)
    world = await swarm_world(stack, tmp_path, service)
    await world.bad_deploy()
    before = {task["ID"] for task in await service.tasks()}
    room = await world.declare()
    card = await room.card(to=GOOD)
    await asyncio.gather(world.bob.click(card, "Approve"), world.carol.click(card, "Approve"))
    await room.status("verified")
    assert len((await room.incident()).runs) == 1
    started = [task for task in await service.tasks() if task["ID"] not in before]
    assert [task["Spec"]["ContainerSpec"]["Image"] for task in started] == [
        f"{service.repository}:{GOOD}"
    ] * 2


async def test_the_daemon_is_restarted_while_it_goes_back(
    mortal: ThrowawaySwarm, stack: AsyncExitStack, tmp_path: Path
) -> None:
    service = await stack.enter_async_context(service_on(mortal.docker_host, repository=WEB))
    await service.create(GOOD, **SLOW)
    world = await swarm_world(stack, tmp_path, service)
    await world.bad_deploy()
    room = await world.declare()
    await room.approve(to=GOOD)

    async def begun() -> bool:
        set_to = (await service.get())["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"]
        return bool(set_to == f"{WEB}:{GOOD}")

    await world.until(begun, "the rollback to be under way")
    await asyncio.to_thread(mortal.manager.restart_daemon)
    await room.status("verified")
    assert await world.serves() == GOOD
    assert set(await service.running()) == {GOOD}
    assert len((await room.incident()).runs) == 1
    assert await room.events(e.RollbackFailed) == []
