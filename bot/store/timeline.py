"""The timeline: append-only, chained, and searchable."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update

from bot.domain import timeline
from bot.domain.base import UserId
from bot.domain.timeline import Entry, Kind, Message, Verification, seal
from bot.store import codec
from bot.store.scope import Scope, found
from bot.store.tables import IncidentRow, TimelineRow, table

_T = table(TimelineRow)
_INCIDENTS = table(IncidentRow)
_OF = _T.c.incident_id == bindparam("incident_id")
_HEAD = select(_INCIDENTS.c.head_seq, _INCIDENTS.c.head_hash).where(
    _INCIDENTS.c.id == bindparam("incident_id")
)
_SET_HEAD = update(_INCIDENTS).where(_INCIDENTS.c.id == bindparam("incident_id"))
_INSERT = insert(_T)
_KNOWN = select(_T.c.source).where(_OF, _T.c.source.in_(bindparam("sources", expanding=True)))
_PAGE = 1000
# How many parameters one statement is given at most.
_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An entry before it has a place. `source` names what it came from: the same one is kept once only."""

    at: datetime
    kind: Kind
    actor: UserId
    body: dict[str, Any]
    slack_ts: str | None = None
    source: str | None = None


class Timeline:
    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def append(
        self,
        incident_id: str,
        *,
        at: datetime,
        kind: Kind,
        actor: UserId,
        body: dict[str, Any],
        slack_ts: str | None = None,
        source: str | None = None,
    ) -> Entry | None:
        """Add one entry; None where `source` is in this timeline already. Raises Missing without the incident."""
        draft = Draft(at=at, kind=kind, actor=actor, body=body, slack_ts=slack_ts, source=source)
        return self.append_many(incident_id, (draft,))[0]

    def append_many(self, incident_id: str, drafts: Sequence[Draft]) -> tuple[Entry | None, ...]:
        """`append` in bulk, in this order; the result has one place per draft. Raises Missing."""
        head = found(
            self._scope.connection.execute(
                self._scope.locked(_HEAD), {"incident_id": incident_id}
            ).one_or_none(),
            f"incident {incident_id}",
        )
        seq, prev_hash = head.head_seq, head.head_hash
        known = self._known(incident_id, [d.source for d in drafts if d.source is not None])
        recorded_at = self._scope.clock().astimezone(UTC)
        entries: list[Entry | None] = []
        rows: list[dict[str, Any]] = []
        for draft in drafts:
            if draft.source is not None and draft.source in known:
                entries.append(None)
                continue
            known.add(draft.source)
            seq += 1
            entry, row = _sealed(incident_id, draft, seq=seq, prev_hash=prev_hash, recorded_at=recorded_at)
            prev_hash = entry.hash
            entries.append(entry)
            rows.append(row)
        if rows:
            self._scope.connection.execute(_INSERT, rows)
            ends = {"incident_id": incident_id, "head_seq": seq, "head_hash": prev_hash}
            self._scope.connection.execute(_SET_HEAD, ends)
        return tuple(entries)

    def entries(
        self,
        incident_id: str,
        *,
        after_seq: int = 0,
        kinds: Collection[Kind] | None = None,
        limit: int | None = None,
    ) -> tuple[Entry, ...]:
        """In the order of recording."""
        statement = select(_T).where(_OF, _T.c.seq > after_seq).order_by(_T.c.seq).limit(limit)
        if kinds is not None:
            statement = statement.where(_T.c.kind.in_([kind.value for kind in kinds]))
        rows = self._scope.connection.execute(statement, {"incident_id": incident_id})
        return tuple(_entry(row) for row in rows)

    def messages(self, incident_id: str, *, own: bool = True) -> tuple[Message, ...]:
        """The channel's messages as they ended up, by their own time; without `own`, those of people only."""
        entries = [e for e in self.entries(incident_id) if e.slack_ts is not None]
        if not own:
            ours = {e.slack_ts for e in entries if e.body.get("own")}
            entries = [e for e in entries if e.slack_ts not in ours]
        return timeline.messages(entries)

    def search(self, incident_id: str, text: str, limit: int) -> tuple[Entry, ...]:
        """Entries in which `text` occurs literally, whatever its case, oldest first."""
        statement = select(_T).where(_OF, _T.c.words.contains(codec.fold(text), autoescape=True))
        rows = self._scope.connection.execute(
            statement.order_by(_T.c.seq).limit(limit), {"incident_id": incident_id}
        )
        return tuple(_entry(row) for row in rows)

    def length(self, incident_id: str) -> int:
        """How many entries there are. Raises Missing."""
        return int(self._head(incident_id).head_seq)

    def verify(self, incident_id: str) -> Verification:
        """Walk the whole chain against what the incident's row remembers of its end. Raises Missing."""
        head = self._head(incident_id)
        return timeline.verify(self._stream(incident_id), head=head.head_hash, length=head.head_seq)

    def about(self, incident_id: str, slack_ts: Collection[str]) -> tuple[Entry, ...]:
        """Everything that was recorded of these messages, in the order of recording."""
        wanted = list(slack_ts)
        rows: list[Row[Any]] = []
        for start in range(0, len(wanted), _BATCH):
            chosen = _T.c.slack_ts.in_(wanted[start : start + _BATCH])
            rows += self._scope.connection.execute(
                select(_T).where(_OF, chosen), {"incident_id": incident_id}
            )
        return tuple(_entry(row) for row in sorted(rows, key=lambda row: int(row.seq)))

    def _head(self, incident_id: str) -> Any:
        row = self._scope.connection.execute(_HEAD, {"incident_id": incident_id}).one_or_none()
        return found(row, f"incident {incident_id}")

    def _known(self, incident_id: str, sources: list[str]) -> set[str | None]:
        known: set[str | None] = set()
        for start in range(0, len(sources), _BATCH):
            batch = sources[start : start + _BATCH]
            parameters = {"incident_id": incident_id, "sources": batch}
            known.update(self._scope.connection.execute(_KNOWN, parameters).scalars())
        return known

    def _stream(self, incident_id: str) -> Iterator[Entry]:
        after = 0
        statement = select(_T).where(_OF, _T.c.seq > bindparam("after")).order_by(_T.c.seq).limit(_PAGE)
        while rows := self._scope.connection.execute(
            statement, {"incident_id": incident_id, "after": after}
        ).all():
            yield from (_as_found(row) for row in rows)
            after = rows[-1].seq


