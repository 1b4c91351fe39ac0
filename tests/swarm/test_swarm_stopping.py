"""When a rollback is at its end: as soon as the new tasks run and no new connection can reach an old one."""

from contextlib import aclosing

import pytest

from integrations.swarm.service import UPDATE_CONFIG_BEFORE
from tests.swarm.world import BAD, DEFAULT_PACE, GOOD, Service, rolled_back, succeeded

pytestmark = pytest.mark.swarm


async def test_old_tasks_that_take_their_time_to_stop_are_said_and_not_waited_for(service: Service) -> None:
    await service.create(BAD, Env=["STOP_AFTER=8"], StopGracePeriod=30_000_000_000)
    await service.recorded(GOOD)
    # The daemon's updater still watches the new tasks when this pace, slow and stop-first, comes back to it.
    await service.change(lambda spec: spec.update(UpdateConfig=DEFAULT_PACE))
    old = {task["ID"] for task in await service.tasks()}
    async with aclosing(service.target()) as target:
        seen = await rolled_back(target, GOOD)
    succeeded(seen, GOOD)
    assert seen.detail == f"2 of 2 running {GOOD}, 2 being stopped."
    tasks = await service.tasks()
    states = {(t["DesiredState"], t["Status"]["State"]) for t in tasks if t["ID"] in old}
    assert states == {("shutdown", "running")}
    spec = (await service.get())["Spec"]
    assert spec["UpdateConfig"] == DEFAULT_PACE
    assert UPDATE_CONFIG_BEFORE not in spec["Labels"]
    await service.settled()
    assert {task["ID"] for task in await service.tasks()} == {task["ID"] for task in tasks}
    assert await service.running() == [GOOD, GOOD]
