"""A rollback that does not help while the maintenance page is on: users stay there, that is owed, and the next one settles it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.domain import events as e
from bot.domain.run import RAMP, StepState
from sandbox.workspace import forms
from tests.scenarios.conftest import NewWorld
from tests.scenarios.services import laid_over
from tests.scenarios.traffic_worlds import Street, haproxy_street, shares, steering
from tests.scenarios.world import BAD, GOOD, OLDER

# Three of ten checkouts fail: ten well in a row are not to be had by luck.
IMPATIENT = {"services": {"shop": {"health": {"consecutive": 10, "interval": "100ms", "prove_for": "3s"}}}}


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    folder = tmp_path / "door"
    folder.mkdir()
    with haproxy_street(folder) as found:
        yield found


async def test_users_stay_on_the_maintenance_page_until_a_version_helps(
    new_world: NewWorld, street: Street
) -> None:
    changes = laid_over(street.changes(stages=[100]), IMPATIENT)
    world = await new_world(serves=BAD, bad=[GOOD], changes=changes)
    street.wall.target = world.shop.url
    async with street.users():
        room = await world.declare()
        await room.approve(to=GOOD)
        said = forms.text_of(await room.sees("What serves now", timeout=40))
        assert "No user reaches shop: the balancer sends all of them to the maintenance page." in said
        await room.sees("Users are kept from the service")
        assert (await steering(world).inspect()).share == 0.0
        assert len((await room.incident()).debts) == 1

        await room.approve(to=OLDER)
        await room.status("mitigated", "verified", timeout_s=40)
    incident = await room.incident()
    first, second = incident.runs
    assert first.step(RAMP).state is StepState.SKIPPED
    assert second.step(RAMP).state is StepState.SUCCEEDED
    assert await shares(room) == [0.0, 0.0, 1.0]
    assert (await steering(world).inspect()).share == 1.0
    assert incident.debts == ()
    assert len(await room.events(e.DebtRepaid)) == 1
