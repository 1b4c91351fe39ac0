"""Writes are grouped, kept apart from each other, and acknowledged only once they are on disk."""

import asyncio
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from bot.domain.timeline import Kind
from bot.store import (
    CommitFailed,
    Missing,
    SchemaTooNew,
    Store,
    StoreClosed,
    StoreError,
    StoreUnavailable,
    UnitOfWork,
)
from tests.contract.store_worlds import Clock, declared, run_sql

pytest_plugins = ("tests.postgres", "tests.contract.store_fixtures")


class Gate:
    """Work that holds the writer until the test lets it go, so that what follows gathers into one group."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def __call__(self, uow: UnitOfWork) -> None:
        self.reached.set()
        assert self.opened.wait(10)


@pytest.fixture
async def gate(store: Store) -> AsyncIterator[Gate]:
    made = Gate()
    yield made
    made.opened.set()


async def held(store: Store, gate: Gate) -> "asyncio.Task[None]":
    task = asyncio.create_task(store.write(gate))
    assert await asyncio.to_thread(gate.reached.wait, 10)
    return task


def setting(key: str, value: Any = 1) -> Callable[[UnitOfWork], None]:
    return lambda uow: uow.facts.set(key, value)


async def fact(store: Store, key: str) -> Any:
    return await store.read(lambda uow: uow.facts.get(key))


def connection_of(uow: UnitOfWork) -> Any:
    return uow.facts._scope.connection


async def test_a_failing_work_undoes_itself_alone(store: Store, gate: Gate) -> None:
    await held(store, gate)

    def fails(uow: UnitOfWork) -> None:
        uow.facts.set("failed", 1)
        uow.incidents.get("inc-9")

    def breaks(uow: UnitOfWork) -> None:
        uow.facts.set("broken", 1)
        connection_of(uow).exec_driver_sql("this is not SQL")

    works = [setting("before"), fails, setting("between"), breaks, setting("after")]
    tasks = [asyncio.create_task(store.write(work)) for work in works]
    await asyncio.sleep(0)
    gate.opened.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(r) for r in results[:3]] == [type(None), Missing, type(None)]
    assert isinstance(results[3], DBAPIError)
    assert results[4] is None
    kept = [await fact(store, key) for key in ("before", "failed", "between", "broken", "after")]
    assert kept == [1, None, 1, None, 1]


async def test_nothing_is_acknowledged_before_the_groups_commit(store: Store, gate: Gate) -> None:
    await held(store, gate)
    last = Gate()
    first_task = asyncio.create_task(store.write(setting("first")))
    last_task = asyncio.create_task(store.write(last))
    await asyncio.sleep(0)
    gate.opened.set()
    assert await asyncio.to_thread(last.reached.wait, 10)
    # The first one was carried out by now, in the same transaction that the last one still holds open.
    assert not first_task.done()
    assert await fact(store, "first") is None
    last.opened.set()
    await first_task
    assert await fact(store, "first") == 1
    await last_task


async def test_a_commit_that_fails_is_everybodys_error(store: Store, gate: Gate) -> None:
    if store._database.writer.dialect.name == "sqlite":

        def poison(uow: UnitOfWork) -> None:
            connection_of(uow).exec_driver_sql("PRAGMA defer_foreign_keys = ON")
            connection_of(uow).exec_driver_sql(
                "INSERT INTO kaeru_timeline VALUES ('inc-9', 1, 0, 0, 'event', 'U1', NULL, '{}', '', NULL, '', '')"
            )
    else:
        await asyncio.to_thread(
            run_sql,
            store,
            "CREATE FUNCTION poisoned() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$",
            "CREATE CONSTRAINT TRIGGER poisoned AFTER INSERT ON kaeru_document DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION poisoned()",
        )

        def poison(uow: UnitOfWork) -> None:
            uow.documents.put(b"poison", "text/plain")

    await held(store, gate)
    tasks = [asyncio.create_task(store.write(work)) for work in (setting("before"), poison, setting("after"))]
    await asyncio.sleep(0)
    gate.opened.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(r) for r in results] == [CommitFailed] * 3
    assert [await fact(store, key) for key in ("before", "after")] == [None, None]
    await store.write(setting("later"))
    assert await fact(store, "later") == 1


async def test_a_cancelled_caller_harms_nobody(store: Store, gate: Gate) -> None:
    await held(store, gate)
    given_up = asyncio.create_task(store.write(setting("given up")))
    other = asyncio.create_task(store.write(setting("other")))
    await asyncio.sleep(0)
    given_up.cancel()
    gate.opened.set()
    await other
    assert await fact(store, "other") == 1
    assert await fact(store, "given up") is None


async def test_reads_go_on_while_a_write_is_held(store: Store, gate: Gate) -> None:
    await store.write(setting("known"))
    await held(store, gate)
    assert await fact(store, "known") == 1


async def test_a_read_cannot_write(store: Store) -> None:
    with pytest.raises((DBAPIError, StoreError)):
        await store.read(setting("sneaked in"))
    assert await fact(store, "sneaked in") is None


async def test_closing_finishes_what_is_queued(store: Store, store_url: str, clock: Clock) -> None:
    second = await Store.open(store_url, clock=clock)
    tasks = [asyncio.create_task(second.write(setting(f"k{n}", n))) for n in range(50)]
    await asyncio.sleep(0)
    await second.close()
    await asyncio.gather(*tasks)
    assert [await fact(store, f"k{n}") for n in range(50)] == list(range(50))
    with pytest.raises(StoreClosed):
        await second.write(setting("too late"))
    with pytest.raises(StoreClosed):
        await fact(second, "k0")
    await second.close()


async def start_child(url: str, name: str, count: int = 0) -> asyncio.subprocess.Process:
    argv = [sys.executable, "-m", "tests.contract.store_child", url, "inc-1", name, str(count)]
    root = Path(__file__).parents[2]
    return await asyncio.create_subprocess_exec(*argv, cwd=root, stdout=asyncio.subprocess.PIPE)


@pytest.mark.parametrize("kill_after", [1, 40, 400])
async def test_everything_acknowledged_survives_a_kill(store: Store, store_url: str, kill_after: int) -> None:
    await store.write(lambda uow: uow.incidents.add(declared()))
    child = await start_child(store_url, "child")
    assert child.stdout is not None
    acknowledged = [await child.stdout.readline() for _ in range(kill_after)]
    child.kill()
    rest = await child.stdout.read()
    assert await child.wait() == -9
    # The last line may have been cut off in the middle.
    whole = [
        line.strip().decode()
        for line in (*acknowledged, *rest.splitlines(keepends=True))
        if line.endswith(b"\n")
    ]
    assert len(whole) >= kill_after
    entries = await store.read(lambda uow: uow.timeline.entries("inc-1"))
    assert set(whole) <= {entry.body["text"] for entry in entries}
    assert (await store.read(lambda uow: uow.timeline.verify("inc-1"))).intact


async def test_two_processes_append_one_chain(store: Store, store_url: str) -> None:
    await store.write(lambda uow: uow.incidents.add(declared()))
    children = [await start_child(store_url, name, 150) for name in ("a", "b")]
    for child in children:
        _, _ = await child.communicate()
        assert child.returncode == 0
    verdict = await store.read(lambda uow: uow.timeline.verify("inc-1"))
    assert verdict.intact
    assert verdict.count == 300
    sources = {e.body["text"] for e in await store.read(lambda uow: uow.timeline.entries("inc-1"))}
    assert sources == {f"{name}:{n}" for name in ("a", "b") for n in range(150)}


async def test_a_writer_waits_for_another_process(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "kaeru.sqlite"
    store = await Store.open(f"sqlite:///{path}", clock=clock)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    task = asyncio.create_task(store.write(setting("patient")))
    done, _ = await asyncio.wait([task], timeout=0.3)
    assert not done
    other.execute("COMMIT")
    other.close()
    await task
    assert await fact(store, "patient") == 1
    await store.close()


async def test_a_lost_connection_is_made_again(postgres_url: str, clock: Clock) -> None:
    store = await Store.open(postgres_url, clock=clock)
    killer = await Store.open(postgres_url, clock=clock)
    tries: list[int] = []

    def work(uow: UnitOfWork) -> str:
        pid = connection_of(uow).exec_driver_sql("SELECT pg_backend_pid()").scalar()
        tries.append(pid)
        uow.facts.set("kept", len(tries))
        if len(tries) == 1:
            run_sql(killer, f"SELECT pg_terminate_backend({pid}, 5000)")
        uow.facts.set("kept too", len(tries))
        return "done"

    neighbour = asyncio.create_task(store.write(setting("neighbour")))
    assert await store.write(work) == "done"
    await neighbour
    assert len(set(tries)) == 2
    assert await fact(store, "kept") == 2
    assert await fact(store, "neighbour") == 1
    await killer.close()
    await store.close()


async def test_replicas_that_lock_crosswise_both_finish(postgres_url: str, clock: Clock) -> None:
    """PostgreSQL ends a deadlock by failing one side; its work is done again, unseen by its caller."""
    stores = [await Store.open(postgres_url, clock=clock) for _ in range(2)]
    for name in ("one", "two"):
        await stores[0].write(lambda uow, name=name: uow.incidents.add(declared(name, name)))  # type: ignore[misc]  # binds the loop's value
    barrier = threading.Barrier(2)
    tries: list[str] = []

    def crosswise(first: str, second: str) -> Callable[[UnitOfWork], None]:
        def work(uow: UnitOfWork) -> None:
            tries.append(first)
            uow.incidents.get(first)
            if tries.count(first) == 1:
                barrier.wait(10)
            uow.incidents.get(second)
            uow.timeline.append(second, at=clock(), kind=Kind.EVENT, actor="U1", body={})

        return work

    await asyncio.gather(stores[0].write(crosswise("one", "two")), stores[1].write(crosswise("two", "one")))
    assert len(tries) > 2, "there was no deadlock to recover from"
    for name in ("one", "two"):
        assert await stores[0].read(lambda uow, name=name: uow.timeline.length(name)) == 1  # type: ignore[misc]  # binds the loop's value
    for store in stores:
        await store.close()


async def test_a_newer_schema_is_refused(store: Store, store_url: str, clock: Clock) -> None:
    await (await Store.open(store_url, clock=clock)).close()
    await asyncio.to_thread(run_sql, store, "UPDATE kaeru_schema SET version = 99")
    with pytest.raises(SchemaTooNew, match=r"has schema 99.*Upgrade kaeru"):
        await Store.open(store_url, clock=clock)


async def test_two_processes_may_make_the_schema_at_once(store_url: str, clock: Clock) -> None:
    stores = await asyncio.gather(*(Store.open(store_url, clock=clock) for _ in range(4)))
    for n, store in enumerate(stores):
        await store.write(setting(f"k{n}"))
        await store.close()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("mysql://u:secret@h/d", "not understood"),
        ("nonsense", "not understood"),
        ("sqlite://", "would forget every incident"),
        ("sqlite:////proc/nothing/kaeru.sqlite", "cannot be opened for writing"),
        ("postgresql://u:secret@127.0.0.1:1/d", "cannot be opened"),
    ],
)
async def test_an_unusable_url_is_explained(url: str, sentence: str, clock: Clock) -> None:
    with pytest.raises(StoreUnavailable, match=sentence) as caught:
        await Store.open(url, clock=clock)
    assert "secret" not in str(caught.value)


async def test_the_file_is_its_owners_alone(tmp_path: Path, clock: Clock) -> None:
    store = await Store.open(f"sqlite:///{tmp_path}/new/kaeru.sqlite", clock=clock)
    await store.write(setting("private"))
    for file in (tmp_path / "new").iterdir():
        assert file.stat().st_mode & 0o077 == 0, file
    await store.close()


async def test_a_burst_shares_one_commit(store: Store, gate: Gate) -> None:
    commits: list[object] = []
    event.listen(store._database.writer, "commit", commits.append)
    holding = await held(store, gate)
    tasks = [asyncio.create_task(store.write(setting(f"k{n}"))) for n in range(200)]
    await asyncio.sleep(0)
    gate.opened.set()
    await asyncio.gather(holding, *tasks)
    # One for the work that held the writer, one for the two hundred that had gathered behind it.
    assert len(commits) == 2
