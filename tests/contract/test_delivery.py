"""The outbox's dispatcher with the real store: in order, each thing once, whatever fails in between."""

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.ports.chat import AddBookmark, Chat, Done, OpenChannel, Operation, Post, Upload, Whisper
from bot.ports.errors import AuthFailed, OutcomeUnknown, Refused, Unavailable
from bot.store import OutboxItem, Store
from bot.workflows.delivery import POLL_S, Delivery
from tests.contract.chat_worlds import DEPLOYS, INCIDENTS, MANIFEST, SlackWorld, slack_world
from tests.fakes.chat import FakeChat

GENERAL = "C0GENERAL"
ROOT = MANIFEST.parent


def now() -> datetime:
    return datetime.now(UTC)


async def until(condition: Callable[[], bool | Awaitable[bool]], what: str, *, within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while True:
        holds = condition()
        if holds if isinstance(holds, bool) else await holds:
            return
        assert time.monotonic() < deadline, f"{what} did not come about within {within:.0f} s"
        await asyncio.sleep(0.01)


class Office:
    """A store, a chat, and what the delivery reported."""

    def __init__(self, store: Store, chat: Chat) -> None:
        self.store = store
        self.chat = chat
        self.done: list[tuple[str, Done]] = []
        self.dead: list[tuple[str, str]] = []
        self.errors: list[Exception] = []

    async def put(self, lane: str, slot: str, operation: Operation) -> None:
        await self.store.write(lambda uow: uow.outbox.put(lane, slot, operation))

    async def item(self, lane: str, slot: str) -> OutboxItem:
        found = await self.store.read(lambda uow: uow.outbox.get(lane, slot))
        assert found is not None
        return found

    async def empty(self) -> bool:
        return await self.store.read(lambda uow: uow.outbox.backlog()) == 0

    async def settled(self, *, within: float = 10.0) -> None:
        await until(self.empty, "an empty outbox", within=within)

    async def on_done(self, item: OutboxItem, done: Done) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.done.append((item.slot, done))

    async def on_dead(self, item: OutboxItem, sentence: str) -> None:
        self.dead.append((item.slot, sentence))

    @asynccontextmanager
    async def delivering(self, **options: Any) -> AsyncIterator[Delivery]:
        options = {"backoff_s": 0.02, "edit_interval_s": 0.05, **options}
        delivery = Delivery(self.store, self.chat, now, on_done=self.on_done, on_dead=self.on_dead, **options)
        running = asyncio.create_task(delivery.run())
        try:
            yield delivery
        finally:
            await delivery.drain(5.0)
            await running


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(f"sqlite:///{tmp_path / 'kaeru.sqlite'}", clock=now)
    yield opened
    await opened.close()


@pytest.fixture
def fake() -> FakeChat:
    return FakeChat()


@pytest.fixture
def office(store: Store, fake: FakeChat) -> Office:
    return Office(store, fake)


@pytest.fixture
async def slack() -> AsyncIterator[SlackWorld]:
    async with slack_world() as world:
        yield world


def say(text: str, channel: str = INCIDENTS) -> Post:
    return Post(channel=channel, text=text)


# The ordinary way.


async def test_a_lane_is_sent_in_order_and_each_once(office: Office, fake: FakeChat) -> None:
    for n in range(20):
        await office.put("inc", f"m{n}", say(f"{n}"))
    async with office.delivering():
        await office.settled()
    assert fake.said(INCIDENTS) == [str(n) for n in range(20)]
    assert [slot for slot, _ in office.done] == [f"m{n}" for n in range(20)]


async def test_it_sends_at_once_when_woken(office: Office, fake: FakeChat) -> None:
    waits = []
    async with office.delivering() as delivery:
        await office.settled()
        for n in range(20):
            began = time.monotonic()
            await office.put("inc", f"m{n}", say(f"{n}"))
            delivery.wake()
            await until(lambda n=n: len(fake.performed) > n, "the message")  # type: ignore[misc]  # binds the loop's value
            waits.append(time.monotonic() - began)
    assert sorted(waits)[len(waits) // 2] < POLL_S / 5, waits


async def test_what_another_process_puts_is_seen_without_a_call(office: Office, fake: FakeChat) -> None:
    async with office.delivering():
        await office.settled()
        await office.put("inc", "m", say("from elsewhere"))
        await until(lambda: fake.said(INCIDENTS) == ["from elsewhere"], "the message", within=POLL_S * 6)


async def test_lanes_do_not_wait_for_each_other(office: Office, fake: FakeChat) -> None:
    fake.fail("post", Unavailable("Slack limits the rate.", retry_after_s=30.0))
    await office.put("slow", "m", say("held back"))
    await office.put("slow", "later", say("behind it"))
    async with office.delivering(lanes=2) as delivery:
        await until(lambda: not fake._failures["post"], "the failure")
        for lane in ("a", "b", "c"):
            await office.put(lane, "m", say(lane))
        delivery.wake()
        await until(lambda: len(fake.said(INCIDENTS)) == 3, "the other lanes")
    assert sorted(fake.said(INCIDENTS)) == ["a", "b", "c"]


async def test_content_comes_from_the_store(office: Office, fake: FakeChat) -> None:
    ref = await office.store.write(lambda uow: uow.documents.put(b"# Postmortem\n", "text/markdown"))
    upload = Upload(channel=INCIDENTS, filename="p.md", title="P", comment="", content_ref=ref)
    lost = upload.model_copy(update={"content_ref": "gone"})
    await office.put("inc", "lost", lost)
    await office.put("inc", "file", upload)
    async with office.delivering():
        await office.settled()
    assert [file.content for file in fake.files] == [b"# Postmortem\n"]
    assert [slot for slot, _ in office.dead] == ["lost"]


async def test_edits_keep_their_distance_and_the_last_one_stands(office: Office, fake: FakeChat) -> None:
    async with office.delivering(edit_interval_s=0.3) as delivery:
        for n in range(40):
            await office.put("inc", "card", say(f"step {n}"))
            delivery.wake()
            await asyncio.sleep(0.02)
        await office.settled()
    assert fake.said(INCIDENTS) == ["step 39"]
    assert 3 <= len(fake.performed) <= 6, "about 0.8 s of changes at one edit per 0.3 s"


async def test_a_deleted_card_is_posted_anew_and_edited_there(office: Office, fake: FakeChat) -> None:
    async with office.delivering() as delivery:
        await office.put("inc", "card", say("one"))
        delivery.wake()
        await office.settled()
        first = (await office.item("inc", "card")).result
        assert first is not None
        assert first.ts
        fake.delete(INCIDENTS, first.ts)
        for text in ("two", "three"):
            await office.put("inc", "card", say(text))
            delivery.wake()
            await office.settled()
    second = (await office.item("inc", "card")).result
    assert second is not None
    assert second.ts != first.ts
    assert fake.said(INCIDENTS) == ["three"]


# What goes wrong.


async def test_it_comes_back_when_it_was_told_to(office: Office, fake: FakeChat) -> None:
    fake.fail("post", Unavailable("Slack limits the rate.", retry_after_s=0.4))
    await office.put("inc", "a", say("a"))
    await office.put("inc", "b", say("b"))
    began = time.monotonic()
    async with office.delivering():
        await office.settled()
    assert 0.4 <= time.monotonic() - began < 0.4 + POLL_S
    assert fake.said(INCIDENTS) == ["a", "b"]


async def test_a_lost_answer_is_looked_for_and_not_sent_again(office: Office, fake: FakeChat) -> None:
    for type_ in ("post", "open_channel", "add_bookmark", "upload"):
        fake.lose(type_)
    ref = await office.store.write(lambda uow: uow.documents.put(b"x", "text/plain"))
    operations: dict[str, Operation] = {
        "post": say("once"),
        "open": OpenChannel(name="inc-1", purpose="shop"),
        "bookmark": AddBookmark(channel=INCIDENTS, title="Runbook", link="https://runbooks.example/"),
        "upload": Upload(channel=INCIDENTS, filename="p.md", title="P", comment="", content_ref=ref),
    }
    for slot, operation in operations.items():
        await office.put("inc", slot, operation)
    async with office.delivering():
        await office.settled()
    assert len(fake.performed) == 4
    assert [slot for slot, _ in office.done] == list(operations)
    assert office.done[1][1].name == "inc-1"


async def test_a_request_that_never_arrived_is_sent_after_looking_twice(
    office: Office, fake: FakeChat
) -> None:
    fake.fail("post", OutcomeUnknown("The connection broke."), times=3)
    await office.put("inc", "a", say("a"))
    async with office.delivering():
        await office.settled()
    assert fake.said(INCIDENTS) == ["a"]


async def test_a_lost_post_that_changed_meanwhile_is_found_and_brought_up_to_date(
    office: Office, fake: FakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.lose("post")
    looks = 0
    real = fake.find

    async def blind_once(operation: Operation, key: str) -> Done | None:
        nonlocal looks
        looks += 1
        if looks == 1:
            await office.put("inc", "card", say("two"))
            raise Unavailable("Slack cannot be read now.", retry_after_s=0.05)
        return await real(operation, key)

    monkeypatch.setattr(fake, "find", blind_once)
    await office.put("inc", "card", say("one"))
    async with office.delivering():
        await office.settled()
    assert looks == 2
    assert fake.said(INCIDENTS) == ["two"]


@pytest.mark.parametrize("kind", [Refused, AuthFailed])
async def test_a_refusal_is_given_up_and_told_and_the_lane_goes_on(
    office: Office, fake: FakeChat, kind: type[Refused]
) -> None:
    fake.fail("post", kind("This channel is archived.", remedy="Unarchive it."))
    await office.put("inc", "a", say("a"))
    await office.put("inc", "b", say("b"))
    async with office.delivering():
        await office.settled()
    assert office.dead == [("a", "This channel is archived. Unarchive it.")]
    assert fake.said(INCIDENTS) == ["b"]
    assert [item.slot for item in await office.store.read(lambda uow: uow.outbox.dead_items())] == ["a"]


async def test_a_defect_is_tried_five_times_and_then_given_up(
    office: Office, fake: FakeChat, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Exception):
        pass

    fake.fail("post", Broken("no such attribute"), times=5)  # type: ignore[arg-type]  # not a PortError on purpose
    await office.put("inc", "a", say("a"))
    await office.put("inc", "b", say("b"))
    async with office.delivering():
        await office.settled()
    assert [(slot, "Broken: no such attribute" in why) for slot, why in office.dead] == [("a", True)]
    assert fake.said(INCIDENTS) == ["b"]
    tracebacks = [record for record in caplog.records if record.exc_info and record.exc_info[0] is Broken]
    assert len(tracebacks) == 5


async def test_what_follows_is_repeated_until_it_succeeds_and_nothing_is_sent_twice(
    office: Office, fake: FakeChat
) -> None:
    office.errors = [RuntimeError("the store was busy")] * 7
    await office.put("inc", "open", OpenChannel(name="inc-1", purpose="shop"))
    await office.put("inc", "whisper", Whisper(channel=INCIDENTS, user="U0ALICE", text="psst"))
    async with office.delivering():
        await office.settled(within=30.0)
    assert [slot for slot, _ in office.done] == ["open", "whisper"]
    assert office.dead == []
    assert len(fake.performed) == 2


async def test_what_follows_comes_before_it_counts_as_sent(store: Store, fake: FakeChat) -> None:
    seen: list[int] = []

    class Watching(Office):
        async def on_done(self, item: OutboxItem, done: Done) -> None:
            seen.append((await self.item(item.lane, item.slot)).sent_revision)

    office = Watching(store, fake)
    await office.put("inc", "open", OpenChannel(name="inc-1", purpose="shop"))
    async with office.delivering():
        await office.settled()
    assert seen == [0]


# The end and the beginning of a process.


async def test_draining_finishes_what_is_being_sent_and_begins_nothing(
    office: Office, fake: FakeChat
) -> None:
    entered, release = asyncio.Event(), asyncio.Event()
    real = fake.perform

    async def slowly(operation: Operation, key: str, content: bytes | None = None) -> Done:
        entered.set()
        await release.wait()
        return await real(operation, key, content)

    fake.perform = slowly  # type: ignore[method-assign]  # a slow Slack
    for n in range(3):
        await office.put("inc", f"m{n}", say(f"{n}"))
    async with office.delivering() as delivery:
        await entered.wait()
        draining = asyncio.create_task(delivery.drain(5.0))
        await asyncio.sleep(0)
        release.set()
        assert await draining is True
    assert fake.said(INCIDENTS) == ["0"]
    assert await office.store.read(lambda uow: uow.outbox.backlog()) == 2


async def test_draining_does_not_wait_for_ever(office: Office, fake: FakeChat) -> None:
    entered = asyncio.Event()
    real = fake.perform

    async def stuck(operation: Operation, key: str, content: bytes | None = None) -> Done:
        await real(operation, key, content)
        entered.set()
        await asyncio.Event().wait()
        raise AssertionError

    fake.perform = stuck  # type: ignore[method-assign]  # a Slack that never answers
    await office.put("inc", "m", say("once"))
    async with office.delivering() as delivery:
        await entered.wait()
        assert await delivery.drain(0.1) is False
    fake.perform = real  # type: ignore[method-assign]  # and answers again
    async with office.delivering():
        await office.settled()
    assert fake.said(INCIDENTS) == ["once"]
    assert len(office.done) == 1


async def test_what_a_killed_process_was_sending_is_found_first(office: Office, fake: FakeChat) -> None:
    for lane in ("arrived", "lost"):
        await office.put(lane, "m", say(lane))
    claimed = await office.store.write(lambda uow: uow.outbox.claim(now(), busy=(), limit=9))
    assert len(claimed) == 2
    arrived = next(item for item in claimed if item.lane == "arrived")
    await fake.perform(arrived.operation, arrived.key)
    async with office.delivering():
        await office.settled()
    assert sorted(fake.said(INCIDENTS)) == ["arrived", "lost"]
    assert len(office.done) == 2


# Against Slack's Web API.


async def test_lost_answers_of_slack_leave_each_thing_once(store: Store, slack: SlackWorld) -> None:
    office = Office(store, slack.chat)
    for type_ in ("post", "open_channel", "add_bookmark", "upload"):
        slack.lose(type_)
    ref = await store.write(lambda uow: uow.documents.put(b"# Postmortem\n", "text/markdown"))
    await office.put("inc", "open", OpenChannel(name="inc-1", purpose="shop"))
    await office.put("inc", "post", say("once"))
    await office.put(
        "inc", "bookmark", AddBookmark(channel=INCIDENTS, title="Runbook", link="https://runbooks.example/")
    )
    await office.put(
        "inc",
        "upload",
        Upload(channel=INCIDENTS, filename="p.md", title="P", comment="Here", content_ref=ref),
    )
    async with office.delivering():
        await office.settled()
    assert slack.channels("inc-") == ["inc-1"]
    assert [m["text"] for m in slack.messages(INCIDENTS)] == ["once"]
    assert slack.bookmarks(INCIDENTS) == [("Runbook", "https://runbooks.example/")]
    assert slack.files(INCIDENTS) == [("p.md", "P", b"# Postmortem\n")]
    assert [slot for slot, _ in office.done] == ["open", "post", "bookmark", "upload"]


async def test_a_card_deleted_in_slack_comes_back_once(store: Store, slack: SlackWorld) -> None:
    office = Office(store, slack.chat)
    async with office.delivering() as delivery:
        await office.put("inc", "card", say("one"))
        delivery.wake()
        await office.settled()
        slack.delete(INCIDENTS, slack.messages(INCIDENTS)[0]["ts"])
        slack.lose("post")
        await office.put("inc", "card", say("two"))
        delivery.wake()
        await office.settled()
    assert [m["text"] for m in slack.messages(INCIDENTS)] == ["two"]


@pytest.mark.timeout(300)
async def test_two_hundred_messages_survive_rate_limits_and_faults_in_order(store: Store) -> None:
    """Five channels, Slack's limits (on a clock ten times as fast), and a fault in one call of five."""
    chance = random.Random(20261124)  # noqa: S311 - the same bad day every time
    async with slack_world(rate_limits=True) as slack:
        slack.workspace.context.limits.clock = lambda: time.monotonic() * 10
        office = Office(store, slack.chat)
        lanes = [INCIDENTS, GENERAL, DEPLOYS]
        for name in ("inc-1", "inc-2"):
            opened = (await slack.chat.perform(OpenChannel(name=name, purpose="shop"), name)).channel
            assert opened
            lanes.append(opened)
        for n in range(40):
            for channel in lanes:
                await office.put(channel, f"m{n}", say(f"{n}", channel))
        kinds: list[dict[str, Any]] = [
            {"kind": "drop_response"},
            {"kind": "drop_request"},
            {"kind": "http_error", "status": 502},
            {"kind": "delay", "seconds": 0.05},
            {"kind": "rate_limited", "seconds": 1},
            {"kind": "error", "error": "fatal_error"},
        ]
        for _ in range(40):
            slack.workspace.fault("chat.postMessage", **chance.choice(kinds), skip=chance.randrange(8))
        for _ in range(6):
            slack.workspace.fault("conversations.history", "http_error", skip=chance.randrange(8))
        async with office.delivering():
            await office.settled(within=200.0)
        for channel in lanes:
            assert [m["text"] for m in slack.messages(channel)] == [str(n) for n in range(40)], channel
        assert slack.workspace.context.stats.errors["chat.postMessage ratelimited"] > 0
    assert office.dead == []
    assert len(office.done) == 200


@pytest.mark.timeout(300)
async def test_kills_at_any_moment_leave_each_thing_once_and_in_order(tmp_path: Path, store: Store) -> None:
    chance = random.Random()  # noqa: S311 - another moment in every run
    url = f"sqlite:///{tmp_path / 'kaeru.sqlite'}"
    async with slack_world() as slack:
        office = Office(store, slack.chat)
        ref = await store.write(lambda uow: uow.documents.put(b"x", "text/plain"))
        lanes = [INCIDENTS, GENERAL, DEPLOYS]
        for n in range(40):
            for channel in lanes:
                await office.put(channel, f"m{n}", say(f"{n}", channel))
            if n % 10 == 0:
                upload = Upload(
                    channel=INCIDENTS, filename="p.md", title=f"P{n}", comment="", content_ref=ref
                )
                bookmark = AddBookmark(channel=INCIDENTS, title=f"B{n}", link="https://runbooks.example/")
                await office.put("files", f"u{n}", upload)
                await office.put("rooms", f"b{n}", bookmark)
                await office.put("rooms", f"o{n}", OpenChannel(name=f"inc-{n}", purpose="shop"))

        kills = 0
        while not await office.empty():
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "tests.contract.delivery_child", url),
                *(slack.workspace.api_url, slack.workspace.bot_token),
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
            if kills < 6:
                goal = sum(len(slack.messages(channel)) for channel in lanes) + chance.randint(1, 20)
                while child.returncode is None:
                    if sum(len(slack.messages(channel)) for channel in lanes) >= min(goal, 115):
                        child.send_signal(signal.SIGKILL)
                        kills += 1
                        break
                    await asyncio.sleep(0.001)
            code = await asyncio.wait_for(child.wait(), 60)
            assert code in (0, -signal.SIGKILL)
        assert kills == 6
        for channel in lanes:
            assert [m["text"] for m in slack.messages(channel)] == [str(n) for n in range(40)], channel
        assert slack.channels("inc-") == ["inc-0", "inc-10", "inc-20", "inc-30"]
        assert [title for title, _ in slack.bookmarks(INCIDENTS)] == ["B0", "B10", "B20", "B30"]
        assert [title for _, title, _ in slack.files(INCIDENTS)] == ["P0", "P10", "P20", "P30"]
