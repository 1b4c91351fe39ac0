"""What a person does to the bot: commands, clicks, modals, shortcuts; and what its answers do."""

import re
from typing import Any

from sandbox.workspace import messages
from sandbox.workspace.api_chat import author
from sandbox.workspace.blocks import assign_ids, check_blocks
from sandbox.workspace.context import Context
from sandbox.workspace.errors import SlackError
from sandbox.workspace.model import Channel, Json, User
from sandbox.workspace.rooms import room_name
from sandbox.workspace.wording import escape_command

SLASH = re.compile(r"(/\S+)\s*(.*)", re.DOTALL)


def base(context: Context, user: User) -> Json:
    state = context.state
    return {
        "user": {"id": user.id, "username": user.name, "name": user.name, "team_id": state.team_id},
        "api_app_id": state.app_id,
        "token": "verification-token-unused",
        "team": {"id": state.team_id, "domain": "kaeru-demo"},
        "enterprise": None,
        "is_enterprise_install": False,
    }


def response_url(context: Context, user: str, channel: str, ts: str = "", *, ephemeral: bool = False) -> str:
    return f"{context.base_url}/response/{context.responses.issue(user, channel, ts, ephemeral=ephemeral)}"


def require_interactivity(context: Context) -> None:
    if not context.manifest.interactive:
        raise SlackError("interactivity_disabled")


async def command(context: Context, user: User, channel: Channel, text: str) -> Json:
    """Sends a slash command and applies its acknowledgement. Raises SlackError, NotDeliveredError."""
    match = SLASH.match(text)
    name, arguments = match.groups() if match else (text, "")
    known = context.manifest.commands.get(name)
    if known is None:
        raise SlackError("invalid_command")
    arguments = arguments.strip()
    payload: Json = {
        "token": "verification-token-unused",
        "team_id": context.state.team_id,
        "team_domain": "kaeru-demo",
        "channel_id": channel.id,
        "channel_name": "directmessage" if channel.is_im else channel.name,
        "user_id": user.id,
        "user_name": user.name,
        "command": name,
        "text": escape_command(context.state, arguments) if known.should_escape else arguments,
        "api_app_id": context.state.app_id,
        "is_enterprise_install": "false",
        "response_url": response_url(context, user.id, channel.id),
        "trigger_id": context.triggers.issue(user.id),
    }
    answer = await context.hub.ask("slash_commands", payload)
    message = (
        respond(context, user.id, channel, answer) if answer.get("text") or answer.get("blocks") else None
    )
    return {"ts": message["ts"] if message else None}


def respond(context: Context, user: str, channel: Channel, answer: Json) -> Json:
    """Posts an answer to a command or a response_url: to the person alone unless response_type is in_channel."""
    if answer.get("blocks"):
        check_blocks(answer["blocks"])
    body: Json = {**author(context.state), "text": str(answer.get("text") or "")}
    if answer.get("blocks"):
        body["blocks"] = assign_ids(answer["blocks"])
    if answer.get("attachments"):
        body["attachments"] = answer["attachments"]
    if answer.get("response_type") == "in_channel":
        body["subtype"] = "bot_message"
        thread_ts = answer.get("thread_ts")
        return messages.post(context.state, channel, body, thread_ts=str(thread_ts) if thread_ts else None)
    return messages.post_ephemeral(context.state, channel, user, body)


def use_response_url(context: Context, secret: str, answer: Json) -> None:
    """What a POST to a response_url does. Raises expired_url, used_url, no_text, invalid_blocks."""
    url = context.responses.use(secret)
    channel = context.state.channel(url.channel)
    if answer.get("delete_original") and url.ts:
        if url.ephemeral:
            messages.delete_ephemeral(context.state, channel, url.user, url.ts)
        else:
            messages.delete(context.state, channel, url.ts)
        return
    if not answer.get("text") and not answer.get("blocks") and not answer.get("attachments"):
        raise SlackError("no_text")
    # Without replace_original an answer to a message's button replaces it, unless it says response_type.
    if url.ts and answer.get("replace_original", "response_type" not in answer):
        blocks = answer.get("blocks")
        if blocks:
            check_blocks(blocks)
        fields: Json = {
            "text": str(answer.get("text") or ""),
            "blocks": assign_ids(blocks) if blocks else None,
        }
        if url.ephemeral:
            messages.edit_ephemeral(context.state, channel, url.user, url.ts, fields)
        else:
            messages.edit(context.state, channel, url.ts, fields, editor=context.state.bot_id)
        return
    respond(context, url.user, channel, answer)


