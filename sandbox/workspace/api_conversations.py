"""conversations.*: the channel itself and what was said in it."""

from collections.abc import Callable

from sandbox.workspace import messages, rooms
from sandbox.workspace.errors import SlackError
from sandbox.workspace.limits import TIER_2, TIER_3, Tier
from sandbox.workspace.methods import Call, Method, encode_cursor
from sandbox.workspace.model import Channel, Json

FAMILIES = {"public_channel": "channels", "private_channel": "groups", "mpim": "mpim", "im": "im"}


def manage_scope(channel: Channel) -> str:
    return {"channels": "channels:manage", "groups": "groups:write", "im": "im:write"}[channel.family]


def shown(call: Call, channel: Channel) -> Json:
    state = call.context.state
    return channel.shape(state.bot_user, state.team_id)


def create(call: Call) -> Json:
    private = call.flag("is_private")
    call.need("groups:write" if private else "channels:manage")
    state = call.context.state
    name = call.text("name").removeprefix("#")
    return {"channel": shown(call, rooms.create(state, name, state.bot_user, is_private=private))}


def listed(call: Call, among: list[Channel]) -> Json:
    """The channels of the asked types, paged. Each type needs its read scope."""
    kinds = call.names("types") or ["public_channel"]
    unknown = [kind for kind in kinds if kind not in FAMILIES]
    if unknown:
        raise SlackError("invalid_types")
    call.need(*(f"{FAMILIES[kind]}:read" for kind in kinds))
    wanted = {FAMILIES[kind] for kind in kinds}
    bot = call.context.state.bot_user
    found = [
        channel
        for channel in among
        if channel.family in wanted
        and (channel.family == "channels" or bot in channel.members)
        and not (channel.is_archived and call.flag("exclude_archived"))
    ]
    page, cursor = call.page(found, 100)
    shapes = [{**shown(call, channel), "num_members": len(channel.members)} for channel in page]
    return {"channels": shapes, "response_metadata": {"next_cursor": cursor}}


def list_all(call: Call) -> Json:
    return listed(call, list(call.context.state.channels.values()))


def list_of_user(call: Call) -> Json:
    state = call.context.state
    user = call.text("user") or state.bot_user
    state.user(user)
    return listed(call, state.channels_of(user))


def info(call: Call) -> Json:
    channel = call.channel()
    call.need(f"{channel.family}:read")
    shape = shown(call, channel)
    bot = call.context.state.bot_user
    if bot in channel.members:
        shape["last_read"] = channel.last_read.get(bot, "0000000000.000000")
    if call.flag("include_num_members"):
        shape["num_members"] = len(channel.members)
    return {"channel": shape}


def told(call: Call, message: Json) -> Json:
    """A message as the history gives it."""
    if call.flag("include_all_metadata"):
        return message
    return {key: value for key, value in message.items() if key != "metadata"}


def limits(call: Call, default: int) -> int:
    limit = call.number("limit", default)
    if not 1 <= limit <= 1000:
        raise SlackError("invalid_limit")
    return limit


def history(call: Call) -> Json:
    channel = call.channel(member=True)
    call.need(f"{channel.family}:history")
    oldest = call.stamp("oldest", "invalid_ts_oldest") or ""
    latest = call.stamp("latest", "invalid_ts_latest")
    span = messages.window(channel.order, oldest, latest, inclusive=call.flag("inclusive"))
    until = call.cursor_stamp()
    if until:
        before = messages.window(channel.order, "", until, inclusive=False).stop
        span = range(span.start, max(span.start, min(span.stop, before)))
    first = max(span.start, span.stop - limits(call, 100))
    page = [told(call, channel.messages[channel.order[at]]) for at in range(span.stop - 1, first - 1, -1)]
    answer: Json = {"messages": page, "has_more": first > span.start, "pin_count": 0}
    if first > span.start:
        answer["response_metadata"] = {"next_cursor": encode_cursor(channel.order[first])}
    return answer


