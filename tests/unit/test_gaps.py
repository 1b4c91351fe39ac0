"""What is told from the difference between the channel's history and the timeline."""

from datetime import UTC, datetime, timedelta
from typing import Any

from bot.domain.timeline import GENESIS, Entry, Kind
from bot.ports.chat import HistoryMessage
from bot.usecases.gaps import gaps
from bot.usecases.transcript import time_of

NOW = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)


def entry(
    kind: Kind, ts: str | None, actor: str = "UALICE", *, at: datetime | None = None, **body: Any
) -> Entry:
    moment = at or time_of(ts or "1.0")
    return Entry(
        incident_id="inc-1",
        seq=1,
        at=moment,
        recorded_at=moment,
        kind=kind,
        actor=actor,
        slack_ts=ts,
        body=body,
        prev_hash=GENESIS,
        hash=GENESIS,
    )


def seen(ts: str, **raw: Any) -> HistoryMessage:
    return HistoryMessage(ts=ts, at=time_of(ts), raw={"ts": ts, **raw})


def told(history: list[HistoryMessage], entries: list[Entry]) -> list[tuple[str, str, str | None]]:
    found = gaps(history, entries, own={"UKAERU"}, now=NOW)
    return [(draft.kind.value, draft.actor, draft.slack_ts) for draft in found]


def test_a_message_that_is_gone_was_deleted() -> None:
    entries = [entry(Kind.MESSAGE, f"{n}.0", text=f"m{n}") for n in (1, 2, 3)]
    assert told([seen("1.0"), seen("3.0")], entries) == [("deletion", "UALICE", "2.0")]


def test_what_lies_outside_the_stretch_says_nothing() -> None:
    entries = [entry(Kind.MESSAGE, f"{n}.0", text=f"m{n}") for n in (1, 2, 3, 4)]
    assert told([seen("2.0"), seen("3.0")], entries) == []


def test_a_deletion_is_told_once_and_a_reply_is_not_guessed_at() -> None:
    entries = [
        entry(Kind.MESSAGE, "1.0", text="a"),
        entry(Kind.MESSAGE, "2.0", text="b"),
        entry(Kind.DELETION, "2.0", text="b"),
        entry(Kind.MESSAGE, "2.5", text="reply", thread_ts="1.0"),
    ]
    assert told([seen("1.0"), seen("3.0")], entries) == []


def test_a_tombstone_is_a_deletion() -> None:
    entries = [entry(Kind.MESSAGE, "1.0", text="a")]
    assert told([seen("1.0", subtype="tombstone")], entries) == [("deletion", "UALICE", "1.0")]


def test_reactions_that_came_and_went() -> None:
    entries = [
        entry(Kind.MESSAGE, "1.0", text="a"),
        entry(Kind.REACTION_ADDED, "1.0", "UBOB", at=time_of("2.0"), name="eyes"),
    ]
    history = [seen("1.0", reactions=[{"name": "tada", "users": ["UBOB", "UKAERU"]}])]
    assert told(history, entries) == [
        ("reaction_added", "UBOB", "1.0"),
        ("reaction_added", "kaeru", "1.0"),
        ("reaction_removed", "UBOB", "1.0"),
    ]


def test_nothing_is_told_of_reactions_that_are_known() -> None:
    entries = [
        entry(Kind.MESSAGE, "1.0", text="a"),
        entry(Kind.REACTION_ADDED, "1.0", "UBOB", at=time_of("2.0"), name="eyes"),
    ]
    assert told([seen("1.0", reactions=[{"name": "eyes", "users": ["UBOB"]}])], entries) == []


def test_a_join_that_nobody_heard_is_told_and_one_that_was_heard_is_not() -> None:
    heard = entry(Kind.JOINED, None, "UBOB", at=time_of("5.2"))
    history = [
        seen("5.0", subtype="channel_join", user="UBOB"),
        seen("90.0", subtype="channel_join", user="UDAN", inviter="UALICE"),
    ]
    (draft,) = gaps(history, [heard], own=(), now=NOW)
    assert (draft.kind, draft.actor, draft.at) == (Kind.JOINED, "UDAN", time_of("90.0"))
    assert draft.body == {"inviter": "UALICE", "found": "in the history"}
    assert draft.at < NOW - timedelta(days=1)
