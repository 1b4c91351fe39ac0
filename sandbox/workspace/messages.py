"""Messages: post, edit, delete, react, and the ways to read them back."""

import re
from bisect import bisect_left, bisect_right

from sandbox.workspace.errors import SlackError
from sandbox.workspace.model import Change, Channel, Json
from sandbox.workspace.state import Workspace

MENTION = re.compile(r"<@([A-Z0-9]+)(?:\|[^>]*)?>")


def post(
    state: Workspace, channel: Channel, body: Json, *, thread_ts: str | None = None, broadcast: bool = False
) -> Json:
    """Stores `body` (Slack's message fields, without ts) as a new message and tells everybody."""
    message: Json = {"type": "message", "team": state.team_id, **body, "ts": state.next_ts()}
    ts: str = message["ts"]
    parent = None
    if thread_ts is not None:
        parent = find(channel, thread_ts)
        if parent is None:
            raise SlackError("thread_not_found")
        thread_ts = str(parent.get("thread_ts", parent["ts"]))
        parent = channel.messages[thread_ts]
        message["thread_ts"] = thread_ts
        if "user" in parent:
            message["parent_user_id"] = parent["user"]
        if broadcast:
            message["subtype"] = "thread_broadcast"
            message["root"] = parent
    channel.messages[ts] = message
    if parent is None or broadcast:
        channel.order.append(ts)
    for user in set(MENTION.findall(message.get("text", ""))):
        channel.mentions.setdefault(user, []).append(ts)
    author = message.get("user", "")
    if author in channel.members and parent is None:
        channel.last_read[author] = ts
    if parent is not None:
        channel.threads.setdefault(str(parent["ts"]), []).append(ts)
        refresh_parent(state, channel, str(parent["ts"]))
    state.emit(Change("message", channel, author, ts, message))
    return message


def flood(state: Workspace, channel: Channel, user: str, count: int, text: str) -> list[str]:
    """`count` messages at once, `{n}` in `text` numbered: for benches. Their ts."""
    bodies = ({"user": user, "text": text.replace("{n}", str(n))} for n in range(count))
    return [str(post(state, channel, body)["ts"]) for body in bodies]


def find(channel: Channel, ts: str) -> Json | None:
    return channel.messages.get(ts)


def get(channel: Channel, ts: str) -> Json:
    message = channel.messages.get(ts)
    if message is None:
        raise SlackError("message_not_found")
    return message


def refresh_parent(state: Workspace, channel: Channel, parent_ts: str) -> None:
    """Recounts a thread after a reply came or went. Slack sends the bot no event for this; people see it."""
    parent = channel.messages[parent_ts]
    replies = channel.threads.get(parent_ts, [])
    counted = {key: value for key, value in parent.items() if key not in THREAD_FIELDS}
    if replies:
        last = channel.messages[replies[-1]]
        counted |= {
            "thread_ts": parent_ts,
            "reply_count": len(replies),
            "latest_reply": replies[-1],
            "reply_users": add_to(parent.get("reply_users", []), last.get("user") or last.get("bot_id", "")),
            "is_locked": False,
            "subscribed": False,
        }
        counted["reply_users_count"] = len(counted["reply_users"])
    channel.messages[parent_ts] = counted
    state.emit(Change("thread_changed", channel, ts=parent_ts, message=counted, previous=parent))


THREAD_FIELDS = frozenset(
    {
        "thread_ts",
        "reply_count",
        "latest_reply",
        "reply_users",
        "reply_users_count",
        "is_locked",
        "subscribed",
    }
)


def add_to(users: list[str], user: str) -> list[str]:
    return users if user in users else [*users, user]


def edit(state: Workspace, channel: Channel, ts: str, fields: Json, *, editor: str | None) -> Json:
    """Replaces `fields` (a None removes one). `editor` is named in `edited`; None leaves no such mark (unfurls, ...)."""
    previous = get(channel, ts)
    message = {key: value for key, value in (previous | fields).items() if value is not None}
    if editor is not None:
        message["edited"] = {"user": editor, "ts": state.next_ts()}
    channel.messages[ts] = message
    state.emit(Change("message_changed", channel, editor or "", ts, message, previous))
    return message


