"""Killed while a service of a real Swarm goes back: its tasks are replaced once, and the run ends well."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from sandbox.clusters.relay import relay, to_service
from tests.crash.cluster_scene import cluster_scene
from tests.crash.cluster_story import BAD, GOOD, ended_once, goes_back
from tests.scenarios.clusters import WEB_PORT, opened_door
from tests.swarm.world import service_on, the_swarm

pytestmark = [pytest.mark.swarm, pytest.mark.timeout(300)]

PLACES = ("written", "followed:shop", "commit:step_finished:apply:shop")


@pytest.mark.parametrize("place", PLACES)
async def test_killed_while_a_service_goes_back(place: str, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        swarm = await asyncio.to_thread(the_swarm)
        service = await stack.enter_async_context(service_on(swarm.docker_host))
        await service.create(GOOD)
        url = await opened_door(stack, relay(to_service([service.docker_host], service.name, WEB_PORT)))
        target = {"kind": "swarm", "host": service.docker_host, "service": service.name}
        stage = await stack.enter_async_context(cluster_scene(tmp_path, target, url, die_at=(place,)))
        await stage.knows(GOOD)
        await service.deploy(BAD)
        before = {task["ID"] for task in await service.tasks()}
        pace = (await service.get())["Spec"]["UpdateConfig"]
        story = await goes_back(stage)
        started = [task for task in await service.tasks() if task["ID"] not in before]
        good = f"{service.repository}:{GOOD}"
        assert [task["Spec"]["ContainerSpec"]["Image"] for task in started] == [good, good]
        assert await service.running() == [GOOD, GOOD]
        assert (await service.get())["Spec"]["UpdateConfig"] == pace
        await ended_once(stage, story)
