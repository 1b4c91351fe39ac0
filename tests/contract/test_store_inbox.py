"""The inbox recognises repetitions, and gives up what fails too often without losing it."""

from datetime import timedelta

import pytest

from bot.store import Store
from tests.contract.store_worlds import START, Clock

pytest_plugins = ("tests.postgres", "tests.contract.store_fixtures")


async def receive(store: Store, key: str, kind: str = "event") -> int | None:
    return await store.write(lambda uow: uow.inbox.receive(key, kind, {"key": key}))


async def pending(store: Store, **query: object) -> list[str]:
    items = await store.read(lambda uow: uow.inbox.pending(10, **query))  # type: ignore[arg-type]  # a test's shorthand
    return [item.key for item in items]


async def test_what_came_in_waits_oldest_first(store: Store) -> None:
    for key in ("c", "a", "b"):
        assert await receive(store, key) is not None
    assert await pending(store) == ["c", "a", "b"]
    item = (await store.read(lambda uow: uow.inbox.pending(1)))[0]
    assert (item.kind, item.body, item.attempts, item.received_at) == ("event", {"key": "c"}, 0, START)


async def test_kinds_can_be_chosen(store: Store) -> None:
    for key, kind in (("a", "event"), ("b", "command"), ("c", "action"), ("d", "event")):
        await receive(store, key, kind)
    assert await pending(store, kinds=("event",)) == ["a", "d"]
    assert await pending(store, kinds=("command", "action")) == ["b", "c"]


async def test_a_repetition_is_recognised_also_when_done(store: Store, clock: Clock) -> None:
    first = await receive(store, "a")
    assert first is not None
    assert await receive(store, "a") is None
    await store.write(lambda uow: uow.inbox.done(first))
    assert await pending(store) == []
    clock.advance(hours=23)
    assert await store.write(lambda uow: uow.inbox.prune(clock())) == 0
    assert await receive(store, "a") is None


async def test_what_was_done_long_ago_is_pruned(store: Store, clock: Clock) -> None:
    old, waiting = await receive(store, "old"), await receive(store, "waiting")
    assert old is not None
    assert waiting is not None
    await store.write(lambda uow: uow.inbox.done(old))
    clock.advance(days=2)
    assert await store.write(lambda uow: uow.inbox.prune(clock() - timedelta(days=3))) == 0
    assert await store.write(lambda uow: uow.inbox.prune(clock())) == 1
    assert await pending(store) == ["waiting"]
    assert await receive(store, "old") is not None


async def test_what_is_done_is_not_kept_in_full(store: Store) -> None:
    item = await receive(store, "private")
    assert item is not None
    await store.write(lambda uow: uow.inbox.done(item))
    assert await store.write(lambda uow: uow.inbox.prune(START)) == 0
    with store._database.reader.connect() as connection:
        assert connection.exec_driver_sql("SELECT body FROM kaeru_inbox").scalar_one() == "{}"


async def test_five_failures_are_the_end(store: Store) -> None:
    item, other = await receive(store, "bad"), await receive(store, "good")
    assert item is not None
    assert other is not None
    for n in range(1, 5):
        await store.write(lambda uow, n=n: uow.inbox.fail(item, f"reason {n}"))  # type: ignore[misc]  # binds the loop's value
        assert await pending(store) == ["bad", "good"]
    assert await store.read(lambda uow: uow.inbox.dead_items()) == ()
    await store.write(lambda uow: uow.inbox.fail(item, "the last one"))
    assert await pending(store) == ["good"]
    (dead,) = await store.read(lambda uow: uow.inbox.dead_items())
    assert (dead.key, dead.attempts, dead.reason, dead.body) == ("bad", 5, "the last one", {"key": "bad"})
    assert await receive(store, "bad") is None


@pytest.mark.parametrize("text", ["\x00", "\ud83d", "茶"])
async def test_whatever_slack_sends_can_be_kept(store: Store, text: str) -> None:
    await store.write(lambda uow: uow.inbox.receive("k", "event", {"text": text}))
    assert (await store.read(lambda uow: uow.inbox.pending(1)))[0].body == {"text": text}
