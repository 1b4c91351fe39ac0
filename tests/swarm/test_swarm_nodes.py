"""Nodes that go away: a Swarm of our own for that, of two."""

import asyncio
from collections.abc import Iterator

import pytest

from bot.ports import Observation, Refused
from bot.workflows.applying import applied
from integrations.swarm.settings import SwarmSettings
from integrations.swarm.target import SwarmTarget
from sandbox.clusters import errors
from sandbox.clusters.throwaway import ThrowawaySwarm, throwaway_swarm
from tests.clusters import without
from tests.outages import Outages
from tests.swarm.world import (
    BAD,
    GOOD,
    Service,
    change,
    eventually,
    rolled_back,
    service_on,
    succeeded,
)

pytestmark = [pytest.mark.swarm, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def two() -> Iterator[ThrowawaySwarm]:
    try:
        with throwaway_swarm(2) as made:
            yield made
    except errors.Unavailable as error:
        without("Docker Swarm", str(error))


async def test_a_worker_is_not_asked_for_services(two: ThrowawaySwarm) -> None:
    service = Service(two.nodes[1].docker_host)
    target = service.target()
    try:
        with pytest.raises(Refused, match="no manager of a Swarm") as refused:
            await target.inspect()
        assert "docker node ls" in refused.value.remedy
    finally:
        await target.aclose()


async def test_a_global_service_on_two_nodes(two: ThrowawaySwarm) -> None:
    async with service_on(two.docker_host, repository="kaeru-test/web") as service:
        target = service.target()
        try:
            await service.create(GOOD, replicas=None)
            await target.inspect()
            await service.deploy(BAD)
            seen = await rolled_back(target, GOOD)
            succeeded(seen, GOOD)
            assert "2 of 2 running" in seen.detail
        finally:
            await target.aclose()


class Sufferer(Outages, SwarmTarget):
    """Counts how often it was gone for whoever followed a change."""


async def test_the_daemon_is_restarted_in_the_middle(two: ThrowawaySwarm) -> None:
    async with service_on(two.docker_host, repository="kaeru-test/web") as service:
        settings = SwarmSettings(service=service.name, host=service.docker_host)
        target = Sufferer(settings, service.memory)
        try:
            await service.create(GOOD)
            await target.inspect()
            await service.deploy(BAD)
            planned = change(await target.inspect(), GOOD)
            restarts: list[asyncio.Task[None]] = []

            async def met() -> bool:
                return target.outages > 0

            async def returns() -> None:
                await eventually(met, "the run meets the outage")
                await asyncio.to_thread(two.manager.start)

            async def dies(_seen: Observation) -> None:
                """While it is followed; it stays away until that has been noticed."""
                if not restarts:
                    await asyncio.to_thread(two.manager.stop)
                    restarts.append(asyncio.create_task(returns()))

            seen = await applied(target, planned, key="INC-1/apply", tell=dies)
            await asyncio.gather(*restarts)
            assert len(restarts) == 1
            assert target.outages > 0
            succeeded(seen, GOOD)
        finally:
            await target.aclose()


async def test_a_node_that_goes_down_in_the_middle_is_said(two: ThrowawaySwarm) -> None:
    async with service_on(two.docker_host, repository="kaeru-test/web") as service:
        target = service.target()
        worker = two.nodes[1]
        try:
            await service.create(GOOD, replicas=4)
            await target.inspect()
            await service.deploy(BAD)
            planned = change(await target.inspect(), GOOD)
            await asyncio.to_thread(worker.kill)
            said = [(await target.apply(planned, "INC-1/apply")).detail]
            async for seen in target.follow(planned, "INC-1/apply"):
                said.append(seen.detail)
            succeeded(seen, GOOD)
            assert "4 of 4 running" in seen.detail
            assert any(f"node {worker.name} cannot be reached" in detail for detail in said), said
            plan = await target.plan(change(await target.inspect(), BAD))
            assert any(f"Out of service: {worker.name}" in warning.text for warning in plan.warnings)
        finally:
            await target.aclose()
            await asyncio.to_thread(worker.start)

            async def back() -> bool:
                return two.node_states()[worker.name] == "ready"

            await eventually(back, "the node is back")
