"""What came in and is not done yet. Written before anything is acknowledged."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, bindparam, case, delete, literal_column, select, update

from bot.store import codec
from bot.store.scope import Scope
from bot.store.tables import InboxRow, table

ATTEMPTS = 5
# Slack repeats an event for about ten minutes; what is done is remembered for far longer than that.
REMEMBERED = timedelta(days=1)

_T = table(InboxRow)
_NEW = _T.c.state == literal_column("'new'")
_DONE = _T.c.state == literal_column("'done'")
_DEAD = _T.c.state == literal_column("'dead'")
_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Something that came in. `key` is what a repetition of it has in common with it."""

    key: str
    kind: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class InboxItem:
    """`body` is as it was received; `reason` says what went wrong last."""

    id: int
    key: str
    kind: str
    body: dict[str, Any]
    attempts: int
    reason: str
    received_at: datetime


class Inbox:
    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def receive(self, key: str, kind: str, body: dict[str, Any]) -> int | None:
        """Keep it; its id, or None where `key` was seen before."""
        return self.receive_many((Arrival(key=key, kind=kind, body=body),))[0]

    def receive_many(self, arrivals: Sequence[Arrival]) -> tuple[int | None, ...]:
        """`receive` in bulk, in this order; the result has one place per arrival."""
        statement = self._scope.insert(_T).on_conflict_do_nothing(index_elements=["key"])
        now = self._scope.clock()
        rows = [
            {
                "key": arrival.key,
                "kind": arrival.kind,
                "body": codec.dumps(arrival.body),
                "state": "new",
                "attempts": 0,
                "reason": "",
                "received_at": now,
            }
            for arrival in arrivals
        ]
        received: dict[str, int] = {}
        for start in range(0, len(rows), _BATCH):
            kept = self._scope.connection.execute(
                statement.returning(_T.c.key, _T.c.id), rows[start : start + _BATCH]
            )
            received.update({row.key: row.id for row in kept})
        # Taken out once found: the second of two with the same key is a repetition.
        return tuple(received.pop(arrival.key, None) for arrival in arrivals)

    def done(self, item_id: int) -> None:
        self.done_many((item_id,))

    def done_many(self, item_ids: Iterable[int]) -> None:
        """The key stays, to recognise repetitions; the content is forgotten: what matters is elsewhere by now."""
        ids = list(item_ids)
        statement = update(_T).where(_T.c.id.in_(bindparam("ids", expanding=True)), _T.c.state != "done")
        changed = statement.values(state="done", done_at=self._scope.clock(), body="{}")
        for start in range(0, len(ids), _BATCH):
            self._scope.connection.execute(changed, {"ids": ids[start : start + _BATCH]})

    def fail(self, item_id: int, reason: str) -> None:
        """One attempt failed. After the last one the item is dead: no longer pending, but still listed."""
        tried = _T.c.attempts + 1
        state = case((tried >= ATTEMPTS, "dead"), else_="new")
        self._scope.connection.execute(
            update(_T).where(_T.c.id == item_id, _NEW).values(attempts=tried, reason=reason, state=state)
        )

    def give_up(self, item_id: int, reason: str) -> bool:
        """It failed for good: dead at once, not to be tried again. False where it was done, or dead, already."""
        dead = update(_T).where(_T.c.id == item_id, _NEW)
        dead = dead.values(attempts=_T.c.attempts + 1, reason=reason, state="dead")
        return self._scope.connection.execute(dead).rowcount > 0

    def pending(self, limit: int, kinds: Collection[str] | None = None) -> tuple[InboxItem, ...]:
        """What is to be done, oldest first."""
        statement = select(_T).where(_NEW).order_by(_T.c.id).limit(limit)
        if kinds is not None:
            statement = statement.where(_T.c.kind.in_(list(kinds)))
        return self._items(statement)

    def dead_items(self, limit: int = 100) -> tuple[InboxItem, ...]:
        """What was given up, oldest first."""
        return self._items(select(_T).where(_DEAD).order_by(_T.c.id).limit(limit))

    def prune(self, before: datetime, *, limit: int = 10_000) -> int:
        """Forget what was done before `before`, and at least a day ago. Returns how many, `limit` at most."""
        cutoff = min(before, self._scope.clock() - REMEMBERED)
        old = select(_T.c.id).where(_DONE, _T.c.done_at < cutoff).order_by(_T.c.done_at).limit(limit)
        return self._scope.connection.execute(delete(_T).where(_T.c.id.in_(old))).rowcount

    def _items(self, statement: Select[Any]) -> tuple[InboxItem, ...]:
        return tuple(
            InboxItem(
                id=row.id,
                key=row.key,
                kind=row.kind,
                body=codec.loads(row.body),
                attempts=row.attempts,
                reason=row.reason,
                received_at=row.received_at,
            )
            for row in self._scope.connection.execute(statement)
        )
