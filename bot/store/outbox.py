"""What Slack shall show: one row per slot, sent lane by lane until what is shown is what is wanted."""

import itertools
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, insert, literal_column, or_, select, update

from bot.ports.chat import INCIDENT_CHANNEL, Done, Operation, Post, parse_operation
from bot.store import codec
from bot.store.scope import Scope, found
from bot.store.tables import IncidentRow, OutboxRow, table

_T = table(OutboxRow)
_I = table(IncidentRow)
_PENDING = _T.c.state == literal_column("'pending'")
_SENDING = _T.c.state == literal_column("'sending'")
_DEAD = _T.c.state == literal_column("'dead'")
_NEVER_SENT = _T.c.sent_revision == literal_column("0")
_SENT = _T.c.sent_revision > literal_column("0")
# An arbitrary number that stands for "kaeru's outbox" among a PostgreSQL server's advisory locks.
_LOCK = 0x6B616571

_ROWS = select(_T, _I.c.channel_id).outerjoin(_I, _I.c.id == _T.c.incident_id)


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """One slot. `operation` is what is wanted by now: its channel is resolved, and a post that was sent has its `ts`.

    `revision` is the one in flight where it is (or was) being sent, else the wanted one; `sent_revision` 0
    means never sent. `attempts` counts the tries that were begun since the last success, leaving aside the one
    that a claim begins.
    """

    id: int
    lane: str
    slot: str
    incident_id: str | None
    operation: Operation
    revision: int
    sent_revision: int
    attempts: int
    result: Done | None
    sending_since: datetime | None = None
    error: str = ""
    is_dead: bool = False

    @property
    def key(self) -> str:
        """What makes a repetition findable in Slack."""
        return f"{self.lane}/{self.slot}"


