"""Emoji on messages: reactions.* of the Web API."""

import re

from sandbox.workspace import messages
from sandbox.workspace.errors import SlackError
from sandbox.workspace.limits import TIER_2, TIER_3
from sandbox.workspace.methods import Call, Method
from sandbox.workspace.model import Channel, Json

NAME = re.compile(r"[a-z0-9_+'-]+(::skin-tone-[2-6])?")


def item(call: Call) -> tuple[Channel, str]:
    channel = call.channel(member=True)
    ts = call.stamp("timestamp", "bad_timestamp")
    if ts is None:
        raise SlackError("no_item_specified")
    messages.get(channel, ts)
    return channel, ts


def name_of(call: Call) -> str:
    name = call.text("name").strip(":")
    if not NAME.fullmatch(name):
        raise SlackError("invalid_name")
    return name


def add(call: Call) -> Json:
    channel, ts = item(call)
    if channel.is_archived:
        raise SlackError("is_archived")
    messages.react(call.context.state, channel, ts, name_of(call), call.context.state.bot_user)
    return {}


def remove(call: Call) -> Json:
    channel, ts = item(call)
    messages.unreact(call.context.state, channel, ts, name_of(call), call.context.state.bot_user)
    return {}


def get(call: Call) -> Json:
    channel, ts = item(call)
    message = {key: value for key, value in messages.get(channel, ts).items() if key != "metadata"}
    return {"type": "message", "channel": channel.id, "message": message}


METHODS = (
    Method("reactions.add", add, TIER_3, "reactions:write"),
    Method("reactions.remove", remove, TIER_2, "reactions:write"),
    Method("reactions.get", get, TIER_3, "reactions:read"),
)
