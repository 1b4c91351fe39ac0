"""What people and the bot do with channels, with the notices Slack leaves in them."""

import re

from sandbox.workspace import messages
from sandbox.workspace.errors import SlackError
from sandbox.workspace.model import Channel
from sandbox.workspace.state import Workspace


def check_name(name: str) -> None:
    """Raises Slack's invalid_name_*: at most 80 characters, lowercase letters, digits, - and _."""
    if not name:
        raise SlackError("invalid_name_required")
    if len(name) > 80:
        raise SlackError("invalid_name_maxlength")
    if not re.fullmatch(r"[\w-]+", name) or name != name.lower():
        raise SlackError("invalid_name_specials")
    if not any(letter.isalnum() for letter in name):
        raise SlackError("invalid_name_punctuation")


def create(state: Workspace, name: str, user: str, *, is_private: bool = False) -> Channel:
    check_name(name)
    channel = state.create_channel(name, user, is_private=is_private)
    join(state, channel, user)
    return channel


def join(state: Workspace, channel: Channel, user: str, inviter: str = "") -> bool:
    """False if they are in it already. Raises is_archived."""
    if channel.is_archived:
        raise SlackError("is_archived")
    if not state.join(channel, user, inviter):
        return False
    body = {"subtype": "channel_join", "user": user, "text": f"<@{user}> has joined the channel"}
    messages.post(state, channel, body | ({"inviter": inviter} if inviter else {}))
    return True


def leave(state: Workspace, channel: Channel, user: str) -> bool:
    if channel.name == "general":
        raise SlackError("cant_leave_general")
    if user not in channel.members:
        return False
    body = {"subtype": "channel_leave", "user": user, "text": f"<@{user}> has left the channel"}
    messages.post(state, channel, body)
    return state.leave(channel, user)


def set_about(state: Workspace, channel: Channel, what: str, value: str, user: str) -> None:
    """`what` is topic or purpose. Raises too_long over 250 characters."""
    if len(value) > 250:
        raise SlackError("too_long")
    if (channel.topic if what == "topic" else channel.purpose)["value"] == value:
        return
    state.set_about(channel, what, value, user)
    word = "topic" if what == "topic" else "description"
    text = f"set the channel {word}: {value}" if value else f"cleared the channel {word}"
    messages.post(state, channel, {"subtype": f"channel_{what}", "user": user, what: value, "text": text})


def rename(state: Workspace, channel: Channel, name: str, user: str) -> None:
    check_name(name)
    old = channel.name
    state.rename_channel(channel, name, user)
    text = f'has renamed the channel from "{old}" to "{name}"'
    messages.post(
        state, channel, {"subtype": "channel_name", "user": user, "old_name": old, "name": name, "text": text}
    )


def set_archived(state: Workspace, channel: Channel, user: str, *, archived: bool) -> None:
    """Raises already_archived, not_archived, cant_archive_general."""
    if archived and channel.name == "general":
        raise SlackError("cant_archive_general")
    if archived == channel.is_archived:
        raise SlackError("already_archived" if archived else "not_archived")
    word = "archived" if archived else "un-archived"
    body = {"subtype": "channel_archive" if archived else "channel_unarchive", "user": user}
    messages.post(state, channel, {**body, "text": f"{word} the channel"})
    state.set_archived(channel, user, archived=archived)


def room_name(channel: Channel) -> str:
    return "directmessage" if channel.is_im else channel.name
