"""What is said in an incident's channel ends up in its timeline once, whatever way it came."""

import asyncio
import copy
import itertools
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.timeline import Entry, Kind, Message
from bot.ports.chat import Done, HistoryMessage, Operation
from bot.store import Store, UnitOfWork
from bot.usecases.recorder import EVENT, Recorder, entry_of
from bot.usecases.transcript import time_of
from bot.usecases.wakeful import POLL_S
from tests.contract.store_worlds import Clock, declared

pytest_plugins = ("tests.postgres", "tests.contract.store_fixtures")

CHANNEL, APP, BOT_USER = "C1", "A1", "UBOT"
T0 = 1_700_000_000


class Slack:
    """Says what Slack would say: events in the order in which things happen, and the history afterwards."""

    def __init__(self, channel: str = CHANNEL) -> None:
        self.channel = channel
        self.payloads: list[dict[str, Any]] = []
        self.messages: dict[str, dict[str, Any]] = {}
        self._ticks = itertools.count(1)

    def ts(self) -> str:
        tick = next(self._ticks)
        return f"{T0 + tick}.{tick * 7919 % 10**6:06d}"

    def tell(self, event: dict[str, Any]) -> dict[str, Any]:
        number = len(self.payloads) + 1
        payload = {
            "event": copy.deepcopy(event),
            "event_id": f"Ev{self.channel}{number}",
            "event_time": T0 + number,
            "api_app_id": APP,
        }
        self.payloads.append(payload)
        return payload

    def post(self, text: str, user: str = "U1", **more: Any) -> str:
        ts = self.ts()
        self.messages[ts] = {"type": "message", "user": user, "text": text, "ts": ts, **more}
        self.tell({**self.messages[ts], "channel": self.channel, "event_ts": ts})
        return ts

    def change(self, ts: str, *, mark: bool = True, **changes: Any) -> None:
        previous = self.messages[ts]
        now = self.ts()
        # Slack dates an edit to the second.
        edited = {"edited": {"user": previous["user"], "ts": f"{now.split('.')[0]}.000000"}} if mark else {}
        self.messages[ts] = {**previous, **changes, **edited}
        self._revised("message_changed", now, message=self.messages[ts], previous_message=previous)

    def delete(self, ts: str) -> None:
        self._revised("message_deleted", self.ts(), deleted_ts=ts, previous_message=self.messages.pop(ts))

    def _revised(self, subtype: str, now: str, **more: Any) -> None:
        about = {"type": "message", "subtype": subtype, "channel": self.channel, "hidden": True}
        self.tell({**about, **more, "ts": now, "event_ts": now})

    def react(self, ts: str, name: str, user: str = "U2", *, added: bool = True) -> None:
        kind = "reaction_added" if added else "reaction_removed"
        item = {"type": "message", "channel": self.channel, "ts": ts}
        self.tell({"type": kind, "user": user, "reaction": name, "item": item, "event_ts": self.ts()})

    def happen(self, type_: str, **more: Any) -> None:
        self.tell({"type": type_, "channel": self.channel, "event_ts": self.ts(), **more})


class History:
    """The one method of a Chat that a backfill needs."""

    def __init__(self, slack: Slack) -> None:
        self.slack = slack
        self.asked: list[str | None] = []

    async def history(self, channel: str, *, since_ts: str | None) -> tuple[HistoryMessage, ...]:
        assert channel == self.slack.channel
        self.asked.append(since_ts)
        return tuple(
            HistoryMessage(ts=ts, at=time_of(ts), raw=copy.deepcopy(raw))
            for ts, raw in sorted(self.slack.messages.items())
            if since_ts is None or ts > since_ts
        )

    async def perform(self, operation: Operation, key: str, content: bytes | None = None) -> Done:
        raise NotImplementedError

    async def find(self, operation: Operation, key: str) -> Done | None:
        raise NotImplementedError

    async def name_of(self, user: str) -> str:
        raise NotImplementedError


@pytest.fixture
async def recorder(store: Store, clock: Clock) -> Recorder:
    await store.write(lambda uow: uow.incidents.add(declared("inc-1", channel=CHANNEL)))
    return Recorder(store, clock, bot_user=BOT_USER)