def _sealed(
    incident_id: str, draft: Draft, *, seq: int, prev_hash: str, recorded_at: datetime
) -> tuple[Entry, dict[str, Any]]:
    """The entry, and its row. What is sealed is what will be read back: JSON, and times in UTC."""
    codec.microseconds(draft.at)
    text = codec.dumps(draft.body)
    body = codec.loads(text)
    content: dict[str, Any] = {
        "incident_id": incident_id,
        "seq": seq,
        "at": draft.at.astimezone(UTC),
        "recorded_at": recorded_at,
        "kind": draft.kind,
        "actor": draft.actor,
        "slack_ts": draft.slack_ts,
        "prev_hash": prev_hash,
    }
    entry = Entry(**content, body=body, hash=seal(**content, body=body))
    row = {
        **content,
        "kind": draft.kind.value,
        "body": text,
        "words": codec.words(body),
        "source": draft.source,
        "hash": entry.hash,
    }
    return entry, row


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        incident_id=row.incident_id,
        seq=row.seq,
        at=row.at,
        recorded_at=row.recorded_at,
        kind=Kind(row.kind),
        actor=row.actor,
        slack_ts=row.slack_ts,
        body=codec.loads(row.body),
        prev_hash=row.prev_hash,
        hash=row.hash,
    )


def _as_found(row: Row[Any]) -> Entry:
    """An entry whose row was made unreadable must not stop the verification: it does not fit its hash."""
    try:
        return _entry(row)
    except ValueError:
        return Entry(
            incident_id=row.incident_id,
            seq=row.seq,
            at=row.at,
            recorded_at=row.recorded_at,
            kind=Kind.EVENT,
            actor=str(row.actor),
            body={"unreadable": f"{row.kind} {row.body}"},
            prev_hash=row.prev_hash,
            hash=row.hash,
        )