def delete(state: Workspace, channel: Channel, ts: str) -> None:
    """Takes a message away. A parent with replies leaves a tombstone, and the bot hears message_changed, as in Slack."""
    previous = get(channel, ts)
    if channel.threads.get(ts):
        kept = {key: value for key, value in previous.items() if key in THREAD_FIELDS}
        tombstone: Json = {
            "type": "message", "subtype": "tombstone", "text": "This message was deleted.", "user": "USLACKBOT",
            "hidden": True, "ts": ts, **kept,
        }  # fmt: skip
        channel.messages[ts] = tombstone
        state.emit(Change("message_changed", channel, previous.get("user", ""), ts, tombstone, previous))
        return
    del channel.messages[ts]
    drop(channel.order, ts)
    for user in set(MENTION.findall(previous.get("text", ""))):
        drop(channel.mentions.get(user, []), ts)
    parent_ts = previous.get("thread_ts")
    if parent_ts and parent_ts != ts:
        drop(channel.threads.get(parent_ts, []), ts)
        refresh_parent(state, channel, parent_ts)
    state.emit(Change("message_deleted", channel, previous.get("user", ""), ts, previous=previous))


def drop(ordered: list[str], ts: str) -> None:
    at = bisect_left(ordered, ts)
    if at < len(ordered) and ordered[at] == ts:
        del ordered[at]


def react(state: Workspace, channel: Channel, ts: str, name: str, user: str) -> None:
    """Raises already_reacted."""
    message = get(channel, ts)
    reactions: list[Json] = list(message.get("reactions", []))
    at = next((index for index, reaction in enumerate(reactions) if reaction["name"] == name), None)
    if at is None:
        reactions.append({"name": name, "users": [user], "count": 1})
    else:
        users = reactions[at]["users"]
        if user in users:
            raise SlackError("already_reacted")
        reactions[at] = {"name": name, "users": [*users, user], "count": len(users) + 1}
    set_reactions(
        state, channel, ts, reactions, Change("reaction_added", channel, user, ts, detail={"name": name})
    )


def unreact(state: Workspace, channel: Channel, ts: str, name: str, user: str) -> None:
    """Raises no_reaction."""
    reactions: list[Json] = list(get(channel, ts).get("reactions", []))
    at = next(
        (index for index, one in enumerate(reactions) if one["name"] == name and user in one["users"]), None
    )
    if at is None:
        raise SlackError("no_reaction")
    left = [member for member in reactions[at]["users"] if member != user]
    if left:
        reactions[at] = {"name": name, "users": left, "count": len(left)}
    else:
        del reactions[at]
    set_reactions(
        state, channel, ts, reactions, Change("reaction_removed", channel, user, ts, detail={"name": name})
    )


def set_reactions(state: Workspace, channel: Channel, ts: str, reactions: list[Json], change: Change) -> None:
    message = {key: value for key, value in channel.messages[ts].items() if key != "reactions"}
    if reactions:
        message["reactions"] = reactions
    channel.messages[ts] = message
    state.emit(Change(change.kind, channel, change.user, ts, message, detail=change.detail))


def post_ephemeral(state: Workspace, channel: Channel, user: str, body: Json) -> Json:
    """Only `user` sees it, and only until the workspace forgets it: it is in no history."""
    message: Json = {"type": "message", **body, "ts": state.next_ts(), "is_ephemeral": True}
    channel.ephemerals.setdefault(user, {})[message["ts"]] = message
    state.emit(Change("ephemeral", channel, user, message["ts"], message))
    return message


def edit_ephemeral(state: Workspace, channel: Channel, user: str, ts: str, fields: Json) -> None:
    known = channel.ephemerals.get(user, {})
    if ts not in known:
        raise SlackError("message_not_found")
    known[ts] = {key: value for key, value in (known[ts] | fields).items() if value is not None}
    state.emit(Change("ephemeral_changed", channel, user, ts, known[ts]))


def delete_ephemeral(state: Workspace, channel: Channel, user: str, ts: str) -> None:
    if channel.ephemerals.get(user, {}).pop(ts, None) is None:
        raise SlackError("message_not_found")
    state.emit(Change("ephemeral_deleted", channel, user, ts))


def window(ordered: list[str], oldest: str, latest: str | None, *, inclusive: bool) -> range:
    """The positions in `ordered` between two stamps."""
    low = bisect_left(ordered, oldest) if inclusive else bisect_right(ordered, oldest)
    if latest is None:
        return range(low, len(ordered))
    return range(low, max(low, bisect_right(ordered, latest) if inclusive else bisect_left(ordered, latest)))


def unread(channel: Channel, user: str) -> tuple[int, int]:
    """How many messages, and how many mentions of them, came after what `user` has read."""
    since = channel.last_read.get(user, "")
    mentions = channel.mentions.get(user, [])
    return len(channel.order) - bisect_right(channel.order, since), len(mentions) - bisect_right(
        mentions, since
    )
