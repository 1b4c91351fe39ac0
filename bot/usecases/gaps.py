"""What happened in a channel while nobody listened, apart from new words: deletions, reactions, joins.

Slack's history shows the channel as it is, not what was done to it. What can be told from the difference is
told, dated with the moment of finding it where Slack keeps no time, and marked `found: in the history`.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.domain.base import BOT, UserId
from bot.domain.timeline import Entry, Kind, Message, messages
from bot.ports.chat import HistoryMessage
from bot.store import Draft
from bot.usecases.transcript import time_of

FOUND = {"found": "in the history"}
_SAME_JOIN = timedelta(seconds=30)
_JOINS = ("channel_join", "group_join")


def gaps(
    history: Sequence[HistoryMessage], entries: Sequence[Entry], *, own: Collection[str], now: datetime
) -> list[Draft]:
    """Entries that the timeline lacks, given all of its entries and a stretch of the channel's history.

    Only the stretch itself is compared: what is older or newer than it says nothing.
    """
    if not history:
        return []
    present = {message.ts: message.raw for message in history}
    known = messages([entry for entry in entries if entry.slack_ts is not None])
    return [
        *_deletions(present, known, now),
        *_reactions(present, known, own, now),
        *_joins(history, entries, own),
    ]


def _deletions(present: dict[str, Any], known: Sequence[Message], now: datetime) -> Iterator[Draft]:
    oldest, newest = min(present), max(present)
    for message in known:
        stone = present.get(message.ts, {}).get("subtype") == "tombstone"
        # Replies are read thread by thread; one that is not there may belong to a thread that was not read.
        reply = message.thread_ts is not None and message.thread_ts != message.ts
        gone = message.ts not in present and oldest <= message.ts <= newest and not reply
        if (stone or gone) and not message.deleted and message.actor:
            yield Draft(
                at=now,
                kind=Kind.DELETION,
                actor=message.actor,
                slack_ts=message.ts,
                body={"text": message.text, **FOUND},
                source=f"deletion:{message.ts}",
            )


def _reactions(
    present: dict[str, Any], known: Sequence[Message], own: Collection[str], now: datetime
) -> Iterator[Draft]:
    for message in known:
        raw = present.get(message.ts)
        if raw is None:
            continue
        is_there = {
            (str(reaction["name"]), BOT if user in own else str(user))
            for reaction in raw.get("reactions", ())
            for user in reaction.get("users", ())
        }
        was_there = {(name, user) for name, users in message.reactions.items() for user in users}
        for kind, changed in (
            (Kind.REACTION_ADDED, is_there - was_there),
            (Kind.REACTION_REMOVED, was_there - is_there),
        ):
            yield from (_reaction(kind, message.ts, name, user, now) for name, user in sorted(changed))


def _reaction(kind: Kind, ts: str, name: str, user: UserId, now: datetime) -> Draft:
    return Draft(
        at=now,
        kind=kind,
        actor=user,
        slack_ts=ts,
        body={"name": name, **FOUND},
        source=f"{kind}:{ts}:{user}:{name}:{now.isoformat()}",
    )


def _joins(
    history: Sequence[HistoryMessage], entries: Sequence[Entry], own: Collection[str]
) -> Iterator[Draft]:
    known = [(entry.actor, entry.at) for entry in entries if entry.kind is Kind.JOINED]
    for message in history:
        if message.raw.get("subtype") not in _JOINS or not message.raw.get("user"):
            continue
        user = BOT if message.raw["user"] in own else str(message.raw["user"])
        at = time_of(message.ts)
        if any(who == user and abs(at - when) < _SAME_JOIN for who, when in known):
            continue
        inviter = {"inviter": str(message.raw["inviter"])} if message.raw.get("inviter") else {}
        yield Draft(
            at=at,
            kind=Kind.JOINED,
            actor=user,
            body={**inviter, **FOUND},
            source=f"joined:{message.raw['user']}:{message.ts}",
        )
