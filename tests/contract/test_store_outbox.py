"""The outbox sends in order within a lane, never the same twice, and ends with what is wanted."""

import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.ports.chat import INCIDENT_CHANNEL, ArchiveChannel, Done, Post, Whisper
from bot.store import Missing, OutboxItem, Store, UnitOfWork
from bot.store import schema as store_schema
from bot.store.database import Database
from tests.contract.store_worlds import START, Clock, declared

pytest_plugins = ("tests.postgres", "tests.contract.store_fixtures")


def post(text: str, channel: str = "C1") -> Post:
    return Post(channel=channel, text=text)


async def put(store: Store, lane: str, slot: str, text: str, **more: Any) -> None:
    await store.write(lambda uow: uow.outbox.put(lane, slot, post(text), **more))


async def claim(store: Store, clock: Clock, *busy: str, limit: int = 10) -> list[OutboxItem]:
    return list(await store.write(lambda uow: uow.outbox.claim(clock(), busy=busy, limit=limit)))


async def keys(store: Store, clock: Clock, *busy: str, limit: int = 10) -> list[str]:
    return [item.key for item in await claim(store, clock, *busy, limit=limit)]


async def sent(store: Store, clock: Clock, item: OutboxItem, ts: str = "1.1", wait_s: float = 0) -> None:
    done = Done(channel="C1", ts=ts)
    later = clock() + timedelta(seconds=wait_s)
    await store.write(lambda uow: uow.outbox.sent(item.id, item.revision, done, clock(), later))


async def test_what_is_put_is_claimed_once(store: Store, clock: Clock) -> None:
    await put(store, "L1", "card", "hello")
    (item,) = await claim(store, clock)
    assert item.key == "L1/card"
    assert item.operation == post("hello")
    assert (item.revision, item.sent_revision, item.attempts, item.result) == (1, 0, 0, None)
    assert item.sending_since == START
    assert await claim(store, clock) == []
    await sent(store, clock, item)
    assert await claim(store, clock) == []
    assert await store.read(lambda uow: uow.outbox.backlog()) == 0


async def test_the_same_again_changes_nothing(store: Store, clock: Clock) -> None:
    await put(store, "L1", "card", "hello")
    await put(store, "L1", "card", "hello")
    (item,) = await claim(store, clock)
    assert item.revision == 1
    await sent(store, clock, item)
    await put(store, "L1", "card", "hello")
    assert await claim(store, clock) == []


async def test_a_change_edits_what_was_sent(store: Store, clock: Clock) -> None:
    await put(store, "L1", "card", "hello")
    (item,) = await claim(store, clock)
    await store.write(lambda uow: uow.outbox.sent(item.id, 1, Done(channel="D7", ts="1.1"), clock(), clock()))
    await put(store, "L1", "card", "goodbye")
    (edit,) = await claim(store, clock)
    assert edit.operation == Post(channel="D7", text="goodbye", ts="1.1")
    assert (edit.revision, edit.sent_revision, edit.result) == (2, 1, Done(channel="D7", ts="1.1"))


async def test_a_change_while_sending_is_sent_afterwards(store: Store, clock: Clock) -> None:
    await put(store, "L1", "card", "one")
    (item,) = await claim(store, clock)
    await put(store, "L1", "card", "two")
    await put(store, "L1", "card", "three")
    assert await claim(store, clock) == []
    await sent(store, clock, item, wait_s=2)
    assert await claim(store, clock) == []
    clock.advance(seconds=2)
    (edit,) = await claim(store, clock)
    assert (edit.revision, edit.operation) == (3, Post(channel="C1", text="three", ts="1.1"))
    await sent(store, clock, edit)
    assert await claim(store, clock) == []


async def test_changes_before_the_first_sending_are_one(store: Store, clock: Clock) -> None:
    await put(store, "L1", "card", "one")
    await put(store, "L1", "card", "two")
    (item,) = await claim(store, clock)
    assert (item.revision, item.operation) == (2, post("two"))


async def test_one_item_per_lane(store: Store, clock: Clock) -> None:
    for lane, slot in (("L1", "a"), ("L1", "b"), ("L2", "a"), ("L3", "a"), ("L2", "b")):
        await put(store, lane, slot, slot)
    assert await keys(store, clock, "L3") == ["L1/a", "L2/a"]
    assert await keys(store, clock, "L3") == []
    assert await keys(store, clock) == ["L3/a"]


async def test_the_limit_takes_the_oldest(store: Store, clock: Clock) -> None:
    for n in range(5):
        await put(store, f"L{n}", "a", "text")
    assert await keys(store, clock, "L0", limit=2) == ["L1/a", "L2/a"]
    assert await keys(store, clock, limit=0) == []


