"""One memory of shapes, whoever keeps it: kaeru's database (SQLite, PostgreSQL), or a test."""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import inspect

from bot.ports import Memory, Shape
from bot.store import Store, UnitOfWork
from bot.store import schema as store_schema
from bot.store.database import Database
from bot.usecases.memories import EVERY, StoreMemory
from bot.usecases.pruning import Pruning
from tests.contract.store_worlds import START, Clock, run_sql
from tests.fakes.memory import FakeMemory

pytest_plugins = ("tests.postgres", "tests.contract.store_fixtures")

SECRET = "hunter2-in-a-spec"


@dataclass
class World:
    memory: Memory
    clock: Clock
    store: Store | None

    async def good(self, ref: str, at: datetime) -> None:
        """The service served well in this shape."""
        if self.store is not None:
            await self.store.write(lambda uow: uow.shapes.good("shop", "web", ref, at))
        elif isinstance(self.memory, FakeMemory):
            self.memory.good(ref, at)

    async def refs(self) -> list[str]:
        return [shape.ref for shape in await self.memory.shapes()]


@pytest.fixture(params=["sqlite", "postgres", "fake"])
async def world(request: pytest.FixtureRequest, tmp_path: Any) -> AsyncIterator[World]:
    clock = Clock()
    if request.param == "fake":
        yield World(FakeMemory(clock), clock, None)
        return
    url = f"sqlite:///{tmp_path}/kaeru.sqlite"
    if request.param == "postgres":
        url = str(request.getfixturevalue("postgres_url"))
    store = await Store.open(url, clock=clock)
    yield World(StoreMemory(store, "shop", "web", clock=clock), clock, store)
    await store.close()


async def test_nothing_is_remembered_of_what_was_never_seen(world: World) -> None:
    assert await world.memory.shapes() == ()
    assert await world.memory.recall("a") is None
    await world.good("a", START)
    assert await world.memory.shapes() == ()


async def test_a_shape_comes_back_as_it_was_kept(world: World) -> None:
    spec = '{"env": "ü\\u0000", "image": "web:v1"}'
    await world.memory.keep("a", "v1", spec)
    shape = Shape(ref="a", version="v1", spec=spec, first_at=START, last_at=START)
    assert await world.memory.recall("a") == shape
    assert await world.memory.shapes() == (shape,)


async def test_the_one_that_was_current_last_comes_first(world: World) -> None:
    for ref in ("a", "b", "c"):
        await world.memory.keep(ref, "v1", ref)
        world.clock.advance(seconds=1)
    assert await world.refs() == ["c", "b", "a"]
    await world.memory.keep("a", "v1", "a")
    assert await world.refs() == ["a", "c", "b"]
    again = await world.memory.recall("a")
    assert again is not None
    assert (again.first_at, again.last_at) == (START, START + timedelta(seconds=3))


async def test_a_shape_that_goes_and_comes_within_an_instant_is_in_the_right_place(world: World) -> None:
    for ref in ("a", "b"):
        await world.memory.keep(ref, "v1", ref)
    assert await world.refs() == ["b", "a"]


async def test_what_is_still_current_is_so_until_now(world: World) -> None:
    await world.memory.keep("a", "v1", "{}")
    at = world.clock.advance(seconds=EVERY.total_seconds())
    await world.memory.keep("a", "v1", "{}")
    seen = await world.memory.recall("a")
    assert seen is not None
    assert (seen.first_at, seen.last_at) == (START, at)


async def test_a_shape_told_in_other_words_is_kept_in_the_newer_ones(world: World) -> None:
    await world.memory.keep("a", "v1", "old")
    await world.memory.keep("a", "v1.0", "new")
    seen = await world.memory.recall("a")
    assert seen is not None
    assert (seen.version, seen.spec) == ("v1.0", "new")


async def test_good_stays_with_the_shape(world: World) -> None:
    await world.memory.keep("a", "v1", "{}")
    await world.good("a", START + timedelta(seconds=9))
    world.clock.advance(minutes=1)
    await world.memory.keep("b", "v1", "{}")
    await world.memory.keep("a", "v1", "{}")
    assert {s.ref: s.good_at for s in await world.memory.shapes()} == {
        "a": START + timedelta(seconds=9),
        "b": None,
    }


async def test_components_have_memories_of_their_own(store: Store, clock: Clock) -> None:
    for service, component in (("shop", "web"), ("shop", "worker"), ("tea", "web")):
        memory = StoreMemory(store, service, component, clock=clock)
        await memory.keep("a", "v1", f"{service}/{component}")
    for service, component in (("shop", "web"), ("shop", "worker"), ("tea", "web")):
        memory = StoreMemory(store, service, component, clock=clock)
        assert [shape.spec for shape in await memory.shapes()] == [f"{service}/{component}"]


async def test_nothing_is_written_where_nothing_is_new(store: Store, clock: Clock) -> None:
    memory = StoreMemory(store, "shop", "web", clock=clock)
    await memory.keep("a", "v1", "{}")
    clock.advance(seconds=EVERY.total_seconds() - 1)
    await memory.keep("a", "v1", "{}")
    # Another process, which has not seen it yet, reads what this one has written.
    seen = await StoreMemory(store, "shop", "web", clock=clock).recall("a")
    assert seen is not None
    assert seen.last_at == START
    clock.advance(seconds=-3600)
    await memory.keep("a", "v1", "{}")
    clock.advance(seconds=3600 + 1)
    await memory.keep("a", "v1", "{}")
    assert [s.last_at for s in await memory.shapes()] == [clock()]


