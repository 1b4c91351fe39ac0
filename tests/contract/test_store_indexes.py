"""Every look-up goes by an index: nothing reads a whole table that grows."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from bot.domain.evidence import Probe
from bot.domain.quarantine import BadShape
from bot.domain.timeline import Kind
from bot.ports.chat import Done, Post
from bot.store import UnitOfWork
from bot.store import schema as store_schema
from bot.store.database import Database
from tests.contract.store_worlds import START, Clock, declared

# They hold a handful of rows.
SMALL = {"kaeru_schema"}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/kaeru.sqlite")
    store_schema.prepare(made.writer)
    yield made
    made.dispose()


def everything(uow: UnitOfWork) -> None:
    """Every repository's every method once."""
    uow.incidents.add(declared(channel="C1"))
    incident = uow.incidents.get("inc-1")
    uow.incidents.save(incident.model_copy(update={"length": incident.length + 1}))
    uow.incidents.find("inc-1")
    uow.incidents.by_channel("C1")
    uow.incidents.open_for("shop")
    uow.incidents.next_id("shop", START.date())
    for open_only in (True, False):
        for service in (None, "shop"):
            uow.incidents.list(open_only=open_only, limit=10, service=service)
    uow.timeline.append("inc-1", at=START, kind=Kind.MESSAGE, actor="U1", body={}, slack_ts="1.1", source="s")
    uow.timeline.entries("inc-1", after_seq=3, kinds=[Kind.EVENT], limit=10)
    uow.timeline.entries("inc-1", kinds=[Kind.EVENT, Kind.MARK])
    uow.timeline.search("inc-1", "text", 10)
    uow.timeline.length("inc-1")
    uow.timeline.verify("inc-1")
    uow.timeline.about("inc-1", ["1.1", "1.2"])
    uow.timeline.messages("inc-1")
    item = uow.inbox.receive("k", "event", {})
    assert item is not None
    uow.inbox.pending(10)
    uow.inbox.pending(10, kinds=("event", "command"))
    uow.inbox.fail(item, "no")
    uow.inbox.done(item)
    uow.inbox.dead_items()
    uow.inbox.prune(START)
    uow.outbox.put("L1", "a", Post(channel="C1", text="x"))
    (sending,) = uow.outbox.claim(START, busy=(), limit=1)
    uow.outbox.interrupted()
    uow.outbox.sent(sending.id, 1, Done(ts="1.1"), START, START)
    uow.outbox.retry(sending.id, at=START, error="")
    uow.outbox.dead(sending.id, "")
    uow.outbox.get("L1", "a")
    uow.outbox.backlog()
    uow.outbox.dead_items()
    uow.releases.saw("shop", "v1", START, good=True)
    uow.releases.quarantine("shop", "v1", "inc-1", START)
    uow.releases.lift("shop", "v1", "U1", START)
    uow.releases.all("shop")
    every_shape(uow)
    uow.probes.add("shop", (Probe(endpoint="/version", at=START, ok=True, version="v1"),))
    uow.probes.window("shop", START)
    uow.probes.baseline("shop", "v1", since=START, until=START)
    uow.probes.first_bad("shop", START)
    uow.probes.prune(START)
    uow.documents.get(uow.documents.put(b"x", "text/plain"))
    uow.facts.set("k", 1)
    uow.facts.get("k")


def every_shape(uow: UnitOfWork) -> None:
    uow.shapes.keep("shop", "web", "r1", "v1", "{}", at=START)
    uow.shapes.good("shop", "web", "r1", START)
    uow.shapes.all("shop", "web")
    uow.shapes.find("shop", "web", "r1")
    uow.shapes.since("shop", "web", "r1")
    uow.shapes.prune(START, keep=50)
    bad = BadShape(component="web", ref="r1", version="v1+r1")
    uow.bad_shapes.quarantine("shop", bad, "inc-1", START)
    uow.bad_shapes.lift("shop", bad, "U1", START)
    uow.bad_shapes.all("shop")


def plans(database: Database) -> dict[str, list[str]]:
    """How SQLite goes about each statement that `everything` runs."""
    seen: dict[str, Any] = {}

    def remember(_c: Any, _cursor: Any, statement: str, parameters: Any, _x: Any, many: bool) -> None:
        if re.match(r"SELECT|UPDATE|DELETE", statement) and "kaeru" in statement:
            seen[statement] = parameters[0] if many else parameters

    with database.writer.begin() as connection:
        event.listen(database.writer, "before_cursor_execute", remember)
        everything(UnitOfWork(connection, Clock(), writes=True))
        event.remove(database.writer, "before_cursor_execute", remember)
        return {
            statement: [
                row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            ]
            for statement, parameters in seen.items()
        }


def test_no_statement_reads_a_whole_table(database: Database) -> None:
    found = plans(database)
    assert len(found) > 40
    for statement, steps in found.items():
        for step in steps:
            scan = re.match(r"SCAN (kaeru_\w+)(.*)", step)
            # A scan by a partial index reads what that index holds: what is open, new or due.
            whole = (
                scan
                and scan[1] not in SMALL
                and not re.search(r"USING .*INDEX kaeru_\w+_(open|new|edit|sending|dead|done|old)\b", scan[2])
            )
            listing = "ORDER BY kaeru_incident.declared_at DESC" in statement and "LIMIT" in statement
            assert not whole or (listing and "USING" in step), f"{step}\n{statement}"


def test_no_statement_sorts_what_may_be_much(database: Database) -> None:
    for statement, steps in plans(database).items():
        if "kaeru_timeline" in statement and "slack_ts IN" not in statement and "kind IN" not in statement:
            assert not any("TEMP B-TREE" in step for step in steps), f"{steps}\n{statement}"