async def act(context: Context, user: User, container: Json, action: Json, given_state: Json | None) -> None:
    """A click or a choice in a message or a modal: block_actions."""
    require_interactivity(context)
    payload: Json = {
        "type": "block_actions",
        **base(context, user),
        "state": given_state or {"values": {}},
        "actions": [{**action, "action_ts": context.state.next_ts()}],
    }
    if container.get("type") == "view":
        view_id = str(container.get("view_id", ""))
        owner, view = context.views.get(view_id)
        if owner != user.id:
            raise SlackError("not_found")
        payload["container"] = {"type": "view", "view_id": view_id}
        payload["view"] = {**view, "state": payload.pop("state")}
        payload["trigger_id"] = context.triggers.issue(user.id, view_id)
    else:
        channel = context.state.channel(str(container.get("channel", "")), user.id)
        ts = str(container.get("ts", ""))
        ephemeral = ts in channel.ephemerals.get(user.id, {})
        payload["container"] = {
            "type": "message", "message_ts": ts, "channel_id": channel.id, "is_ephemeral": ephemeral,
        }  # fmt: skip
        payload["channel"] = {"id": channel.id, "name": room_name(channel)}
        if not ephemeral:
            message = messages.get(channel, ts)
            payload["message"] = {key: value for key, value in message.items() if key != "metadata"}
            if "thread_ts" in message:
                payload["container"]["thread_ts"] = message["thread_ts"]
        payload["response_url"] = response_url(context, user.id, channel.id, ts, ephemeral=ephemeral)
        payload["trigger_id"] = context.triggers.issue(user.id)
    await context.hub.ask("interactive", payload)


async def submit_view(context: Context, user: User, view_id: str, given_state: Json) -> Json:
    """view_submission: gives the bot's response_action object, applied; {} closed the modal."""
    require_interactivity(context)
    owner, view = context.views.get(view_id)
    if owner != user.id or view["type"] != "modal":
        raise SlackError("not_found")
    payload = {
        "type": "view_submission",
        **base(context, user),
        "trigger_id": context.triggers.issue(user.id, view_id),
        "view": {**view, "state": given_state},
        "response_urls": [],
    }
    response = await context.hub.ask("interactive", payload)
    match response.get("response_action"):
        case "errors":
            pass
        case "update":
            response = {**response, "view": context.views.update(view_id, as_object(response.get("view")))}
        case "push":
            response = {**response, "view": context.views.push(user.id, as_object(response.get("view")))}
        case "clear":
            context.views.clear(user.id)
        case _:
            closed_meanwhile = all(one["id"] != view_id for one in context.views.stack(user.id))
            if not closed_meanwhile:
                context.views.close(user.id, view_id)
    return response


async def close_view(context: Context, user: User, view_id: str) -> None:
    for view in context.views.close(user.id, view_id):
        if view["notify_on_close"]:
            payload = {
                "type": "view_closed",
                **base(context, user),
                "view": view,
                "is_cleared": bool(view["clear_on_close"]),
            }
            await context.hub.ask("interactive", payload)


async def shortcut(context: Context, user: User, callback_id: str, channel: Channel | None, ts: str) -> None:
    """A global shortcut, or one on a message."""
    known = context.manifest.shortcuts.get(callback_id)
    if known is None:
        raise SlackError("unknown_shortcut")
    require_interactivity(context)
    payload: Json = {
        **base(context, user),
        "callback_id": callback_id,
        "trigger_id": context.triggers.issue(user.id),
        "action_ts": context.state.next_ts(),
    }
    if known.type == "message":
        if channel is None:
            raise SlackError("message_not_found")
        message = messages.get(channel, ts)
        payload |= {
            "type": "message_action",
            "message": {key: value for key, value in message.items() if key != "metadata"},
            "message_ts": ts,
            "channel": {"id": channel.id, "name": room_name(channel)},
            "response_url": response_url(context, user.id, channel.id),
        }
    else:
        payload["type"] = "shortcut"
    await context.hub.ask("interactive", payload)


def as_object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}