def replies(call: Call) -> Json:
    channel = call.channel(member=True)
    call.need(f"{channel.family}:history")
    ts = call.stamp("ts", "invalid_ts") or ""
    message = messages.find(channel, ts)
    if message is None:
        raise SlackError("thread_not_found")
    if message.get("thread_ts", ts) != ts:
        return {"messages": [told(call, message)], "has_more": False}
    ordered = channel.threads.get(ts, [])
    oldest = call.stamp("oldest", "invalid_ts_oldest") or ""
    latest = call.stamp("latest", "invalid_ts_latest")
    span = messages.window(ordered, oldest, latest, inclusive=call.flag("inclusive"))
    after = call.cursor_stamp()
    if after:
        start = messages.window(ordered, after, None, inclusive=False).start
        span = range(min(span.stop, max(span.start, start)), span.stop)
    # The parent comes first on the first page and counts towards the limit.
    room = limits(call, 1000) - (0 if after else 1)
    last = min(span.stop, span.start + max(room, 0))
    page = [told(call, channel.messages[ordered[at]]) for at in range(span.start, last)]
    if not after:
        page.insert(0, told(call, message))
    answer: Json = {"messages": page, "has_more": last < span.stop}
    if last < span.stop:
        answer["response_metadata"] = {"next_cursor": encode_cursor(str(page[-1]["ts"]))}
    return answer


def managed(call: Call) -> Channel:
    """A channel that the bot is in and may change."""
    channel = call.channel(member=True)
    call.need(manage_scope(channel))
    if channel.is_im:
        raise SlackError("method_not_supported_for_channel_type")
    if channel.is_archived:
        raise SlackError("is_archived")
    return channel


def setter(what: str) -> Callable[[Call], Json]:
    def set_about(call: Call) -> Json:
        channel = managed(call)
        state = call.context.state
        rooms.set_about(state, channel, what, call.text(what), state.bot_user)
        return {"channel": shown(call, channel), what: call.text(what)}

    return set_about


def rename(call: Call) -> Json:
    channel = managed(call)
    state = call.context.state
    if channel.creator != state.bot_user:
        raise SlackError("not_authorized")
    rooms.rename(state, channel, call.text("name"), state.bot_user)
    return {"channel": shown(call, channel)}


def archive(call: Call) -> Json:
    channel = call.channel()
    call.need(manage_scope(channel))
    state = call.context.state
    if state.bot_user not in channel.members and not channel.is_archived:
        raise SlackError("not_in_channel")
    rooms.set_archived(state, channel, state.bot_user, archived=True)
    return {}


def unarchive(call: Call) -> Json:
    channel = call.channel()
    call.need(manage_scope(channel))
    state = call.context.state
    rooms.set_archived(state, channel, state.bot_user, archived=False)
    return {}


def mark(call: Call) -> Json:
    channel = call.channel(member=True)
    call.need(manage_scope(channel))
    state = call.context.state
    ts = call.stamp("ts", "invalid_timestamp")
    if ts is None:
        raise SlackError("invalid_timestamp")
    state.mark_read(channel, state.bot_user, ts)
    return {}


def method(name: str, handler: Callable[[Call], Json], tier: Tier) -> Method:
    return Method(f"conversations.{name}", handler, tier)


METHODS = (
    method("create", create, TIER_2),
    method("list", list_all, TIER_2),
    Method("users.conversations", list_of_user, TIER_3),
    method("info", info, TIER_3),
    method("history", history, TIER_3),
    method("replies", replies, TIER_3),
    method("setTopic", setter("topic"), TIER_2),
    method("setPurpose", setter("purpose"), TIER_2),
    method("rename", rename, TIER_2),
    method("archive", archive, TIER_2),
    method("unarchive", unarchive, TIER_2),
    method("mark", mark, TIER_3),
)
