"""conversations.*: who is in a channel."""

from sandbox.workspace import rooms
from sandbox.workspace.api_conversations import shown
from sandbox.workspace.errors import SlackError
from sandbox.workspace.limits import TIER_3, TIER_4
from sandbox.workspace.methods import Call, Method
from sandbox.workspace.model import Channel, Json


def members(call: Call) -> Json:
    channel = call.channel()
    call.need(f"{channel.family}:read")
    page, cursor = call.page(list(channel.members), 100)
    return {"members": page, "response_metadata": {"next_cursor": cursor}}


def refusal(call: Call, channel: Channel, user: str) -> str:
    """Why somebody cannot be invited; "" if they can."""
    state = call.context.state
    if user not in state.users:
        return "user_not_found"
    if user == state.bot_user:
        return "cant_invite_self"
    return "already_in_channel" if user in channel.members else ""


def invite(call: Call) -> Json:
    """All or nobody; with `force` those who can be."""
    channel = call.channel(member=True)
    scopes = call.context.manifest.scopes
    alternative = f"{channel.family}:write.invites"
    if alternative not in scopes:
        call.need("groups:write" if channel.is_private else "channels:manage")
    if channel.is_im:
        raise SlackError("method_not_supported_for_channel_type")
    if channel.is_archived:
        raise SlackError("is_archived")
    users = call.names("users")
    if not users:
        raise SlackError("no_user")
    if len(users) > 1000:
        raise SlackError("too_many_users")
    refused = {user: why for user in users if (why := refusal(call, channel, user))}
    errors = [{"user": user, "ok": False, "error": why} for user, why in refused.items()]
    if refused and (not call.flag("force") or len(refused) == len(set(users))):
        raise SlackError(next(iter(refused.values())), errors=errors)
    state = call.context.state
    for user in users:
        if user not in refused:
            rooms.join(state, channel, user, inviter=state.bot_user)
    return {"channel": shown(call, channel), **({"errors": errors} if errors else {})}


def join(call: Call) -> Json:
    channel = call.channel()
    if channel.is_im or channel.is_private:
        raise SlackError("method_not_supported_for_channel_type")
    state = call.context.state
    if rooms.join(state, channel, state.bot_user):
        return {"channel": shown(call, channel)}
    warnings = {"warning": "already_in_channel", "response_metadata": {"warnings": ["already_in_channel"]}}
    return {"channel": shown(call, channel), **warnings}


def leave(call: Call) -> Json:
    channel = call.channel()
    call.need("groups:write" if channel.is_private else "channels:manage")
    state = call.context.state
    return {} if rooms.leave(state, channel, state.bot_user) else {"not_in_channel": True}


def open_im(call: Call) -> Json:
    """An IM with one person. Group IMs are not spoken here: users_list_not_supplied says so for several."""
    state = call.context.state
    given = call.text("channel")
    if given:
        channel, fresh = call.channel(), False
        if not channel.is_im:
            raise SlackError("channel_not_found")
    else:
        users = call.names("users")
        if len(users) != 1:
            raise SlackError(
                "users_list_not_supplied" if not users else "method_not_supported_for_channel_type"
            )
        state.user(users[0])
        channel, fresh = state.open_im(state.bot_user, users[0])
    shape = shown(call, channel) if call.flag("return_im") else {"id": channel.id}
    return {"channel": shape, **({} if fresh else {"no_op": True, "already_open": True})}


METHODS = (
    Method("conversations.members", members, TIER_4),
    Method("conversations.invite", invite, TIER_3),
    Method("conversations.join", join, TIER_3, "channels:join"),
    Method("conversations.leave", leave, TIER_3),
    Method("conversations.open", open_im, TIER_3, "im:write"),
)