async def deliver(store: Store, payloads: Sequence[dict[str, Any]]) -> None:
    """Into the inbox, as the middleware does it."""

    def work(uow: UnitOfWork) -> None:
        for payload in payloads:
            uow.inbox.receive(payload["event_id"], EVENT, payload)

    await store.write(work)


async def timeline(store: Store, incident_id: str = "inc-1") -> tuple[Entry, ...]:
    return await store.read(lambda uow: uow.timeline.entries(incident_id))


async def messages(store: Store, incident_id: str = "inc-1") -> tuple[Message, ...]:
    return await store.read(lambda uow: uow.timeline.messages(incident_id))


async def test_a_conversation_is_recorded(store: Store, recorder: Recorder) -> None:
    slack = Slack()
    first = slack.post("it is down")
    reply = slack.post("looking", "U2", thread_ts=first)
    slack.change(first, text="it is slow")
    slack.react(first, "eyes")
    slack.react(first, "fire", "U3")
    slack.react(first, "fire", "U3", added=False)
    slack.delete(reply)
    await deliver(store, slack.payloads)
    assert await recorder.record_pending() == 7
    told, answer = await messages(store)
    assert (told.text, told.revisions, told.reactions) == (
        "it is slow",
        ("it is down",),
        {"eyes": ("U2",), "fire": ()},
    )
    assert (answer.text, answer.thread_ts, answer.deleted) == ("looking", first, True)
    assert (await store.read(lambda uow: uow.timeline.verify("inc-1"))).intact
    assert await store.read(lambda uow: uow.inbox.pending(10)) == ()


async def test_entries_bear_slacks_own_time(store: Store, recorder: Recorder) -> None:
    slack = Slack()
    slack.payloads = []
    event = {"type": "message", "channel": CHANNEL, "user": "U1", "text": "", "ts": "1700000000.123457"}
    await deliver(store, [slack.tell(event)])
    await recorder.record_pending()
    (entry,) = await timeline(store)
    assert entry.at == datetime(2023, 11, 14, 22, 13, 20, 123457, tzinfo=UTC)
    assert entry.slack_ts == "1700000000.123457"


async def test_a_redelivery_doubles_nothing(store: Store, recorder: Recorder) -> None:
    slack = Slack()
    ts = slack.post("hello")
    slack.change(ts, text="hello!")
    slack.react(ts, "eyes")
    slack.happen("member_joined_channel", user="U2")
    slack.delete(ts)
    again = [{**payload, "event_id": f"{payload['event_id']}-again"} for payload in slack.payloads]
    await deliver(store, [*slack.payloads, *again])
    assert await recorder.record_pending() == 10
    await deliver(
        store, [{**payload, "event_id": f"{payload['event_id']}-later"} for payload in slack.payloads]
    )
    assert await recorder.record_pending() == 5
    assert len(await timeline(store)) == 5


async def test_other_channels_are_forgotten(store: Store, recorder: Recorder) -> None:
    elsewhere = Slack("C9")
    elsewhere.post("private")
    elsewhere.react("1700000000.000001", "eyes")
    await deliver(store, elsewhere.payloads)
    assert await recorder.record_pending() == 2
    assert await timeline(store) == ()
    with store._database.reader.connect() as connection:
        kept = connection.exec_driver_sql("SELECT DISTINCT body FROM kaeru_inbox").scalars().all()
    assert kept == ["{}"]


async def test_only_events_are_taken_from_the_inbox(store: Store, recorder: Recorder) -> None:
    await store.write(lambda uow: uow.inbox.receive("k", "command", {"command": "/rollback"}))
    assert await recorder.record_pending() == 0
    assert len(await store.read(lambda uow: uow.inbox.pending(10))) == 1


async def test_what_cannot_be_read_is_given_up_and_listed(store: Store, recorder: Recorder) -> None:
    slack = Slack()
    slack.tell({"type": "message", "channel": CHANNEL, "text": "no time"})
    slack.post("fine")
    await deliver(store, slack.payloads)
    assert await recorder.record_pending() == 1
    for _ in range(5):
        assert await recorder.record_pending() == 0
    assert await store.read(lambda uow: uow.inbox.pending(10)) == ()
    (dead,) = await store.read(lambda uow: uow.inbox.dead_items())
    assert "not an event as Slack sends them" in dead.reason
    assert len(await timeline(store)) == 1


