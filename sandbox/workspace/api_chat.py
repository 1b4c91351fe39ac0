"""Messages of the bot: chat.* of the Web API."""

from typing import Any

from sandbox.workspace import messages
from sandbox.workspace.blocks import assign_ids, check_blocks
from sandbox.workspace.errors import SlackError
from sandbox.workspace.limits import POST_MESSAGE, SPECIAL, TIER_3, TIER_4
from sandbox.workspace.methods import Call, Method
from sandbox.workspace.model import Channel, Json
from sandbox.workspace.state import Workspace

MAX_TEXT = 40_000
MAX_EDIT_TEXT = 4_000
MAX_METADATA = 20_000


def author(state: Workspace) -> Json:
    """The fields that say a message is the bot's."""
    return {
        "user": state.bot_user,
        "bot_id": state.bot_id,
        "app_id": state.app_id,
        "bot_profile": {
            "id": state.bot_id,
            "app_id": state.app_id,
            "user_id": state.bot_user,
            "name": state.app_name,
            "team_id": state.team_id,
            "deleted": False,
            "updated": 0,
        },
    }


def content(call: Call, *, most: int) -> Json:
    """text, blocks and attachments of a call, those that were given. Raises msg_too_long, invalid_blocks, no_text."""
    body: Json = {}
    if "text" in call.args and call.args["text"] is not None:
        body["text"] = call.text("text")
        if len(body["text"]) > most:
            raise SlackError("msg_too_long")
    blocks = call.structure("blocks", "invalid_blocks_format")
    if call.text("markdown_text"):
        if body.get("text") or blocks:
            raise SlackError("markdown_text_conflict")
        body["text"] = call.text("markdown_text")
        blocks = [{"type": "markdown", "text": body["text"]}]
    if blocks is not None:
        check_blocks(blocks)
        body["blocks"] = assign_ids(blocks)
    attachments = call.structure("attachments", "invalid_attachments")
    if attachments is not None:
        if not isinstance(attachments, list) or len(attachments) > 100:
            raise SlackError("invalid_attachments")
        body["attachments"] = attachments
    return body


def metadata(call: Call) -> Any:
    """Raises invalid_metadata_format, metadata_too_large."""
    given = call.structure("metadata", "invalid_metadata_format")
    if not given:
        return given
    if (
        not isinstance(given, dict)
        or not isinstance(given.get("event_type"), str)
        or not isinstance(given.get("event_payload"), dict)
    ):
        raise SlackError("invalid_metadata_format")
    if len(str(given)) > MAX_METADATA:
        raise SlackError("metadata_too_large")
    return {"event_type": given["event_type"], "event_payload": given["event_payload"]}


def destination(call: Call) -> Channel:
    """A channel by id or name, or a person's IM by their id."""
    state = call.context.state
    wanted = call.required("channel", "channel_not_found")
    if wanted in state.users:
        call.need("im:write")
        return state.open_im(state.bot_user, wanted)[0]
    by_name = state.names.get(wanted.removeprefix("#"))
    return state.channel(by_name or wanted, state.bot_user)


def post_message(call: Call) -> Json:
    state = call.context.state
    channel = destination(call)
    if call.text("username") or call.text("icon_emoji") or call.text("icon_url"):
        call.need("chat:write.customize")
    if channel.is_archived:
        raise SlackError("is_archived")
    if state.bot_user not in channel.members and "chat:write.public" not in call.context.manifest.scopes:
        raise SlackError("not_in_channel")
    body = content(call, most=MAX_TEXT)
    if not body.get("text") and not body.get("blocks") and not body.get("attachments"):
        raise SlackError("no_text")
    given = metadata(call)
    message = messages.post(
        state,
        channel,
        author(state) | {"text": ""} | body | ({"metadata": given} if given else {}),
        thread_ts=call.stamp("thread_ts", "invalid_thread_ts"),
        broadcast=call.flag("reply_broadcast"),
    )
    return {"channel": channel.id, "ts": message["ts"], "message": message}


def own_message(call: Call, error: str) -> tuple[Channel, str]:
    """The channel and ts of a message of the bot. Raises message_not_found and `error` for another's."""
    channel = call.channel()
    ts = call.stamp("ts", "message_not_found") or ""
    message = messages.get(channel, ts)
    if message.get("bot_id") != call.context.state.bot_id:
        raise SlackError(error)
    return channel, ts


def update(call: Call) -> Json:
    state = call.context.state
    channel, ts = own_message(call, "cant_update_message")
    fields = content(call, most=MAX_EDIT_TEXT)
    if not fields:
        raise SlackError("no_text")
    given = metadata(call)
    if given is not None:
        fields["metadata"] = given or None
    for name in ("blocks", "attachments"):
        if fields.get(name) == []:
            fields[name] = None
    if not fields.get("text", "x") and not fields.get("blocks", messages.get(channel, ts).get("blocks")):
        raise SlackError("no_text")
    message = messages.edit(state, channel, ts, fields, editor=state.bot_id)
    return {"channel": channel.id, "ts": ts, "text": message.get("text", ""), "message": message}


def delete(call: Call) -> Json:
    channel, ts = own_message(call, "cant_delete_message")
    messages.delete(call.context.state, channel, ts)
    return {"channel": channel.id, "ts": ts}


def post_ephemeral(call: Call) -> Json:
    state = call.context.state
    channel = call.channel(member=True)
    if channel.is_archived:
        raise SlackError("is_archived")
    user = call.required("user", "user_not_found")
    state.user(user)
    if user not in channel.members:
        raise SlackError("user_not_in_channel")
    body = content(call, most=MAX_TEXT)
    if not body.get("text") and not body.get("blocks") and not body.get("attachments"):
        raise SlackError("no_text")
    thread_ts = call.stamp("thread_ts", "invalid_thread_ts")
    if thread_ts is not None:
        body["thread_ts"] = thread_ts
    message = messages.post_ephemeral(state, channel, user, author(state) | {"text": ""} | body)
    return {"message_ts": message["ts"]}


def get_permalink(call: Call) -> Json:
    channel = call.channel()
    ts = call.stamp("message_ts", "message_not_found") or ""
    message = messages.get(channel, ts)
    link = f"{call.context.base_url}/archives/{channel.id}/p{ts.replace('.', '')}"
    if message.get("thread_ts", ts) != ts:
        link += f"?thread_ts={message['thread_ts']}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}


METHODS = (
    Method("chat.postMessage", post_message, POST_MESSAGE, "chat:write", per="channel"),
    Method("chat.update", update, TIER_3, "chat:write"),
    Method("chat.delete", delete, TIER_3, "chat:write"),
    Method("chat.postEphemeral", post_ephemeral, TIER_4, "chat:write"),
    Method("chat.getPermalink", get_permalink, SPECIAL),
)
