"""The timeline as people read it: one line per thing that happened, in the order in which it happened."""

from collections.abc import Sequence
from datetime import datetime

from bot.domain import events as e
from bot.domain.base import Value
from bot.domain.incident import Incident
from bot.domain.narrate import Weight, narrate, weight
from bot.domain.prose import Names, name, plain
from bot.domain.timeline import Entry, Kind, Message, messages

_AROUND = {Kind.JOINED: "joined the channel", Kind.LEFT: "left the channel"}


class Line(Value):
    """One line, all of it plain text. `short` lines belong in the short timeline too."""

    at: datetime
    seq: int
    kind: Kind
    who: str
    text: str
    short: bool


def events_of(entries: Sequence[Entry]) -> tuple[e.Event, ...]:
    """The incident's events, in the order of recording. Raises pydantic.ValidationError for an unknown one."""
    ordered = sorted(entries, key=lambda entry: entry.seq)
    return tuple(e.parse(entry.body) for entry in ordered if entry.kind is Kind.EVENT)


def lines(entries: Sequence[Entry], incident: Incident, names: Names) -> tuple[Line, ...]:
    """Everything: events in sentences, each message once as it ended up, who came and went.

    kaeru's own messages are left out: they only show what the events say, and were edited as things went on.
    The text of a deleted message is left out; the timeline export has it.
    """
    told = [_event(entry, incident, names) for entry in entries if entry.kind is Kind.EVENT]
    told += [_around(entry, names) for entry in entries if entry.kind in (*_AROUND, Kind.CHANNEL)]
    first_seq = _first_seqs(entries)
    notes = mark_notes(entries)
    shown = {entry.slack_ts for entry in entries if entry.body.get("own")}
    said = (m for m in messages(entries) if m.ts not in shown or m.marked)
    told += [_message(m, first_seq[m.ts], notes.get(m.ts, ()), names) for m in said]
    return tuple(sorted(told, key=lambda line: (line.at, line.seq)))


def mark_notes(entries: Sequence[Entry]) -> dict[str, tuple[str, ...]]:
    """What people said when they marked a message, by the message's `ts`."""
    found: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        note = str(entry.body.get("note") or "").strip() if entry.kind is Kind.MARK else ""
        if note and entry.slack_ts is not None:
            found[entry.slack_ts] = (*found.get(entry.slack_ts, ()), note)
    return found


def _first_seqs(entries: Sequence[Entry]) -> dict[str, int]:
    first: dict[str, int] = {}
    for entry in sorted(entries, key=lambda entry: entry.seq):
        if entry.slack_ts is not None:
            first.setdefault(entry.slack_ts, entry.seq)
    return first


def _event(entry: Entry, incident: Incident, names: Names) -> Line:
    event = e.parse(entry.body)
    return Line(
        at=entry.at,
        seq=entry.seq,
        kind=entry.kind,
        who=name(entry.actor, names),
        text=plain(narrate(event, incident), names),
        short=weight(event) is Weight.MILESTONE,
    )


def _around(entry: Entry, names: Names) -> Line:
    said = plain(str(entry.body.get("text") or ""), names)
    return Line(
        at=entry.at,
        seq=entry.seq,
        kind=entry.kind,
        who=name(entry.actor, names),
        text=_AROUND.get(entry.kind) or said or "changed the channel",
        short=False,
    )


def _message(message: Message, seq: int, notes: Sequence[str], names: Names) -> Line:
    remarks = ["deleted later"] if message.deleted else []
    edits = len(message.revisions)
    remarks += [f"edited {edits} times" if edits > 1 else "edited once"] if edits else []
    remarks += [f"file {file_name(file)}" for file in message.files]
    remarks += ["in a thread"] if message.thread_ts not in (None, message.ts) else []
    remarks += [f"marked: {plain(note, names)}" for note in notes] or (["marked"] if message.marked else [])
    text = "Message" if message.deleted else plain(message.text, names) or "Message without text"
    return Line(
        at=message.at,
        seq=seq,
        kind=Kind.MESSAGE,
        who=name(message.actor, names),
        text=f"{text} [{'; '.join(remarks)}]" if remarks else text,
        short=message.marked,
    )


def file_name(file: dict[str, object]) -> str:
    """What a file reference calls its file; its id where it has no name."""
    return str(file.get("name") or file.get("title") or file.get("id") or "without a name")