async def test_the_loop_records_when_woken(store: Store, recorder: Recorder) -> None:
    running = asyncio.create_task(recorder.run())
    slack = Slack()
    slack.post("hello")
    await deliver(store, slack.payloads)
    recorder.wake()
    # Sooner than the loop would have looked by itself.
    async with asyncio.timeout(POLL_S - 1):
        while not await timeline(store):
            pass
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_many_batches_are_drained_at_once(store: Store, recorder: Recorder) -> None:
    slack = Slack()
    for n in range(1200):
        slack.post(f"message {n}")
    await deliver(store, slack.payloads)
    assert await recorder.record_pending() == 1200
    assert len(await timeline(store)) == 1200


# The history.


async def test_a_gap_is_filled_from_the_history(store: Store, recorder: Recorder) -> None:
    slack, incident = Slack(), declared("inc-1", channel=CHANNEL)
    heard = slack.post("heard")
    changed_unseen = slack.post("before")
    await deliver(store, slack.payloads)
    await recorder.record_pending()
    slack.payloads.clear()
    slack.change(changed_unseen, text="after")
    missed = slack.post("missed", "U2")
    slack.change(missed, text="missed and changed")
    slack.post("", subtype="channel_join")
    assert await recorder.backfill(History(slack), incident) == 3
    assert {m.ts: m.text for m in await messages(store)} == {
        heard: "heard",
        changed_unseen: "after",
        missed: "missed and changed",
    }
    assert await recorder.backfill(History(slack), incident) == 0
    # What was missed is delivered after all.
    late = [p for p in slack.payloads if p["event"].get("subtype") != "message_changed"]
    edit = next(p for p in slack.payloads if p["event"].get("message", {}).get("ts") == changed_unseen)
    await deliver(store, [*late, edit])
    before = await messages(store)
    await recorder.record_pending()
    assert await messages(store) == before


async def test_the_next_backfill_begins_near_where_the_last_one_ended(
    store: Store, recorder: Recorder
) -> None:
    slack, incident = Slack(), declared("inc-1", channel=CHANNEL)
    history = History(slack)
    assert await recorder.backfill(history, incident) == 0
    slack.messages["1700000000.000100"] = {"type": "message", "user": "U1", "text": "x"}
    assert await recorder.backfill(history, incident) == 1
    assert await recorder.backfill(history, incident) == 0
    assert history.asked == [None, None, "1699992800.000100"]


async def test_an_incident_without_a_channel_has_no_history(store: Store, recorder: Recorder) -> None:
    assert await recorder.backfill(History(Slack()), declared()) == 0


# What an event says.


def only(slack: Slack) -> Any:
    heard = entry_of(slack.payloads[-1])
    assert heard is not None
    assert heard.channel == slack.channel
    return heard.draft


def test_files_are_references() -> None:
    slack = Slack()
    file = {"id": "F1", "name": "a.png", "mimetype": "image/png", "size": 3, "permalink": "https://x.test/a"}
    slack.post(
        "look", subtype="file_share", files=[{**file, "url_private": "https://x.test/secret", "thumb": "…"}]
    )
    assert only(slack).kind is Kind.MESSAGE
    assert only(slack).body == {"text": "look", "subtype": "file_share", "files": [file]}


def test_a_reply_that_is_shown_in_the_channel_too_is_a_reply() -> None:
    slack = Slack()
    slack.post("also here", subtype="thread_broadcast", thread_ts="1700000000.000001")
    assert only(slack).body["thread_ts"] == "1700000000.000001"
    assert only(slack).body["subtype"] == "thread_broadcast"


def test_other_bots_are_named() -> None:
    slack = Slack()
    event = {
        "type": "message",
        "subtype": "bot_message",
        "channel": CHANNEL,
        "text": "build 7",
        "bot_id": "B7",
    }
    slack.tell({**event, "ts": "1700000000.000001", "event_ts": "1700000000.000001", "username": "ci"})
    assert only(slack).actor == "B7"
    assert "own" not in only(slack).body


@pytest.mark.parametrize("mark", [{"app_id": APP}, {"bot_id": "BOWN"}, {"user": BOT_USER}])
def test_the_bots_own_messages_are_marked(mark: dict[str, str]) -> None:
    slack = Slack()
    slack.post("a card", **({"user": "U0"} | mark))
    heard = entry_of(slack.payloads[-1], own=("BOWN", BOT_USER))
    assert heard is not None
    assert heard.draft.actor == "kaeru"
    assert heard.draft.body["own"] is True


