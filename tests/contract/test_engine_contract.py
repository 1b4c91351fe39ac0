"""The durable engine on real databases: a workflow id is one execution, whatever happens."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bot.ports import Unavailable
from bot.ports.engine import Steps, Workflow
from bot.store.errors import StoreUnavailable
from bot.workflows.engine import ATTEMPTS, DbosEngine, OnBroken

pytest_plugins = ("tests.postgres",)

Seen = list[str]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'engine.sqlite'}"
    address: str = request.getfixturevalue("postgres_url")
    return address


@contextlib.asynccontextmanager
async def opened(engine: DbosEngine) -> AsyncIterator[DbosEngine]:
    await engine.open()
    try:
        yield engine
    finally:
        await engine.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is observed happens in a database, not in an event
            await asyncio.sleep(0.01)


async def unexpected(workflow: str, argument: str, sentence: str) -> None:
    pytest.fail(f"{workflow} of {argument} broke down: {sentence}")


def engine_at(url: str, *, on_broken: OnBroken = unexpected) -> DbosEngine:
    return DbosEngine(url, on_broken=on_broken)


def noted(seen: Seen) -> Workflow:
    async def body(steps: Steps, argument: str) -> None:
        async def work() -> str:
            seen.append(f"did {argument}")
            return argument.upper()

        result = await steps.run("shout", work)
        seen.append(result)

    return body


async def test_an_id_is_started_once_also_by_a_later_process(url: str) -> None:
    seen: Seen = []
    for _ in range(2):
        engine = engine_at(url)
        engine.add("shout.v1", noted(seen))
        async with opened(engine):
            await engine.start("shout.v1", "once", "hello")
            await engine.start("shout.v1", "once", "hello")
            await until(lambda: "HELLO" in seen)
    assert seen == ["did hello", "HELLO"]


async def test_an_unfinished_workflow_goes_on_and_a_finished_step_is_not_done_again(url: str) -> None:
    seen: Seen = []
    gate = asyncio.Event()

    async def body(steps: Steps, argument: str) -> None:
        async def first() -> None:
            seen.append("first")

        async def second() -> None:
            seen.append("second begins")
            await gate.wait()
            seen.append("second ends")

        await steps.run("first", first)
        await steps.run("second", second)

    engine = engine_at(url)
    engine.add("two.v1", body)
    async with opened(engine):
        await engine.start("two.v1", "two", "")
        await until(lambda: "second begins" in seen)
    gate.set()
    later = engine_at(url)
    later.add("two.v1", body)
    async with opened(later):
        await until(lambda: "second ends" in seen)
    assert seen.count("first") == 1
    assert seen.count("second begins") == 2


async def test_a_workflow_begun_by_a_step_stands_on_its_own(url: str) -> None:
    seen: Seen = []
    engine = engine_at(url)

    async def parent(steps: Steps, argument: str) -> None:
        await steps.run("begin", lambda: engine.start("shout.v1", "child", argument))

    engine.add("shout.v1", noted(seen))
    engine.add("parent.v1", parent)
    async with opened(engine):
        await engine.start("parent.v1", "parent", "hi")
        await until(lambda: "HI" in seen)
        assert await engine.parked() == ()


async def test_what_is_begun_while_everything_ends_is_left_to_the_next_start(url: str) -> None:
    seen: Seen = []
    engine = engine_at(url)
    engine.add("shout.v1", noted(seen))
    names = [f"word {number}" for number in range(12)]
    await engine.open()
    beginning = [asyncio.create_task(engine.start("shout.v1", name, name)) for name in names]
    await asyncio.sleep(0)  # all of them are under way
    await engine.close()
    await asyncio.gather(*beginning)
    await engine.start("shout.v1", "too late", "too late")
    assert await asyncio.to_thread(len, names) == len(names), "threads are to be had as before"
    again = engine_at(url)
    again.add("shout.v1", noted(seen))
    async with opened(again):
        for name in names:
            await again.start("shout.v1", name, name)
        await until(lambda: {name.upper() for name in names} <= set(seen))
    assert "did too late" not in seen


async def test_a_workflow_that_breaks_down_is_tried_again_told_of_once_and_shown_as_parked(url: str) -> None:
    tries: Seen = []
    told: Seen = []

    async def body(steps: Steps, argument: str) -> None:
        async def fail() -> None:
            tries.append(argument)
            raise RuntimeError("the disk at /secret is full")

        await steps.run("fail", fail)

    async def tell(workflow: str, argument: str, sentence: str) -> None:
        told.append(f"{workflow} {argument}: {sentence}")

    engine = engine_at(url, on_broken=tell)
    engine.add("fail.v1", body)
    async with opened(engine):
        await engine.start("fail.v1", "broken", "it")
        async with asyncio.timeout(20):
            while not (parked := await engine.parked()):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)
    assert [(p.workflow_id, p.name) for p in parked] == [("broken", "fail.v1")]
    assert tries == ["it"] * ATTEMPTS
    assert told == ["fail.v1 it: kaeru itself failed (RuntimeError); the log has the details."]


async def test_a_database_that_does_not_answer_is_waited_for(url: str) -> None:
    tries: Seen = []

    async def body(steps: Steps, argument: str) -> None:
        async def wait() -> None:
            tries.append(argument)
            if len(tries) <= ATTEMPTS:
                raise StoreUnavailable("The database does not answer.")

        await steps.run("wait", wait)
        tries.append("done")

    engine = engine_at(url)
    engine.add("wait.v1", body)
    async with opened(engine):
        await engine.start("wait.v1", "waits", "again")
        await until(lambda: "done" in tries)
    assert tries.count("again") == ATTEMPTS + 1


async def test_boundaries_are_told_around_every_step(tmp_path: Path) -> None:
    seen: Seen = []
    places: Seen = []
    engine = DbosEngine(
        f"sqlite:///{tmp_path / 'engine.sqlite'}", on_broken=unexpected, boundary=places.append
    )
    engine.add("shout.v1", noted(seen))
    async with opened(engine):
        await engine.start("shout.v1", "once", "hello")
        await until(lambda: "HELLO" in seen)
    assert places == ["before:shout", "after:shout"]


async def test_two_processes_never_share_a_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'engine.sqlite'}"
    async with opened(engine_at(url)):
        with pytest.raises(Unavailable, match="Another kaeru uses this data folder"):
            await engine_at(url).open()