async def test_new_messages_go_before_edits(store: Store, clock: Clock) -> None:
    await put(store, "L1", "old", "one")
    (item,) = await claim(store, clock)
    await sent(store, clock, item)
    await put(store, "L1", "old", "two")
    await put(store, "L1", "new", "hello")
    (first,) = await claim(store, clock)
    assert first.slot == "new"
    await sent(store, clock, first)
    assert await keys(store, clock) == ["L1/old"]


async def test_one_that_waits_for_its_retry_holds_back_its_lane(store: Store, clock: Clock) -> None:
    for slot in ("a", "b"):
        await put(store, "L1", slot, slot)
    (item,) = await claim(store, clock)
    await store.write(lambda uow: uow.outbox.retry(item.id, at=clock() + timedelta(seconds=30), error="busy"))
    assert await claim(store, clock) == []
    clock.advance(seconds=30)
    (again,) = await claim(store, clock)
    assert (again.slot, again.attempts, again.error) == ("a", 1, "busy")
    await sent(store, clock, again)
    assert await keys(store, clock) == ["L1/b"]


async def test_a_dead_one_holds_back_nothing(store: Store, clock: Clock) -> None:
    for slot in ("a", "b"):
        await put(store, "L1", slot, slot)
    (item,) = await claim(store, clock)
    await store.write(lambda uow: uow.outbox.dead(item.id, "no such channel"))
    assert await keys(store, clock) == ["L1/b"]
    (dead,) = await store.read(lambda uow: uow.outbox.dead_items())
    assert (dead.slot, dead.error) == ("a", "no such channel")
    assert await store.read(lambda uow: uow.outbox.backlog()) == 1


async def test_new_content_revives_a_dead_one(store: Store, clock: Clock) -> None:
    await put(store, "L1", "a", "one")
    (item,) = await claim(store, clock)
    await store.write(lambda uow: uow.outbox.dead(item.id, "too long"))
    await put(store, "L1", "a", "one")
    assert await claim(store, clock) == []
    await put(store, "L1", "a", "shorter")
    (again,) = await claim(store, clock)
    assert (again.revision, again.attempts) == (2, 0)


async def test_the_incidents_channel_is_waited_for(store: Store, clock: Clock) -> None:
    incident = declared()
    await store.write(lambda uow: uow.incidents.add(incident))

    def fill(uow: UnitOfWork) -> None:
        uow.outbox.put("inc-1", "card", post("hello", INCIDENT_CHANNEL), incident_id="inc-1")
        uow.outbox.put("inc-1", "after", post("later", "C9"), incident_id="inc-1")
        uow.outbox.put("other", "a", Whisper(channel="C9", user="U1", text="on its way"), incident_id="inc-1")

    await store.write(fill)
    assert await keys(store, clock) == ["other/a"]
    with_channel = incident.model_copy(update={"channel_id": "C42", "length": 2})
    await store.write(lambda uow: uow.incidents.save(with_channel, expected=1))
    (item,) = await claim(store, clock)
    assert item.operation == post("hello", "C42")
    await sent(store, clock, item)
    await store.write(
        lambda uow: uow.outbox.put(
            "inc-1", "end", ArchiveChannel(channel=INCIDENT_CHANNEL), incident_id="inc-1"
        )
    )
    assert await keys(store, clock) == ["inc-1/after"]
    ended = await store.read(lambda uow: uow.outbox.get("inc-1", "end"))
    assert ended is not None
    assert ended.operation == ArchiveChannel(channel="C42")


async def test_an_incidents_channel_without_an_incident_is_a_defect(store: Store) -> None:
    with pytest.raises(ValueError, match="names no incident"):
        await store.write(lambda uow: uow.outbox.put("L1", "a", post("hello", INCIDENT_CHANNEL)))


async def test_a_crash_leaves_its_items_in_doubt(store: Store, clock: Clock) -> None:
    await put(store, "L1", "a", "one")
    await put(store, "L1", "b", "two")
    await claim(store, clock)
    await put(store, "L1", "a", "changed meanwhile")
    clock.advance(minutes=1)
    assert await claim(store, clock) == []
    assert await store.read(lambda uow: uow.outbox.interrupted(before=START)) == ()
    (item,) = await store.read(lambda uow: uow.outbox.interrupted())
    # What was in flight was revision 1; the content wanted by now is revision 2's.
    assert (item.slot, item.revision, item.attempts, item.sending_since) == ("a", 1, 1, START)
    await sent(store, clock, item)
    assert await keys(store, clock) == ["L1/b"]
    got = await store.read(lambda uow: uow.outbox.get("L1", "a"))
    assert got is not None
    assert (got.revision, got.sent_revision) == (2, 1)


async def test_what_is_not_there(store: Store, clock: Clock) -> None:
    assert await store.read(lambda uow: uow.outbox.get("L1", "a")) is None
    with pytest.raises(Missing):
        await store.write(lambda uow: uow.outbox.sent(7, 1, Done(), clock(), clock()))