async def test_a_clock_that_was_put_back_hides_no_new_shape(store: Store, clock: Clock) -> None:
    memory = StoreMemory(store, "shop", "web", clock=clock)
    await memory.keep("a", "v1", "{}")
    clock.advance(hours=-1)
    await memory.keep("b", "v2", "{}")
    assert [s.ref for s in await memory.shapes()] == ["b", "a"]


async def test_what_only_looks_keeps_nothing(store: Store, clock: Clock) -> None:
    await StoreMemory(store, "shop", "web", clock=clock).keep("a", "v1", "{}")
    looking = StoreMemory(store, "shop", "web", clock=clock, keeps=False)
    await looking.keep("b", "v2", "{}")
    assert [s.ref for s in await looking.shapes()] == ["a"]


async def test_a_stretch_begins_where_another_shape_was_between(store: Store, clock: Clock) -> None:
    async def since(ref: str) -> datetime | None:
        return await store.read(lambda uow: uow.shapes.since("shop", "web", ref))

    assert await since("a") is None
    memory = StoreMemory(store, "shop", "web", clock=clock)
    await memory.keep("a", "v1", "{}")
    clock.advance(minutes=5)
    # A restart of kaeru is no end of a stretch.
    memory = StoreMemory(store, "shop", "web", clock=clock)
    await memory.keep("a", "v1", "{}")
    assert await since("a") == START
    clock.advance(minutes=5)
    await memory.keep("b", "v1", "{}")
    assert (await since("a"), await since("b")) == (None, clock())
    back = clock.advance(minutes=5)
    await memory.keep("a", "v1", "{}")
    clock.advance(minutes=5)
    await memory.keep("a", "v1", "{}")
    assert (await since("a"), await since("b")) == (back, None)
    seen = await memory.recall("a")
    assert seen is not None
    assert seen.first_at == START


async def test_two_that_keep_at_once_keep_both(store_url: str, clock: Clock) -> None:
    stores = [await Store.open(store_url, clock=clock) for _ in range(2)]
    await asyncio.gather(
        *(
            StoreMemory(stores[n % 2], "shop", "web", clock=clock).keep(f"r{n % 5}", "v1", "{}")
            for n in range(40)
        )
    )
    assert {s.ref for s in await StoreMemory(stores[0], "shop", "web", clock=clock).shapes()} == {
        f"r{n}" for n in range(5)
    }
    for one in stores:
        await one.close()


async def test_a_spec_is_shown_nowhere(
    store: Store, clock: Clock, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    memory = StoreMemory(store, "shop", "web", clock=clock)
    await memory.keep("a", "v1", SECRET)
    shape = await memory.recall("a")
    assert shape is not None
    assert shape.spec == SECRET
    shown = [repr(shape), str(shape), repr(memory), repr(await memory.shapes())]
    with pytest.raises(ValidationError) as invalid:
        Shape.model_validate({**shape.model_dump(), "spec": [SECRET], "version": f"/{SECRET}"})
    shown.append(str(invalid.value))
    # What the database says when it will not take a shape.
    await asyncio.to_thread(run_sql, store, "DROP TABLE kaeru_shape")
    clock.advance(minutes=5)
    with pytest.raises(Exception, match="kaeru_shape") as refused:
        await memory.keep("b", "v1", SECRET)
    shown += traceback.format_exception(refused.value)
    assert SECRET not in "".join((*shown, caplog.text, *capsys.readouterr()))


async def test_pruning_spares_the_newest_and_what_was_good(store: Store, clock: Clock) -> None:
    memory = StoreMemory(store, "shop", "web", clock=clock)
    other = StoreMemory(store, "shop", "worker", clock=clock)
    await other.keep("only", "v1", "{}")
    for n in range(60):
        await memory.keep(f"r{n:02}", "v1", "{}")
        clock.advance(seconds=1)
    now = clock()
    for ref, days in (("r03", 89), ("r04", 91), ("r55", 91)):
        at = now - timedelta(days=days)
        await store.write(lambda uow, ref=ref, at=at: uow.shapes.good("shop", "web", ref, at))  # type: ignore[misc]  # binds the loop's values
    pruning = Pruning(store, clock=clock)
    assert await pruning.prune(batch=2) == 9
    assert [s.ref for s in await memory.shapes()] == [*(f"r{n}" for n in range(59, 9, -1)), "r03"]
    assert [s.ref for s in await other.shapes()] == ["only"]
    assert await pruning.prune() == 0


async def test_a_database_of_the_schema_before_is_brought_here(
    store_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def before() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(store_schema, "STEPS", store_schema.STEPS[:1])
            patched.setattr(store_schema, "VERSION", 1)
            database = Database(store_url)
            store_schema.prepare(database.writer)
            # Step one is what was released: it does not make what a later step makes.
            assert not inspect(database.writer).has_table("kaeru_shape")
            with database.writer.begin() as connection:
                UnitOfWork(connection, clock, writes=True).facts.set("cursor", "17")
            database.dispose()

    await asyncio.to_thread(before)
    store = await Store.open(store_url, clock=clock)
    assert await store.read(lambda uow: uow.facts.get("cursor")) == "17"
    assert await asyncio.to_thread(run_sql, store, "SELECT version FROM kaeru_schema") == [
        (store_schema.VERSION,)
    ]
    await StoreMemory(store, "shop", "web", clock=clock).keep("a", "v1", "{}")
    await store.close()
    again = await Store.open(store_url, clock=clock)
    assert [s.ref for s in await StoreMemory(again, "shop", "web", clock=clock).shapes()] == ["a"]
    await again.close()
