"""The whole timeline as a file: JSON that anybody can verify, Markdown that anybody can read.

The JSON's shape and how to verify it stand in docs/timeline-format.md; `FORMAT` changes when it changes.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

from bot.domain import events as e
from bot.domain.chronicle import file_name, mark_notes
from bot.domain.incident import Incident
from bot.domain.narrate import narrate
from bot.domain.prose import Names, name, plain
from bot.domain.timeline import GENESIS, Entry, Kind, Message, Verification, messages
from bot.views.markdown import block, inline

FORMAT = "kaeru-timeline/1"
_AROUND = {
    Kind.JOINED: "joined the channel",
    Kind.LEFT: "left the channel",
    Kind.CHANNEL: "changed the channel",
}


def timeline_json(
    incident: Incident, entries: Sequence[Entry], *, verification: Verification, names: Names, now: datetime
) -> str:
    """The sealed entries as they were hashed, and the same story in the order in which it happened."""
    chain = sorted(entries, key=lambda entry: entry.seq)
    whole = {
        "format": FORMAT,
        "incident_id": incident.id,
        "service": incident.service,
        "exported_at": _iso(now),
        "length": len(chain),
        "head": chain[-1].hash if chain else GENESIS,
        "verified": verification.intact,
        "problem": verification.reason,
        "names": {user: names[user] for user in sorted(names)},
        "entries": [_sealed(entry) for entry in chain],
        "timeline": _story(chain, incident, names),
    }
    text = json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace").decode()  # a lone surrogate becomes its JSON escape


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")


def _sealed(entry: Entry) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "at": _iso(entry.at),
        "recorded_at": _iso(entry.recorded_at),
        "kind": entry.kind.value,
        "actor": entry.actor,
        "slack_ts": entry.slack_ts,
        "body": entry.body,
        "prev_hash": entry.prev_hash,
        "hash": entry.hash,
    }


def _story(chain: Sequence[Entry], incident: Incident, names: Names) -> list[dict[str, Any]]:
    seqs: dict[str, list[int]] = {}
    for entry in chain:
        if entry.slack_ts is not None and entry.kind not in _AROUND:
            seqs.setdefault(entry.slack_ts, []).append(entry.seq)
    told = [_told(entry, incident, names) for entry in chain if entry.kind in (Kind.EVENT, *_AROUND)]
    notes = mark_notes(chain)
    told += [
        _said(message, notes.get(message.ts, ()), seqs[message.ts], names) for message in messages(chain)
    ]
    return sorted(told, key=lambda item: (datetime.fromisoformat(item["at"]), item["seqs"]))


def _said(message: Message, notes: Sequence[str], seqs: Sequence[int], names: Names) -> dict[str, Any]:
    return {
        "kind": "message",
        "at": _iso(message.at),
        "who": name(message.actor, names),
        "text": plain(message.text, names),
        "slack_ts": message.ts,
        "thread_ts": message.thread_ts,
        "revisions": [plain(text, names) for text in message.revisions],
        "deleted": message.deleted,
        "marked": message.marked,
        "notes": list(notes),
        "reactions": {
            emoji: [name(user, names) for user in users]
            for emoji, users in message.reactions.items()
            if users
        },
        "files": list(message.files),
        "seqs": list(seqs),
    }


def _told(entry: Entry, incident: Incident, names: Names) -> dict[str, Any]:
    kind: str = entry.kind.value
    if entry.kind is Kind.EVENT:
        event = e.parse(entry.body)
        text, kind = plain(narrate(event, incident), names), event.type
    else:
        text = plain(str(entry.body.get("text") or ""), names) or _AROUND[entry.kind]
    return {
        "kind": kind,
        "at": _iso(entry.at),
        "who": name(entry.actor, names),
        "text": text,
        "seqs": [entry.seq],
    }


def timeline_markdown(
    incident: Incident, entries: Sequence[Entry], *, verification: Verification, names: Names, zone: tzinfo
) -> str:
    """Everything in the order in which it happened, each line with date and zone, revisions and all."""
    chain = sorted(entries, key=lambda entry: entry.seq)
    edited_at = _edit_times(chain)
    notes = mark_notes(chain)
    state = (
        f"verified, its head is {verification.head}"
        if verification.intact
        else f"broken: {verification.reason}"
    )
    told = [
        (entry.at, entry.seq, _event_line(entry, incident, names, zone))
        for entry in chain
        if entry.kind in (Kind.EVENT, *_AROUND)
    ]
    first = {entry.slack_ts: entry.seq for entry in reversed(chain) if entry.slack_ts is not None}
    told += [
        (m.at, first[m.ts], _message_lines(m, edited_at.get(m.ts, ()), notes.get(m.ts, ()), names, zone))
        for m in messages(chain)
    ]
    body = "\n".join(text for _, _, text in sorted(told, key=lambda line: line[:2]))
    head = f"# Timeline of {inline(incident.id)}: {inline(incident.service)}"
    return f"{head}\n\n{len(chain)} entries; the chain is {inline(state)}.\n\n{body}\n"


def _edit_times(chain: Sequence[Entry]) -> dict[str, tuple[datetime, ...]]:
    found: dict[str, tuple[datetime, ...]] = {}
    for entry in chain:
        if entry.kind is Kind.EDIT and entry.slack_ts is not None:
            found[entry.slack_ts] = (*found.get(entry.slack_ts, ()), entry.at)
    return found


def _stamp(at: datetime, zone: tzinfo) -> str:
    local = at.astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M:%S} {local.tzname() or ''}".rstrip()


def _event_line(entry: Entry, incident: Incident, names: Names, zone: tzinfo) -> str:
    told = _told(entry, incident, names)
    return f"- **{_stamp(entry.at, zone)}** · {inline(told['who'])} · {inline(told['text'], 10_000)}"


def _message_lines(
    message: Message, edited_at: Sequence[datetime], notes: Sequence[str], names: Names, zone: tzinfo
) -> str:
    """The message, and beneath it what became of it and what hangs on it."""
    reply = message.thread_ts is not None and message.thread_ts != message.ts
    where = f" · reply in the thread of {_thread(message.thread_ts, zone)}" if reply else ""
    head = f"- **{_stamp(message.at, zone)}** · {inline(name(message.actor, names))}{where}"
    lines = [head, "", _indented(block(plain(message.text, names) or "(no text)")), ""]
    for number, text in enumerate(message.revisions):
        until = _stamp(edited_at[number], zone) if number < len(edited_at) else "an unknown time"
        lines.append(f"  - until {until} it said: {inline(plain(text, names), 10_000)}")
    if message.deleted:
        lines.append("  - deleted later")
    lines += [f"  - file: {inline(file_name(file))}" for file in message.files]
    for emoji, users in message.reactions.items():
        if users:
            who = ", ".join(name(user, names) for user in users)
            lines.append(f"  - :{inline(emoji)}: by {inline(who)}")
    lines += [f"  - marked: {inline(plain(note, names))}" for note in notes]
    if message.marked and not notes:
        lines.append("  - marked")
    return "\n".join(lines if lines[-1] else lines[:-1])


def _thread(ts: str | None, zone: tzinfo) -> str:
    """A thread by the time of its first message; Slack's `ts` is seconds since 1970."""
    try:
        return _stamp(datetime.fromtimestamp(float(ts or ""), UTC), zone)
    except (ValueError, OverflowError, OSError):
        return inline(ts)  # not a time: shown as it came


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" if line else "" for line in text.split("\n"))