def test_the_bots_edits_are_its_own() -> None:
    slack = Slack()
    slack.change(slack.post("step 1", BOT_USER, app_id=APP), text="step 2")
    assert only(slack).actor == "kaeru"
    assert only(slack).body == {"text": "step 2", "own": True}


def test_two_edits_within_one_second_are_two() -> None:
    slack = Slack()
    ts = slack.post("one")
    slack.change(ts, text="two")
    first = only(slack)
    event = copy.deepcopy(slack.payloads[-1]["event"])
    event["previous_message"], event["message"] = event["message"], {**event["message"], "text": "three"}
    slack.tell(event)
    assert first.source != only(slack).source


@pytest.mark.parametrize(
    "changes",
    [
        {"attachments": [{"title": "a preview"}]},
        {"reply_count": 2, "latest_reply": "1700000009.000001", "thread_ts": "1700000001.000001"},
    ],
)
def test_a_change_around_the_words_is_no_edit(changes: dict[str, Any]) -> None:
    slack = Slack()
    slack.change(slack.post("hello"), mark=False, **changes)
    assert entry_of(slack.payloads[-1]) is None


def test_a_removed_file_is_an_edit() -> None:
    slack = Slack()
    ts = slack.post("look", files=[{"id": "F1", "name": "a.png"}])
    slack.change(ts, mark=False, files=[])
    assert only(slack).kind is Kind.EDIT


def test_a_deletion_keeps_what_was_said() -> None:
    slack = Slack()
    ts = slack.post("oops", thread_ts="1700000000.000001")
    slack.delete(ts)
    draft = only(slack)
    assert (draft.kind, draft.slack_ts, draft.actor) == (Kind.DELETION, ts, "U1")
    assert draft.body == {"text": "oops", "thread_ts": "1700000000.000001"}
    assert draft.source == f"deletion:{ts}"


def test_a_deleted_head_of_a_thread_is_a_deletion() -> None:
    slack = Slack()
    ts = slack.post("oops")
    slack.change(ts, mark=False, subtype="tombstone", text="This message was deleted.", user="USLACK")
    assert (only(slack).kind, only(slack).body["text"], only(slack).actor) == (Kind.DELETION, "oops", "U1")


@pytest.mark.parametrize(
    ("type_", "kind"), [("member_joined_channel", Kind.JOINED), ("member_left_channel", Kind.LEFT)]
)
def test_coming_and_going(type_: str, kind: Kind) -> None:
    slack = Slack()
    slack.happen(type_, user="U4")
    assert (only(slack).kind, only(slack).actor, only(slack).slack_ts) == (kind, "U4", None)


@pytest.mark.parametrize("what", ["archive", "unarchive"])
def test_the_channel_is_archived(what: str) -> None:
    slack = Slack()
    slack.happen(f"channel_{what}", user="U4")
    assert (only(slack).kind, only(slack).body) == (Kind.CHANNEL, {"what": what})


@pytest.mark.parametrize("what", ["topic", "purpose", "name"])
def test_the_channel_is_described(what: str) -> None:
    slack = Slack()
    slack.post(f"set the {what}", subtype=f"channel_{what}", **{what: "new"})
    assert only(slack).kind is Kind.CHANNEL
    assert only(slack).body == {"what": what, "text": f"set the {what}", "value": "new"}


@pytest.mark.parametrize("subtype", ["channel_join", "channel_leave", "channel_archive", "channel_unarchive"])
def test_what_another_event_tells_is_not_told_twice(subtype: str) -> None:
    slack = Slack()
    slack.post("has joined", subtype=subtype)
    assert entry_of(slack.payloads[-1]) is None


def test_what_concerns_no_timeline_is_nothing() -> None:
    slack = Slack()
    slack.happen("app_home_opened", user="U1")
    assert entry_of(slack.payloads[-1]) is None
    slack.happen("reaction_added", user="U1", reaction="eyes", item={"type": "file", "file": "F1"})
    assert entry_of(slack.payloads[-1]) is None
    slack.happen("channel_rename", channel={"id": CHANNEL, "name": "new"})
    assert entry_of(slack.payloads[-1]) is None


