"""The spec that the daemon itself would return to: poisoned, absent, or all there is to go by. Each is seen and said."""

import pytest

from bot.workflows.applying import applied
from integrations.swarm.service import update_state
from integrations.swarm.target import SwarmTarget
from tests.swarm.world import (
    BAD,
    BAD2,
    GOOD,
    OWN_PACE,
    Service,
    change,
    deployed,
    eventually,
    rolled_back,
    succeeded,
)

pytestmark = pytest.mark.swarm


async def test_a_poisoned_previous_spec_is_seen_said_and_not_used(
    service: Service, target: SwarmTarget
) -> None:
    await deployed(service, target, GOOD, BAD)
    await service.scale(3)
    planned = change(await target.inspect(), GOOD)
    plan = await target.plan(planned)
    assert any(w.text.startswith(f"Tasks now, replicated: 3 × {BAD} running (") for w in plan.warnings)
    assert any(
        f"would change nothing: the daemon's previous spec is {BAD} as well" in w.text for w in plan.warnings
    )
    succeeded(await applied(target, planned, key="INC-1/apply"), GOOD)
    assert await service.running() == [GOOD] * 3, "the scale stays as it was set in between"


async def test_after_the_daemons_own_rollback_there_is_no_previous_spec(
    service: Service, target: SwarmTarget
) -> None:
    await deployed(service, target, GOOD, BAD)
    # On a busy machine a task that crashes takes its time to do so.
    pace = {**OWN_PACE, "FailureAction": "rollback", "Monitor": 10_000_000_000}
    await service.change(lambda spec: spec.update(UpdateConfig=pace, RollbackConfig=OWN_PACE))
    await service.tag(BAD2, of="kaeru-test/broken:crash")
    await service.set_image(BAD2)

    async def rolled() -> bool:
        return update_state(await service.get()) == "rollback_completed"

    await eventually(rolled, "the daemon has rolled back by itself")
    await service.settled()
    assert not (await service.get()).get("PreviousSpec")
    planned = change(await target.inspect(), GOOD)
    plan = await target.plan(planned)
    assert any("the daemon has no previous spec" in warning.text for warning in plan.warnings)
    succeeded(await applied(target, planned, key="INC-1/apply"), GOOD)


async def test_with_nothing_remembered_the_daemons_previous_spec_is_the_named_fallback(
    service: Service, target: SwarmTarget
) -> None:
    await service.create(GOOD)
    await service.deploy(BAD)  # before kaeru first looked
    seen = await target.inspect()
    assert {available.version: "never saw it run" in available.note for available in seen.available} == {
        GOOD: True,
        BAD: False,
    }
    plan = await target.plan(change(seen, GOOD))
    assert any(f"kaeru has no record of {GOOD}" in warning.text for warning in plan.warnings)
    succeeded(await rolled_back(target, GOOD), GOOD)