class Outbox:
    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def put(self, lane: str, slot: str, operation: Operation, *, incident_id: str | None = None) -> None:
        """Say what the slot shall show. The same again changes nothing, not even for a slot that was given up."""
        needs_channel = getattr(operation, "channel", None) == INCIDENT_CHANNEL
        if needs_channel and incident_id is None:
            raise ValueError(f"{lane}/{slot} is for an incident's channel, but names no incident.")
        text = codec.dumps(operation.model_dump(mode="json"))
        row = self._scope.connection.execute(
            self._scope.locked(
                select(_T.c.id, _T.c.operation, _T.c.state, _T.c.revision, _T.c.attempts).where(
                    _T.c.lane == lane, _T.c.slot == slot
                )
            )
        ).one_or_none()
        now = self._scope.clock()
        if row is None:
            new = {
                "lane": lane,
                "slot": slot,
                "incident_id": incident_id,
                "operation": text,
                "needs_channel": needs_channel,
                "state": "pending",
                "revision": 1,
                "claimed_revision": 0,
                "sent_revision": 0,
                "attempts": 0,
                "next_at": now,
                "error": "",
            }
            self._scope.connection.execute(insert(_T), new)
            return
        if row.operation == text:
            return
        changes = {"operation": text, "needs_channel": needs_channel, "revision": row.revision + 1}
        if row.state in ("idle", "dead"):
            # New content is worth a new try, also where the old one was given up.
            changes |= {"state": "pending", "next_at": now, "attempts": 0}
        self._change(row.id, **changes)

    def claim(self, now: datetime, *, busy: Collection[str], limit: int) -> tuple[OutboxItem, ...]:
        """Take what may be sent now, at most one item per lane that is neither `busy` nor sending already.

        What was never sent goes first, oldest first and strictly in the order of its lane: one that waits
        for its retry, or for its incident's channel, holds back the later ones of its lane (not the edits).
        """
        if self._scope.postgres:
            self._scope.connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        taken = set(busy)
        taken.update(self._scope.connection.execute(select(_T.c.lane).where(_SENDING)).scalars())
        chosen = list(itertools.islice(self._free(self._due(now, len(taken) + limit), taken), limit))
        if chosen:
            claimed = (
                update(_T)
                .where(_T.c.id.in_([row.id for row in chosen]))
                .values(
                    state="sending",
                    sending_since=now,
                    claimed_revision=_T.c.revision,
                    attempts=_T.c.attempts + 1,
                )
            )
            self._scope.connection.execute(claimed)
        return tuple(_item(row, attempts=row.attempts, in_flight=row.revision, since=now) for row in chosen)

    def interrupted(self, *, before: datetime | None = None) -> tuple[OutboxItem, ...]:
        """Those left sending by a crash, oldest first: their outcome is unknown. `before` spares recent ones."""
        statement = _ROWS.where(_SENDING).order_by(_T.c.id)
        if before is not None:
            statement = statement.where(_T.c.sending_since < before)
        return self._items(statement)

    def sent(self, item_id: int, revision: int, done: Done, now: datetime, not_before: datetime) -> None:
        """`revision` is shown. Where another one is wanted by now, it is due at `not_before`. Raises Missing."""
        row = found(
            self._scope.connection.execute(
                self._scope.locked(
                    select(_T.c.revision, _T.c.sent_revision, _T.c.result).where(_T.c.id == item_id)
                )
            ).one_or_none(),
            f"outbox item {item_id}",
        )
        earlier = Done.model_validate_json(row.result).model_dump() if row.result else {}
        merged = {
            **earlier,
            **{name: value for name, value in done.model_dump().items() if value is not None},
        }
        more = row.revision > revision
        self._change(
            item_id,
            state="pending" if more else "idle",
            sent_revision=max(revision, row.sent_revision),
            next_at=not_before if more else now,
            result=codec.dumps(merged),
            **_NOT_SENDING,
            attempts=0,
            error="",
        )

    def retry(self, item_id: int, *, at: datetime, error: str) -> None:
        """It did not go out; try again at `at`."""
        self._change(item_id, state="pending", next_at=at, error=error, **_NOT_SENDING)

    def dead(self, item_id: int, error: str) -> None:
        """Give it up, until something else is put into its slot. Later ones of its lane go on."""
        self._change(item_id, state="dead", error=error, **_NOT_SENDING)

    def get(self, lane: str, slot: str) -> OutboxItem | None:
        items = self._items(_ROWS.where(_T.c.lane == lane, _T.c.slot == slot))
        return items[0] if items else None

    def backlog(self) -> int:
        """How many slots do not yet show what is wanted (given-up ones aside)."""
        statement = select(func.count()).select_from(_T)
        pending = self._scope.connection.execute(statement.where(_PENDING, _NEVER_SENT)).scalar_one()
        edits = self._scope.connection.execute(statement.where(_PENDING, _SENT)).scalar_one()
        return int(pending + edits + self._scope.connection.execute(statement.where(_SENDING)).scalar_one())

    def dead_items(self) -> tuple[OutboxItem, ...]:
        """What was given up, oldest first."""
        return self._items(_ROWS.where(_DEAD).order_by(_T.c.id))

    def _due(self, now: datetime, enough: int) -> Iterator[Row[Any]]:
        """The first never-sent row of each lane, if it is due; then edits that are due, longest first."""
        heads = select(func.min(_T.c.id)).where(_PENDING, _NEVER_SENT).group_by(_T.c.lane)
        ready = or_(_T.c.needs_channel.is_(False), _I.c.channel_id.is_not(None))
        first = _ROWS.where(_T.c.id.in_(heads), _T.c.next_at <= now, ready).order_by(_T.c.id).limit(enough)
        yield from self._scope.connection.execute(first).all()
        edits = _ROWS.where(_PENDING, _SENT, _T.c.next_at <= now, ready).order_by(_T.c.next_at, _T.c.id)
        with self._scope.connection.execute(edits) as result:
            yield from result

    @staticmethod
    def _free(rows: Iterable[Row[Any]], taken: set[str]) -> Iterator[Row[Any]]:
        for row in rows:
            if row.lane not in taken:
                taken.add(row.lane)
                yield row

    def _items(self, statement: Select[Any]) -> tuple[OutboxItem, ...]:
        rows = self._scope.connection.execute(statement).all()
        return tuple(
            _item(
                row,
                attempts=row.attempts,
                in_flight=row.claimed_revision if row.state == "sending" else row.revision,
                since=row.sending_since,
            )
            for row in rows
        )

    def _change(self, item_id: int, **changes: Any) -> None:
        self._scope.connection.execute(update(_T).where(_T.c.id == item_id).values(**changes))


_NOT_SENDING: dict[str, Any] = {"sending_since": None, "claimed_revision": 0}


def _item(row: Row[Any], *, attempts: int, in_flight: int, since: datetime | None) -> OutboxItem:
    result = Done.model_validate_json(row.result) if row.result else None
    return OutboxItem(
        id=row.id,
        lane=row.lane,
        slot=row.slot,
        incident_id=row.incident_id,
        operation=_resolved(parse_operation(codec.loads(row.operation)), row.channel_id, result),
        revision=in_flight,
        sent_revision=row.sent_revision,
        attempts=attempts,
        result=result,
        sending_since=since,
        error=row.error,
        is_dead=row.state == "dead",
    )


def _resolved(operation: Operation, channel_id: str | None, result: Done | None) -> Operation:
    changes: dict[str, Any] = {}
    if getattr(operation, "channel", None) == INCIDENT_CHANNEL and channel_id is not None:
        changes["channel"] = channel_id
    if isinstance(operation, Post) and result is not None and result.ts is not None:
        # An edit goes where the message went: a post to a person ends up in a channel of its own.
        changes |= {"ts": result.ts, **({"channel": result.channel} if result.channel else {})}
    return operation.model_copy(update=changes) if changes else operation