@pytest.mark.parametrize(
    ("ts", "microsecond"), [("1700000000.123457", 123457), ("1700000000.9", 900000), ("1700000000", 0)]
)
def test_times_are_exact(ts: str, microsecond: int) -> None:
    assert time_of(ts) == datetime(2023, 11, 14, 22, 13, 20, microsecond, tzinfo=UTC)


# In any order.

ACTS = st.lists(
    st.tuples(st.sampled_from(["post", "reply", "change", "delete", "react", "unreact"]), st.integers(0, 9)),
    min_size=1,
    max_size=14,
)


def story(acts: Sequence[tuple[str, int]], channel: str) -> Slack:
    slack = Slack(channel)
    slack.post("first")
    for number, (act, which) in enumerate(acts):
        there = sorted(slack.messages)
        ts = there[which % len(there)] if there else slack.post("another")
        match act:
            case "post":
                slack.post(f"post {number}", f"U{which}")
            case "reply":
                slack.post(f"reply {number}", f"U{which}", thread_ts=ts)
            case "change":
                slack.change(ts, text=f"text {which % 3}")
            case "delete":
                slack.delete(ts)
            case _:
                slack.react(ts, "eyes", f"U{which % 2}", added=act == "react")
    return slack


@settings(max_examples=40, deadline=None)
@given(acts=ACTS, seed=st.integers(0, 2**32), cuts=st.integers(1, 4))
def test_the_order_of_delivery_does_not_matter(
    acts: list[tuple[str, int]], seed: int, cuts: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Shuffled, doubled, and in several batches: the channel reads the same in the end."""
    dice = random.Random(seed)  # noqa: S311 - it shuffles
    folder = tmp_path_factory.mktemp("recorder")

    async def told(name: str, payloads: list[dict[str, Any]], batches: int) -> tuple[Message, ...]:
        clock = Clock()
        store = await Store.open(f"sqlite:///{folder}/{name}.sqlite", clock=clock)
        try:
            await store.write(lambda uow: uow.incidents.add(declared("inc-1", channel=CHANNEL)))
            recorder = Recorder(store, clock)
            for n in range(batches):
                await deliver(store, payloads[n::batches])
                await recorder.record_pending()
            assert (await store.read(lambda uow: uow.timeline.verify("inc-1"))).intact
            return await messages(store)
        finally:
            await store.close()

    payloads = story(acts, CHANNEL).payloads
    redelivered = [{**p, "event_id": f"{p['event_id']}-again"} for p in dice.choices(payloads, k=3)]
    shuffled = [*payloads, *redelivered]
    dice.shuffle(shuffled)
    in_order = asyncio.run(told("in-order", payloads, 1))
    assert asyncio.run(told("shuffled", shuffled, cuts)) == in_order


async def test_a_time_out_of_all_bounds_keeps_nothing_else_out(store: Store, recorder: Recorder) -> None:
    slack = Slack()
    slack.post("before")
    slack.tell({"type": "message", "user": "U1", "text": "?", "channel": CHANNEL, "ts": f"{10**18}.0"})
    slack.post("after")
    await deliver(store, slack.payloads)
    assert await recorder.record_pending() == 2
    assert [message.text for message in await messages(store)] == ["before", "after"]
    for _ in range(5):
        assert await recorder.record_pending() == 0
    (dead,) = await store.read(lambda uow: uow.inbox.dead_items())
    assert "OverflowError" in dead.reason


async def test_it_outlives_a_bad_moment_of_the_database(store: Store, recorder: Recorder) -> None:
    def rename(old: str, new: str) -> None:
        with store._database.writer.connect() as connection:
            connection.exec_driver_sql(f"ALTER TABLE {old} RENAME TO {new}")
            connection.commit()

    await asyncio.to_thread(rename, "kaeru_inbox", "elsewhere")
    running = asyncio.create_task(recorder.run())
    try:
        done, _ = await asyncio.wait([running], timeout=0.3)
        assert not done
        await asyncio.to_thread(rename, "elsewhere", "kaeru_inbox")
        slack = Slack()
        slack.post("it is back")
        await deliver(store, slack.payloads)
        async with asyncio.timeout(10):
            while not await messages(store):  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.02)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
