"""The timeline's entries and the chain that makes tampering evident.

An entry is never changed or removed. An edit or a deletion of a Slack message is a further entry that
names the message (`slack_ts`) it revises. `seq` is the order of recording, `at` the time it happened
(Slack's own for messages); people read by `at`, the chain runs by `seq`.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from bot.domain.base import UserId, Value

GENESIS = "0" * 64


class Kind(StrEnum):
    EVENT = "event"
    MESSAGE = "message"
    EDIT = "edit"
    DELETION = "deletion"
    REACTION_ADDED = "reaction_added"
    REACTION_REMOVED = "reaction_removed"
    JOINED = "joined"
    LEFT = "left"
    CHANNEL = "channel"
    MARK = "mark"
    PROBE = "probe"


class Entry(Value):
    """One line of the timeline. `body` is the event's or the message's own data, JSON only.

    For messages `body` has `text`, `thread_ts?`, `files?` (references), `subtype?`; for an edit the new
    `text`; for reactions `name`; for a mark `note`; for a probe `round`, what each endpoint answered.
    """

    incident_id: str
    seq: int
    at: datetime
    recorded_at: datetime
    kind: Kind
    actor: UserId
    slack_ts: str | None = None
    body: dict[str, Any]
    prev_hash: str
    hash: str


def seal(
    *,
    incident_id: str,
    seq: int,
    at: datetime,
    recorded_at: datetime,
    kind: Kind,
    actor: UserId,
    slack_ts: str | None,
    body: dict[str, Any],
    prev_hash: str,
) -> str:
    """The hash of an entry: SHA-256 over its canonical JSON, the previous hash included."""
    content = [
        incident_id,
        seq,
        at.isoformat(timespec="microseconds"),
        recorded_at.isoformat(timespec="microseconds"),
        kind.value,
        actor,
        slack_ts,
        body,
        prev_hash,
    ]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Verification(Value):
    """`broken_at` is the first seq that does not fit; `reason` a sentence. Both empty when all is well."""

    count: int
    head: str
    broken_at: int | None = None
    reason: str = ""

    @property
    def intact(self) -> bool:
        return self.broken_at is None


def verify(entries: Iterable[Entry], *, head: str, length: int) -> Verification:
    """Walk the chain. `head` and `length` are what the incident's own row remembers of its end."""
    previous, count = GENESIS, 0
    for entry in entries:
        expected = seal(**entry.model_dump(exclude={"hash", "kind"}), kind=entry.kind)
        if entry.seq != count + 1:
            return _broken(count, previous, count + 1, f"entry {count + 1} is missing")
        if entry.prev_hash != previous:
            return _broken(
                count, previous, entry.seq, f"entry {entry.seq} does not follow from the one before"
            )
        if entry.hash != expected:
            return _broken(count, previous, entry.seq, f"entry {entry.seq} was changed after it was written")
        previous, count = entry.hash, entry.seq
    if count != length or previous != head:
        return _broken(
            count, previous, count + 1, f"the timeline ends at {count}, but {length} entries were written"
        )
    return Verification(count=count, head=previous)


def _broken(count: int, head: str, seq: int, reason: str) -> Verification:
    return Verification(count=count, head=head, broken_at=seq, reason=reason)


class Message(Value):
    """A Slack message as it ended up, with all its revisions, oldest first."""

    ts: str
    at: datetime
    actor: UserId
    text: str
    thread_ts: str | None = None
    files: tuple[dict[str, Any], ...] = ()
    revisions: tuple[str, ...] = ()
    deleted: bool = False
    marked: bool = False
    reactions: dict[str, tuple[UserId, ...]] = Field(default_factory=dict)


def messages(entries: Sequence[Entry]) -> tuple[Message, ...]:
    """Fold the Slack entries into messages ordered by their own time.

    Slack delivers in any order and more than once, so entries are folded in the order in which things happened,
    not in which they were recorded. Revisions of messages that were never seen are kept too.
    """
    found: dict[str, Message] = {}
    for entry in sorted(entries, key=lambda entry: (entry.at, entry.kind is not Kind.MESSAGE, entry.seq)):
        if entry.slack_ts is None or entry.kind in (Kind.EVENT, Kind.JOINED, Kind.LEFT, Kind.CHANNEL):
            continue
        known = found.get(entry.slack_ts)
        found[entry.slack_ts] = _begin(entry) if known is None else _revise(known, entry)
    return tuple(sorted(found.values(), key=lambda message: (message.at, message.ts)))


def _begin(entry: Entry) -> Message:
    """The first that is known of a message. Of one that was never seen itself, who wrote it may be unknown."""
    said = entry.kind in (Kind.MESSAGE, Kind.EDIT, Kind.DELETION)
    first = Message(
        ts=entry.slack_ts or "",
        at=entry.at,
        actor=entry.actor if said else "",
        text=str(entry.body.get("text", "")),
        thread_ts=entry.body.get("thread_ts"),
        files=tuple(entry.body.get("files", ())),
    )
    return first if entry.kind in (Kind.MESSAGE, Kind.EDIT) else _revise(first, entry)


def _revise(message: Message, entry: Entry) -> Message:
    match entry.kind:
        case Kind.EDIT:
            changes: dict[str, Any] = {
                "text": str(entry.body.get("text", "")),
                "revisions": (*message.revisions, message.text),
                "files": tuple(entry.body.get("files", message.files)),
            }
        case Kind.DELETION:
            changes = {"deleted": True}
        case Kind.MARK:
            changes = {"marked": True}
        case Kind.REACTION_ADDED | Kind.REACTION_REMOVED:
            name = str(entry.body.get("name", ""))
            people = [u for u in message.reactions.get(name, ()) if u != entry.actor]
            if entry.kind is Kind.REACTION_ADDED:
                people.append(entry.actor)
            changes = {"reactions": {**message.reactions, name: tuple(people)}}
        case Kind.MESSAGE:
            # A message that is seen again (a backfill) or after its own edit, which came first.
            changes = {"at": entry.at, "actor": entry.actor, "thread_ts": entry.body.get("thread_ts")}
        case _:
            changes = {}
    return message.model_copy(update=changes)


class Completeness(Value):
    """What the postmortem says of itself: how much of the channel was kept."""

    messages: int
    edits: int
    deletions: int
    events: int

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> "Completeness":
        def count(kind: Kind) -> int:
            return sum(entry.kind is kind for entry in entries)

        return cls(
            messages=count(Kind.MESSAGE),
            edits=count(Kind.EDIT),
            deletions=count(Kind.DELETION),
            events=count(Kind.EVENT),
        )
