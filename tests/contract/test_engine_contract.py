"""The durable engine on real databases: a workflow id is one execution, whatever happens."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bot.ports import Unavailable
from bot.ports.engine import Steps
from bot.workflows.engine import DbosEngine

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


def noted(seen: Seen) -> Callable[[Steps, str], object]:
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
        engine = DbosEngine(url)
        engine.add("shout.v1", noted(seen))  # type: ignore[arg-type]
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

    engine = DbosEngine(url)
    engine.add("two.v1", body)
    async with opened(engine):
        await engine.start("two.v1", "two", "")
        await until(lambda: "second begins" in seen)
    gate.set()
    later = DbosEngine(url)
    later.add("two.v1", body)
    async with opened(later):
        await until(lambda: "second ends" in seen)
    assert seen.count("first") == 1
    assert seen.count("second begins") == 2


async def test_a_workflow_begun_by_a_step_stands_on_its_own(url: str) -> None:
    seen: Seen = []
    engine = DbosEngine(url)

    async def parent(steps: Steps, argument: str) -> None:
        await steps.run("begin", lambda: engine.start("shout.v1", "child", argument))

    engine.add("shout.v1", noted(seen))  # type: ignore[arg-type]
    engine.add("parent.v1", parent)
    async with opened(engine):
        await engine.start("parent.v1", "parent", "hi")
        await until(lambda: "HI" in seen)
        assert await engine.parked() == ()


async def test_a_workflow_that_fails_is_shown_as_parked(url: str) -> None:
    async def body(steps: Steps, argument: str) -> None:
        async def fail() -> None:
            raise RuntimeError("the disk is full")

        await steps.run("fail", fail)

    engine = DbosEngine(url)
    engine.add("fail.v1", body)
    async with opened(engine):
        await engine.start("fail.v1", "broken", "")
        async with asyncio.timeout(20):
            while not (parked := await engine.parked()):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)
    assert [(p.workflow_id, p.name) for p in parked] == [("broken", "fail.v1")]
    assert "the disk is full" in parked[0].reason


async def test_boundaries_are_told_around_every_step(tmp_path: Path) -> None:
    seen: Seen = []
    places: Seen = []
    engine = DbosEngine(f"sqlite:///{tmp_path / 'engine.sqlite'}", boundary=places.append)
    engine.add("shout.v1", noted(seen))  # type: ignore[arg-type]
    async with opened(engine):
        await engine.start("shout.v1", "once", "hello")
        await until(lambda: "HELLO" in seen)
    assert places == ["before:shout", "after:shout"]


async def test_two_processes_never_share_a_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'engine.sqlite'}"
    async with opened(DbosEngine(url)):
        with pytest.raises(Unavailable, match="Another kaeru uses this data folder"):
            await DbosEngine(url).open()
