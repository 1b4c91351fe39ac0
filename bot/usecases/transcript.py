"""From Slack's events to what the timeline keeps of them. Pure: the same event always gives the same entry.

Every entry's `source` is made of what Slack itself names (a message's `ts`, an edit's time and content), never
of the delivery, so that a redelivered event and the same message found in the history are one and the same.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.domain.base import BOT, UserId
from bot.domain.timeline import Kind
from bot.store import Draft

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Slack tells these twice; the event of its own (member_joined_channel, channel_archive, …) is the one kept.
_TOLD_OTHERWISE = frozenset(
    {
        "channel_join",
        "channel_leave",
        "group_join",
        "group_leave",
        "channel_archive",
        "channel_unarchive",
        "group_archive",
        "group_unarchive",
        "message_replied",
    }
)
# A renaming is told twice as well; here the message is kept: it says who did it, and the old name.
_ABOUT_CHANNEL = {
    "channel_topic": "topic",
    "channel_purpose": "purpose",
    "channel_name": "name",
    "group_topic": "topic",
    "group_purpose": "purpose",
    "group_name": "name",
}
_CHANNEL_EVENTS = {
    "channel_archive": "archive",
    "channel_unarchive": "unarchive",
    "group_archive": "archive",
    "group_unarchive": "unarchive",
}
_MEMBERSHIP = {"member_joined_channel": Kind.JOINED, "member_left_channel": Kind.LEFT}
_REACTIONS = {"reaction_added": Kind.REACTION_ADDED, "reaction_removed": Kind.REACTION_REMOVED}
_FILE_FIELDS = ("id", "name", "mimetype", "size", "permalink")

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Heard:
    """An entry to be, and the channel that it was heard in."""

    channel: str
    draft: Draft


def entry_of(payload: Json, *, own: Collection[str] = ()) -> Heard | None:
    """What an Events API payload (`{"event": …, "event_id": …}`) adds to its channel's timeline, or None.

    `own` are the ids that stand for the bot (user, bot or app); those in the payload's envelope are added.
    Raises KeyError, TypeError or ValueError for a payload that is not Slack's shape.
    """
    event: Json = payload["event"]
    kind = event["type"]
    own = ids_of_bot(payload) | set(own)
    if kind == "message":
        return _of_message(event, own)
    if kind in _REACTIONS:
        return _reaction(event, own)
    if kind in _MEMBERSHIP:
        what = "joined" if kind == "member_joined_channel" else "left"
        draft = Draft(
            at=time_of(event["event_ts"]),
            kind=_MEMBERSHIP[kind],
            actor=_who(event, own),
            body={"inviter": event["inviter"]} if event.get("inviter") else {},
            source=f"{what}:{event['user']}:{event['event_ts']}",
        )
        return Heard(event["channel"], draft)
    if kind in _CHANNEL_EVENTS:
        what = _CHANNEL_EVENTS[kind]
        draft = Draft(
            at=time_of(event["event_ts"]),
            kind=Kind.CHANNEL,
            actor=_who(event, own),
            body={"what": what},
            source=f"channel:{what}:{event['event_ts']}",
        )
        return Heard(event["channel"], draft)
    return None


def ids_of_bot(payload: Json) -> set[str]:
    """The bot's ids that an envelope names: the app it was sent to, and the bot user it was sent on behalf of."""
    authorizations = payload.get("authorizations") or ()
    ids = {str(a["user_id"]) for a in authorizations if a.get("is_bot") and a.get("user_id")}
    return ids | {str(payload["api_app_id"])} if payload.get("api_app_id") else ids


def message_of(message: Json, *, own: Collection[str]) -> Draft | None:
    """What a message says by itself, be it from an event or from the history. None for what is told otherwise."""
    subtype = message.get("subtype")
    ts = str(message["ts"])
    if subtype in _TOLD_OTHERWISE or subtype == "tombstone":
        return None
    if subtype in _ABOUT_CHANNEL:
        what = _ABOUT_CHANNEL[subtype]
        body = {"what": what, "text": _text(message), "value": message.get(what, "")}
        if message.get("old_name"):
            body["old_name"] = message["old_name"]
        return Draft(
            at=time_of(ts),
            kind=Kind.CHANNEL,
            actor=_who(message, own),
            slack_ts=ts,
            body=body,
            source=f"channel:{what}:{ts}",
        )
    return Draft(
        at=time_of(ts),
        kind=Kind.MESSAGE,
        actor=_who(message, own),
        slack_ts=ts,
        body=_content(message, own),
        source=f"message:{ts}",
    )


