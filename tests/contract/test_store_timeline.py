"""The timeline keeps exactly what was appended, once, and shows when it was tampered with."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from bot.domain.timeline import GENESIS, Kind
from bot.store import Draft, Missing, Store
from tests.contract.store_worlds import START, Clock, declared, run_sql

pytest_plugins = ("tests.postgres", "tests.contract.store_fixtures")

# A NUL and half a surrogate pair cannot be kept in a database's text as they are; Slack may send both.
STRANGE = {
    "text": "naïve 茶 🍵 \x00 \ud83d <&> 'quoted' \"twice\" \\ %_",
    "deep": {"list": [1, 1.5, -0.1, 1e300, None, True, {"z": 1, "a": []}], "tuple": (1, 2)},
    "": "",
}


async def add(store: Store, text: str, **more: Any) -> Any:
    draft: dict[str, Any] = {"at": START, "kind": Kind.MESSAGE, "actor": "U1", "body": {"text": text}} | more
    return await store.write(lambda uow: uow.timeline.append("inc-1", **draft))


@pytest.fixture
async def incident(store: Store) -> Store:
    await store.write(lambda uow: uow.incidents.add(declared()))
    return store


@pytest.fixture
async def story(incident: Store) -> Store:
    """Five entries."""
    for n in range(1, 6):
        await add(incident, f"message {n}", slack_ts=f"170000000{n}.000100", source=f"message:{n}")
    return incident


async def test_entries_come_back_exactly_as_they_were_sealed(incident: Store) -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 1, tzinfo=timezone(timedelta(hours=9)))
    appended = await add(incident, "", at=at, body=STRANGE, slack_ts="1.000001")
    (read,) = await incident.read(lambda uow: uow.timeline.entries("inc-1"))
    assert read == appended
    assert read.at == at
    assert read.at.tzinfo is UTC
    assert read.recorded_at == START
    assert read.body["text"] == STRANGE["text"]
    assert read.prev_hash == GENESIS
    assert (await incident.read(lambda uow: uow.timeline.verify("inc-1"))).intact


async def test_what_cannot_be_read_back_exactly_is_refused(incident: Store) -> None:
    with pytest.raises(ValueError, match="without a zone"):
        await add(incident, "", at=datetime(2026, 1, 1))  # noqa: DTZ001 - that is what is refused
    with pytest.raises(ValueError, match="Out of range float"):
        await add(incident, "", body={"x": float("nan")})
    assert await incident.read(lambda uow: uow.timeline.length("inc-1")) == 0


async def test_a_source_is_kept_once(story: Store) -> None:
    before = await story.read(lambda uow: uow.timeline.entries("inc-1"))
    assert await add(story, "something else", source="message:3") is None
    assert await story.read(lambda uow: uow.timeline.entries("inc-1")) == before


async def test_a_source_is_kept_once_per_incident(story: Store) -> None:
    await story.write(lambda uow: uow.incidents.add(declared("inc-2", "tea")))
    draft = Draft(at=START, kind=Kind.MESSAGE, actor="U1", body={}, source="message:3")
    first, again = await story.write(lambda uow: uow.timeline.append_many("inc-2", [draft, draft]))
    assert first is not None
    assert again is None


async def test_appending_to_no_incident_is_missing(store: Store) -> None:
    with pytest.raises(Missing):
        await add(store, "hello")


async def test_entries_can_be_chosen(story: Store) -> None:
    await add(story, "an event", kind=Kind.EVENT)

    async def seqs(**query: Any) -> list[int]:
        return [e.seq for e in await story.read(lambda uow: uow.timeline.entries("inc-1", **query))]

    assert await seqs() == [1, 2, 3, 4, 5, 6]
    assert await seqs(after_seq=4) == [5, 6]
    assert await seqs(kinds=[Kind.EVENT]) == [6]
    assert await seqs(kinds=[Kind.EVENT, Kind.MESSAGE], limit=2) == [1, 2]
    assert await seqs(kinds=[]) == []


async def test_search_is_literal_and_ignores_case(incident: Store) -> None:
    for text in ("Cache was COLD", "100% of it", "a_b", "axb", "Straße", "ÉCLAIR"):
        await add(incident, text)

    async def found(text: str) -> list[str]:
        return [
            e.body["text"] for e in await incident.read(lambda uow: uow.timeline.search("inc-1", text, 10))
        ]

    assert await found("cache Was") == ["Cache was COLD"]
    assert await found("0%") == ["100% of it"]
    assert await found("A_B") == ["a_b"]
    assert await found("strasse") == ["Straße"]
    assert await found("éclair") == ["ÉCLAIR"]
    assert await found("nothing") == []


async def test_the_bots_own_messages_can_be_left_out(story: Store) -> None:
    await add(story, "a card", body={"text": "a card", "own": True}, actor="kaeru", slack_ts="1.000001")
    await add(story, "", kind=Kind.REACTION_ADDED, body={"name": "eyes"}, slack_ts="1.000001")
    assert len(await story.read(lambda uow: uow.timeline.messages("inc-1"))) == 6
    assert len(await story.read(lambda uow: uow.timeline.messages("inc-1", own=False))) == 5


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE kaeru_timeline SET actor = 'U2' WHERE seq = 3",
        "DELETE FROM kaeru_timeline WHERE seq = 5",
        "DELETE FROM kaeru_timeline",
    ],
)
async def test_the_database_refuses_to_change_the_timeline(story: Store, statement: str) -> None:
    with pytest.raises(DBAPIError, match="append-only"):
        await asyncio.to_thread(run_sql, story, statement)
    assert (await story.read(lambda uow: uow.timeline.verify("inc-1"))).count == 5


async def test_the_databases_own_ways_around_are_closed_too(story: Store) -> None:
    sqlite = story._database.writer.dialect.name == "sqlite"
    statement = (
        "INSERT OR REPLACE INTO kaeru_timeline SELECT incident_id, seq, at, recorded_at, kind, 'U2', slack_ts, "
        "body, words, source, prev_hash, hash FROM kaeru_timeline WHERE seq = 3"
        if sqlite
        else "TRUNCATE kaeru_timeline"
    )
    with pytest.raises(DBAPIError, match="append-only"):
        await asyncio.to_thread(run_sql, story, statement)


@pytest.mark.parametrize(
    ("tampering", "broken_at", "reason"),
    [
        ('UPDATE kaeru_timeline SET body = \'{"text":"never said"}\' WHERE seq = 3', 3, "was changed"),
        ("UPDATE kaeru_timeline SET body = 'not even JSON' WHERE seq = 3", 3, "was changed"),
        ("UPDATE kaeru_timeline SET kind = 'nothing' WHERE seq = 2", 2, "was changed"),
        ("UPDATE kaeru_timeline SET at = at + 1 WHERE seq = 1", 1, "was changed"),
        ("UPDATE kaeru_timeline SET slack_ts = NULL WHERE seq = 5", 5, "was changed"),
        ("UPDATE kaeru_timeline SET prev_hash = hash WHERE seq = 4", 4, "does not follow"),
        ("DELETE FROM kaeru_timeline WHERE seq = 1", 1, "is missing"),
        ("DELETE FROM kaeru_timeline WHERE seq = 3", 3, "is missing"),
        ("DELETE FROM kaeru_timeline WHERE seq = 5", 5, "ends at 4, but 5 entries were written"),
        ("DELETE FROM kaeru_timeline", 1, "ends at 0, but 5 entries were written"),
    ],
)
async def test_tampering_shows(story: Store, tampering: str, broken_at: int, reason: str) -> None:
    assert (await story.read(lambda uow: uow.timeline.verify("inc-1"))).intact
    if story._database.writer.dialect.name == "sqlite":
        unlock = [f"DROP TRIGGER kaeru_timeline_no_{verb}" for verb in ("update", "delete")]
    else:
        unlock = ["DROP TRIGGER kaeru_timeline_no_change ON kaeru_timeline"]
    await asyncio.to_thread(run_sql, story, *unlock, tampering)
    verdict = await story.read(lambda uow: uow.timeline.verify("inc-1"))
    assert verdict.broken_at == broken_at
    assert reason in verdict.reason


async def test_long_timelines_are_verified_in_pages(incident: Store) -> None:
    drafts = [
        Draft(at=START, kind=Kind.MESSAGE, actor="U1", body={"n": n}, source=f"{n}") for n in range(2500)
    ]
    await incident.write(lambda uow: uow.timeline.append_many("inc-1", drafts))
    verdict = await incident.read(lambda uow: uow.timeline.verify("inc-1"))
    assert verdict.intact
    assert verdict.count == 2500


async def test_two_writers_append_one_chain(incident: Store, store_url: str, clock: Clock) -> None:
    """Two connections to the same database: the chain has no fork and no gap."""
    other = await Store.open(store_url, clock=clock)
    try:
        await asyncio.gather(
            *(
                add(store, f"{name} {n}", source=f"{name}:{n}")
                for n in range(100)
                for name, store in (("a", incident), ("b", other))
            )
        )
        verdict = await other.read(lambda uow: uow.timeline.verify("inc-1"))
        assert verdict.intact
        assert verdict.count == 200
    finally:
        await other.close()
