"""A database with years of incidents, written in bulk: the shapes are real, the hash chains are not."""

import hashlib
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from bot.domain import events as e
from bot.domain.incident import Incident
from bot.domain.lifecycle import evolve
from bot.domain.timeline import Entry, Kind
from bot.store import codec, schema
from bot.store.database import Database
from bot.store.tables import IncidentRow, Row, TimelineRow, table
from tests import story

ENTRIES = 100
"""Timeline entries per incident."""


def place(target: Path, *, incidents: int, cache: Path) -> None:
    """Put a database with so many closed incidents at `target`. A big one is built once and kept in `cache`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    cache.mkdir(exist_ok=True)
    kept = cache / f"bench-history-{incidents}-{_shape(target.with_suffix('.empty'))}.sqlite"
    if not kept.exists():
        for outdated in cache.glob(f"bench-history-{incidents}-*"):
            outdated.unlink()
        unfinished = kept.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        _prepare(unfinished)
        _fill(unfinished, incidents)
        unfinished.rename(kept)
    shutil.copyfile(kept, target)
    target.chmod(0o600)


def _shape(path: Path) -> str:
    """What the database looks like, in a few letters: the schema, and how this module fills it."""
    _prepare(path)
    with sqlite3.connect(path) as connection:
        made = connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
    path.unlink()
    return hashlib.sha256(f"{made}{Path(__file__).read_text(encoding='utf-8')}".encode()).hexdigest()[:12]


def _prepare(path: Path) -> None:
    database = Database(f"sqlite:///{path}")
    schema.prepare(database.writer)
    database.dispose()


def _fill(path: Path, incidents: int) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    connection.executemany(_insert(IncidentRow), _incidents(incidents))
    connection.executemany(_insert(TimelineRow), _entries(incidents))
    connection.execute("COMMIT")
    connection.execute("ANALYZE")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _insert(row: type[Row]) -> str:
    places = ", ".join("?" for _ in table(row).columns)
    return f"INSERT INTO {row.__tablename__} VALUES ({places})"  # noqa: S608 - no value is in the text


def _incidents(count: int) -> Iterator[tuple[Any, ...]]:
    """In the order of the table's columns, as below."""
    template = _told_to_its_end()
    for n in range(count):
        back = _back(n, count)
        declared, closed = template.declared_at - back, story.at("14:31:05") - back
        renamed = {
            "id": _id(n),
            "channel_id": f"C0PAST{n:06d}",
            "declared_at": declared,
            "closed_at": closed,
            "length": ENTRIES,
        }
        incident = template.model_copy(update=renamed)
        yield (
            incident.id, incident.service, incident.status.value, incident.channel_id,
            codec.microseconds(declared), codec.microseconds(closed), incident.length,
            incident.model_dump_json(), ENTRIES, _hash(n, ENTRIES),
        )  # fmt: skip


def _told_to_its_end() -> Incident:
    """The story's incident with its postmortem posted: nothing is left to be done about it."""
    posted = e.PostmortemPosted(at=story.at("14:32:00"), revision=1, sha256="0" * 64)
    return evolve(story.incident(), posted)


def _entries(incidents: int) -> Iterable[tuple[Any, ...]]:
    told = story.entries()
    spoken = [entry for entry in told if entry.kind is Kind.MESSAGE]
    lines = [*told, *(spoken[n % len(spoken)] for n in range(ENTRIES - len(told)))]
    made = [_columns(seq, entry) for seq, entry in enumerate(lines, start=1)]
    for n in range(incidents):
        incident_id, back = _id(n), _back(n, incidents) // timedelta(microseconds=1)
        for seq, at, kind, actor, said, body, words in made:
            moment = at - back
            ts = f"{moment // 1_000_000}.{moment % 1_000_000:06d}" if said else None
            source = f"message:{ts}" if said else None
            yield (
                incident_id, seq, moment, moment + 120_000, kind, actor, ts, body, words, source,
                _hash(n, seq - 1), _hash(n, seq),
            )  # fmt: skip


def _columns(seq: int, entry: Entry) -> tuple[Any, ...]:
    body = codec.dumps(entry.body)
    # Each a moment apart, so that no two messages have the same name.
    at = codec.microseconds(entry.at) + seq
    said = entry.kind is Kind.MESSAGE
    return seq, at, entry.kind.value, entry.actor, said, body, codec.words(entry.body)


def _id(n: int) -> str:
    return f"inc-20200101-shop-{n + 1}"


def _back(n: int, count: int) -> timedelta:
    """How long before the story it happened: three a day, the last one yesterday."""
    return timedelta(days=1) + timedelta(hours=8) * (count - n)


def _hash(n: int, seq: int) -> str:
    return hashlib.sha256(f"{n}/{seq}".encode()).hexdigest()
