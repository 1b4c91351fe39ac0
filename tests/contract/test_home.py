"""What the Home tab says of the services: what answers, and what is set to run."""

import pytest

from bot.ports.chat import PublishHome
from bot.usecases.home import Home
from tests.contract.test_survey import World, world
from tests.unit.views_outline import outline_view

pytest_plugins = ("tests.postgres", "tests.contract.store_fixtures")
__all__ = ["world"]


async def shown(world: World) -> str:
    """The line of the shop on Alice's Home tab."""
    home = Home(world.store, world.catalog, world.desk, clock=world.clock)
    await home.show("U0ALICE")
    item = await world.store.read(lambda uow: uow.outbox.get("home:U0ALICE", "home"))
    assert item is not None
    assert isinstance(item.operation, PublishHome)
    return next(text for text in outline_view(item.operation.view).splitlines() if "*shop*" in text)


async def test_what_is_set_to_run_and_does_not_answer_is_said(world: World) -> None:
    await world.survey.sweep()
    await world.seen_good()
    assert "set to run" not in await shown(world)
    for target in world.targets["shop"].values():
        target.configured = "v1.4.0"
    world.clock.advance(seconds=40)
    await world.survey.sweep()
    await world.seen_good()
    assert "`v1.3.0`, seen serving well" in await shown(world)
    assert "but *`v1.4.0` is set to run*" in await shown(world)
    world.clock.advance(minutes=5)
    await world.seen_good()
    assert "set to run" not in await shown(world), "of a target that is not seen any more nothing is claimed"


async def test_components_may_have_versions_of_their_own(world: World) -> None:
    world.targets["shop"]["worker"].configured = "v2.0.0"
    await world.survey.sweep()
    await world.seen_good()
    assert "set to run" not in await shown(world)


@pytest.mark.parametrize("kept", [True, False])
async def test_another_shape_of_what_answers_is_no_news(world: World, *, kept: bool) -> None:
    for target in world.targets["shop"].values():
        target.configured = "v1.3.0" if kept else "v1.3.0+r4711"
    await world.survey.sweep()
    await world.seen_good()
    assert "set to run" not in await shown(world)
