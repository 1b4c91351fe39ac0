"""How kaeru starts, ends and breaks as a process: quietly where all is as it should be, loudly where it is not."""

import asyncio
import logging
from datetime import timedelta

import pytest

from bot import app
from bot.catalog import load_catalog
from bot.clock import now
from bot.ports import Unavailable
from integrations.registry import kinds
from tests.scenarios.conftest import NewWorld
from tests.scenarios.world import GOOD, World

ROUND = 4
"""Probes in one round of the shop: its version and three critical endpoints."""

WATCHED = {"services": {"shop": {"watch": "5m"}}}


async def test_being_stopped_in_the_middle_of_a_run_is_nothing_to_tell(
    new_world: NewWorld, caplog: pytest.LogCaptureFixture
) -> None:
    world = await new_world(changes=WATCHED)
    await world.bad_deploy()
    room = await world.declare()
    await room.approve()
    await room.status("rolling_back", "mitigated")
    await world.stop()
    await world.start()
    await room.status("mitigated")
    await world.stop()
    # Bolt tells of events that came in the last moment and were not acknowledged: Slack sends them again.
    told = [r for r in caplog.records if r.levelno >= logging.WARNING and r.name != "slack_bolt"]
    assert [record.getMessage() for record in told] == []
    await world.start()
    assert (await room.incident()).status == "mitigated"
    assert await world.serves() == GOOD


async def test_a_loop_that_ends_ends_the_process(world: World, caplog: pytest.LogCaptureFixture) -> None:
    await world.stop()
    settings = world.settings()
    ready, stop = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(app.run(settings, load_catalog(settings.config, kinds()), stop, ready.set))
    async with asyncio.timeout(20):
        await ready.wait()
    (recorder,) = [task for task in asyncio.all_tasks() if task.get_name() == "recorder"]
    recorder.cancel()
    with pytest.raises(Unavailable, match=r"^The recorder ended by itself"):
        async with asyncio.timeout(20):
            await running
    assert "kaeru stops, to be started again" in caplog.text


async def test_what_an_incident_was_measured_by_is_kept(world: World) -> None:
    await world.bad_deploy()
    room = await world.declare()
    declared = (await room.incident()).declared_at

    async def measured() -> bool:
        return len(await world.read(lambda uow: uow.probes.window("shop", declared))) >= 2 * ROUND

    await world.until(measured, "two rounds of probes during the incident")
    await world.running.store.write(lambda uow: uow.probes.prune(now() + timedelta(days=1), limit=100_000))
    kept = await world.read(lambda uow: uow.probes.window("shop", declared - timedelta(hours=1)))
    assert len(kept) >= ROUND
    # The round that was under way as it was declared may belong to it.
    assert min(probe.at for probe in kept) > declared - timedelta(seconds=5)