def edit_of(message: Json, *, own: Collection[str], event_ts: str | None = None) -> Draft:
    """The edit that left `message` as it is. Without the event's own time it is dated as the message says.

    Slack dates edits to the second, so the content is part of what tells two edits apart.
    """
    edited: Json = message.get("edited") or {}
    ts = str(message["ts"])
    edited_ts = str(edited.get("ts") or event_ts or ts)
    content = json.dumps([_text(message), _files(message)], sort_keys=True)
    digest = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    editor = edited.get("user")
    return Draft(
        at=time_of(event_ts) if event_ts else max(time_of(edited_ts), time_of(ts)),
        kind=Kind.EDIT,
        actor=BOT if editor in own or _is_own(message, own) else str(editor or _author(message)),
        slack_ts=ts,
        body=_content(message, own),
        source=f"edit:{ts}:{edited_ts}:{digest}",
    )


def time_of(ts: str) -> datetime:
    """A Slack time (`1717.000200`, seconds and microseconds) as UTC, exactly. Raises ValueError."""
    seconds, _, fraction = ts.partition(".")
    return _EPOCH + timedelta(seconds=int(seconds), microseconds=int(f"{fraction:0<6}"[:6]))


def _of_message(event: Json, own: Collection[str]) -> Heard | None:
    channel = str(event["channel"])
    subtype = event.get("subtype")
    if subtype == "message_deleted":
        return Heard(channel, _deletion(event["deleted_ts"], event, own))
    if subtype == "message_changed":
        message, previous = event["message"], event.get("previous_message") or {}
        if message.get("subtype") == "tombstone":
            # A thread's first message leaves a stone behind where it was deleted.
            return Heard(channel, _deletion(message["ts"], event, own))
        if previous and _said(message) == _said(previous):
            # A preview of a link, a reply below it: what was said is as it was.
            return None
        return Heard(channel, edit_of(message, own=own, event_ts=str(event["event_ts"])))
    draft = message_of(event, own=own)
    return None if draft is None else Heard(channel, draft)


def _deletion(ts: str, event: Json, own: Collection[str]) -> Draft:
    """Slack does not say who deleted it; the actor is the author."""
    previous: Json = event.get("previous_message") or {}
    return Draft(
        at=time_of(str(event["event_ts"])),
        kind=Kind.DELETION,
        actor=_who(previous, own),
        slack_ts=ts,
        body=_content(previous, own),
        source=f"deletion:{ts}",
    )


def _reaction(event: Json, own: Collection[str]) -> Heard | None:
    item: Json = event["item"]
    if item["type"] != "message":
        return None
    kind, ts, name = event["type"], str(item["ts"]), str(event["reaction"])
    draft = Draft(
        at=time_of(str(event["event_ts"])),
        kind=_REACTIONS[kind],
        actor=_who(event, own),
        slack_ts=ts,
        body={"name": name},
        source=f"{kind}:{ts}:{event['user']}:{name}:{event['event_ts']}",
    )
    return Heard(str(item["channel"]), draft)


def _content(message: Json, own: Collection[str]) -> dict[str, Any]:
    """What is kept of a message. `own` marks the bot's: they only show what the timeline holds already."""
    body: dict[str, Any] = {"text": _text(message)}
    for name in ("thread_ts", "subtype", "bot_id"):
        if message.get(name):
            body[name] = str(message[name])
    if files := _files(message):
        body["files"] = files
    if _is_own(message, own):
        body["own"] = True
    return body


def _said(message: Json) -> tuple[str, list[dict[str, Any]]]:
    return _text(message), _files(message)


def _text(message: Json) -> str:
    return str(message.get("text") or "")


def _files(message: Json) -> list[dict[str, Any]]:
    """References only: who reads the timeline needs Slack's permission to see the file."""
    return [
        {name: file[name] for name in _FILE_FIELDS if name in file} for file in message.get("files") or ()
    ]


def _who(message: Json, own: Collection[str]) -> UserId:
    return BOT if _is_own(message, own) else _author(message)


def _author(message: Json) -> UserId:
    return str(message.get("user") or message.get("bot_id") or message.get("username") or "unknown")


def _is_own(message: Json, own: Collection[str]) -> bool:
    return any(message.get(name) in own for name in ("user", "bot_id", "app_id") if message.get(name))