PUT = st.tuples(st.just("put"), st.sampled_from("AB"), st.sampled_from("xyz"), st.integers(0, 3))
CLAIM = st.tuples(st.just("claim"), st.sampled_from([False, False, True]), st.integers(1, 3))
STEPS = st.lists(
    st.one_of(
        PUT,
        PUT,
        CLAIM,
        CLAIM,
        st.tuples(st.sampled_from(["sent", "retry", "dead", "crash"]), st.sampled_from("AB")),
        st.tuples(st.just("wait"), st.integers(1, 9)),
    ),
    max_size=40,
)


class Dispatch:
    """Drives an outbox and checks, after every step, what must always hold."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = Clock()
        self.wanted: dict[str, str] = {}
        self.shown: dict[str, str] = {}
        self.flying: dict[str, OutboxItem] = {}
        self.dead: set[str] = set()
        self.born: dict[str, list[str]] = {"A": [], "B": []}
        self.deliveries: set[tuple[str, int]] = set()

    def do(self, work: Callable[[UnitOfWork], Any]) -> Any:
        with self.database.writer.begin() as connection:
            return work(UnitOfWork(connection, self.clock, writes=True))

    def put(self, lane: str, slot: str, n: int) -> None:
        key, text = f"{lane}/{slot}", str(n)
        self.do(lambda uow: uow.outbox.put(lane, slot, post(text)))
        if key not in self.wanted:
            self.born[lane].append(key)
        if self.wanted.get(key) != text:
            self.dead.discard(key)
        self.wanted[key] = text

    def claim(self, busy: bool, limit: int) -> None:
        blocked = {"A"} if busy else set()
        items = self.do(lambda uow: uow.outbox.claim(self.clock(), busy=blocked, limit=limit))
        assert len(items) <= limit
        assert len({item.lane for item in items}) == len(items)
        for item in items:
            assert item.lane not in blocked
            assert item.lane not in self.flying, "two items of one lane in flight"
            assert isinstance(item.operation, Post)
            assert item.operation.text == self.wanted[item.key], "not what is wanted"
            if item.sent_revision == 0:
                unsent = [k for k in self.born[item.lane] if k not in self.shown and k not in self.dead]
                assert unsent[0] == item.key, "out of order"
            else:
                assert item.operation.ts == f"ts of {item.key}"
            self.flying[item.lane] = item

    def sent(self, lane: str) -> None:
        item = self.flying.pop(lane, None)
        if item is None:
            return
        assert (item.key, item.revision) not in self.deliveries, "delivered twice"
        self.deliveries.add((item.key, item.revision))
        assert isinstance(item.operation, Post)
        self.shown[item.key] = item.operation.text
        done = Done(channel="C1", ts=f"ts of {item.key}")
        later = self.clock() + timedelta(seconds=1)
        self.do(lambda uow: uow.outbox.sent(item.id, item.revision, done, self.clock(), later))

    def retry(self, lane: str) -> None:
        item = self.flying.pop(lane, None)
        if item is not None:
            at = self.clock() + timedelta(seconds=3)
            self.do(lambda uow: uow.outbox.retry(item.id, at=at, error="later"))

    def give_up(self, lane: str) -> None:
        item = self.flying.pop(lane, None)
        if item is not None:
            self.do(lambda uow: uow.outbox.dead(item.id, "never"))
            self.dead.add(item.key)

    def crash(self, lane: str) -> None:
        """The dispatcher forgets; the outbox does not. It is looked for, and found not to have arrived."""
        item = self.flying.pop(lane, None)
        if item is None:
            return
        found = {i.key: i for i in self.do(lambda uow: uow.outbox.interrupted())}
        assert found[item.key].revision == item.revision
        assert found[item.key].attempts == item.attempts + 1
        self.do(lambda uow: uow.outbox.retry(item.id, at=self.clock(), error="interrupted"))

    def finish(self) -> None:
        """Everything goes out in the end."""
        for _ in range(40):
            for lane in tuple(self.flying):
                self.sent(lane)
            self.clock.advance(seconds=10)
            self.claim(busy=False, limit=10)
        assert not self.flying
        for key, text in self.wanted.items():
            assert key in self.dead or self.shown[key] == text


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_claims_never_reorder_or_double(steps: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder)}/kaeru.sqlite")
        try:
            store_schema.prepare(database.writer)
            dispatch = Dispatch(database)
            moves: dict[str, Callable[..., Any]] = {
                "put": dispatch.put,
                "claim": dispatch.claim,
                "sent": dispatch.sent,
                "retry": dispatch.retry,
                "dead": dispatch.give_up,
                "crash": dispatch.crash,
                "wait": lambda seconds: dispatch.clock.advance(seconds=seconds),
            }
            for name, *arguments in steps:
                moves[name](*arguments)
            dispatch.finish()
        finally:
            database.dispose()
