"""Requests and answers that are lost on the way: nothing is done twice, and nothing is called undone that may be done."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.domain.evidence import Outcome
from bot.ports import Conflict, OutcomeUnknown
from bot.ports.target import Change
from bot.workflows.applying import applied
from integrations.swarm.access import Manager
from integrations.swarm.service import UPDATE_CONFIG_BEFORE, WOKEN
from integrations.swarm.settings import SwarmSettings
from integrations.swarm.target import SwarmTarget
from integrations.swarm.updating import restore_pace, wake
from tests.swarm.doors import Line, line_to
from tests.swarm.world import BAD, BAD2, GOOD, Service, change, succeeded

pytestmark = pytest.mark.swarm
KEY = "INC-1/apply"


def _is_update(head: bytes) -> bool:
    return head.startswith(b"POST ")


@dataclass(frozen=True)
class Scene:
    """A service that runs the bad version, with a rollback planned, and the line to it."""

    service: Service
    line: Line
    target: SwarmTarget
    manager: Manager
    planned: Change
    before: frozenset[str]

    async def new_tasks(self) -> int:
        return len({task["ID"] for task in await self.service.tasks()} - self.before)


@pytest.fixture
async def scene(service: Service, tmp_path: Path) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        line = await stack.enter_async_context(line_to(service.docker_host, at=tmp_path / "line.sock"))
        target = await stack.enter_async_context(aclosing(service.target(host=line.docker_host)))
        settings = SwarmSettings(service=service.name, host=line.docker_host)
        manager = await stack.enter_async_context(aclosing(Manager(settings)))
        await service.create(BAD)
        await service.recorded(GOOD)
        planned = change(await target.inspect(), GOOD)
        before = frozenset(task["ID"] for task in await service.tasks())
        yield Scene(service, line, target, manager, planned, before)


async def test_an_answer_that_is_lost_is_looked_for_and_not_repeated(scene: Scene) -> None:
    posts: list[bytes] = []

    def lose(head: bytes) -> bool:
        if _is_update(head):
            posts.append(head)
        return _is_update(head) and len(posts) == 1

    scene.line.lose_answers = lose
    assert (await scene.target.apply(scene.planned, KEY)).outcome is Outcome.UNKNOWN
    assert (scene.line.lost, len(posts)) == (1, 1)
    succeeded(await applied(scene.target, scene.planned, key=KEY), GOOD)
    assert await scene.new_tasks() == 2, "one task in each slot"


async def test_a_request_that_is_lost_is_sent_again_and_does_nothing_late(scene: Scene) -> None:
    scene.line.keep = lambda head: _is_update(head) and not scene.line.kept
    succeeded(await applied(scene.target, scene.planned, key=KEY), GOOD)
    index = (await scene.service.get())["Version"]
    assert b" 200 " not in await scene.line.deliver_late(scene.service.docker_host, scene.line.kept[0])
    assert (await scene.service.get())["Version"] == index
    assert await scene.new_tasks() == 2, "one task in each slot"


async def test_an_update_that_arrives_late_is_waited_for(scene: Scene) -> None:
    scene.line.keep = _is_update
    with pytest.raises(OutcomeUnknown, match="was lost"):
        await scene.target.apply(scene.planned, KEY)
    scene.line.keep = lambda _head: False
    first, second = scene.line.kept
    assert (await scene.target.observe(scene.planned, KEY)).outcome is Outcome.UNKNOWN
    async with aclosing(scene.target.follow(scene.planned, KEY)) as looks:
        seen = await anext(looks)
        assert (seen.outcome, seen.untouched) == (Outcome.UNKNOWN, False)
        assert f"still set to {BAD}: it may still take effect" in seen.detail
        assert b" 200 " in await scene.line.deliver_late(scene.service.docker_host, first)
        assert b" 200 " not in await scene.line.deliver_late(scene.service.docker_host, second)
        succeeded([seen async for seen in looks][-1], GOOD)
    assert await scene.new_tasks() == 2, "one task in each slot"


async def test_an_update_that_never_arrives_ends_as_one_that_changed_nothing(scene: Scene) -> None:
    scene.line.keep = _is_update
    seen = await applied(scene.target, scene.planned, key=KEY)
    assert (seen.outcome, seen.running, seen.untouched) == (Outcome.FAILED, BAD, True)
    assert "nothing was changed" in seen.detail
    assert await scene.new_tasks() == 0


async def test_what_cannot_be_seen_after_the_update_is_not_called_unchanged(scene: Scene) -> None:
    posted = False

    def lose(head: bytes) -> bool:
        nonlocal posted
        posted = posted or _is_update(head)
        return posted and head.startswith(b"GET ")

    scene.line.lose_answers = lose
    seen = await scene.target.apply(scene.planned, KEY)
    assert seen.outcome is Outcome.UNKNOWN
    assert "was updated" in seen.detail
    scene.line.lose_answers = lambda _head: False
    succeeded([seen async for seen in scene.target.follow(scene.planned, KEY)][-1], GOOD)


async def test_somebody_else_right_after_the_update_is_found_by_following(scene: Scene) -> None:
    await scene.service.tag(BAD2)
    posted, overtaken = False, False

    def overtake(head: bytes) -> bool:
        nonlocal posted, overtaken
        if posted and not overtaken and head.startswith(b"GET "):
            overtaken = True
            # In a loop of its own: here nothing may be awaited, and this very request has to wait.
            with ThreadPoolExecutor(1) as other:
                other.submit(asyncio.run, scene.service.set_image(BAD2)).result()
        posted = posted or _is_update(head)
        return False

    scene.line.lose_answers = overtake
    seen = await applied(scene.target, scene.planned, key=KEY)
    assert overtaken
    assert (seen.outcome, seen.untouched) == (Outcome.FAILED, True)
    assert f"is set to {BAD2}, not to {GOOD}" in seen.detail


async def test_a_pace_whose_updates_are_all_lost_is_not_called_somebody_elses_doing(scene: Scene) -> None:
    succeeded(await applied(scene.target, scene.planned, key=KEY), GOOD)
    await wake(scene.manager)
    scene.line.keep = _is_update
    with pytest.raises(OutcomeUnknown, match="was lost"):
        await restore_pace(scene.manager)


async def test_waking_the_updater_up_writes_each_time_and_leaves_nothing_behind(scene: Scene) -> None:
    await scene.target.apply(scene.planned, KEY)
    indexes = [(await scene.service.get())["Version"]["Index"]]
    for count in ("1", "2"):
        await wake(scene.manager)
        woken = await scene.service.get()
        assert woken["Spec"]["Labels"][WOKEN] == count
        assert UPDATE_CONFIG_BEFORE in woken["Spec"]["Labels"]
        indexes.append(woken["Version"]["Index"])
    assert len(set(indexes)) == 3
    succeeded([seen async for seen in scene.target.follow(scene.planned, KEY)][-1], GOOD)
    assert (await scene.service.get())["Spec"]["Labels"] == {"kaeru-test": "swarm", "team": "shop"}
    assert await scene.new_tasks() == 2, "one task in each slot"


@pytest.mark.parametrize(
    "payload", ["no json", "{}", '{"order": "sideways", "parallelism": 0}', '{"surge": "1"}']
)
async def test_a_plan_of_another_version_of_kaeru_is_a_conflict(scene: Scene, payload: str) -> None:
    foreign = scene.planned.model_copy(update={"payload": payload})
    with pytest.raises(Conflict, match="another version of kaeru") as conflict:
        await scene.target.apply(foreign, KEY)
    assert "fresh plan" in conflict.value.remedy
    assert await scene.new_tasks() == 0
