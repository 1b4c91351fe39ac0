"""files.*, in the two steps of an upload."""

import asyncio
import mimetypes
import secrets
from functools import partial

from sandbox.workspace import messages
from sandbox.workspace.api_chat import author
from sandbox.workspace.blocks import assign_ids, check_blocks
from sandbox.workspace.context import Context
from sandbox.workspace.errors import SlackError
from sandbox.workspace.limits import TIER_3, TIER_4
from sandbox.workspace.methods import Call, Method
from sandbox.workspace.model import Channel, Json, StoredFile

FILETYPES = {"text/plain": "text", "text/markdown": "markdown", "application/json": "json"}


def store(context: Context, user: str, name: str, length: int) -> StoredFile:
    """A place for `length` bytes; nobody sees it before it is shared."""
    state = context.state
    file_id = state.new_id("F")
    mimetype = mimetypes.guess_type(name)[0] or "application/octet-stream"
    extension = name.rpartition(".")[2].lower() if "." in name else "binary"
    address = f"{context.base_url}/files/{state.team_id}-{file_id}"
    shape: Json = {
        "id": file_id,
        "created": state.now(),
        "timestamp": state.now(),
        "name": name,
        "title": name,
        "mimetype": mimetype,
        "filetype": FILETYPES.get(mimetype, extension),
        "pretty_type": extension.upper(),
        "user": user,
        "size": length,
        "mode": "hosted",
        "is_external": False,
        "is_public": False,
        "url_private": f"{address}/{name}",
        "url_private_download": f"{address}/download/{name}",
        "permalink": f"{address}/{name}",
        "channels": [],
        "groups": [],
        "ims": [],
        "shares": {},
    }
    if mimetype.startswith("image/"):
        shape |= {f"thumb_{size}": f"{address}/{name}" for size in (64, 80, 160, 360)}
    file = StoredFile(shape, length)
    state.files[file_id] = file
    return file


def share(
    context: Context,
    channel: Channel,
    files: list[tuple[StoredFile, str]],
    body: Json,
    *,
    thread_ts: str | None = None,
) -> None:
    """Posts uploads (each with its title) as one file_share message."""
    for file, title in files:
        file.completed = True
        file.shape = {**file.shape, "title": title}
    kind = {"im": "ims", "groups": "groups", "channels": "channels"}[channel.family]
    for file, _ in files:
        file.shape = {
            **file.shape,
            kind: [*file.shape[kind], channel.id],
            "is_public": channel.family == "channels",
        }
    body = {**body, "subtype": "file_share", "upload": False, "files": [file.shape for file, _ in files]}
    message = messages.post(context.state, channel, body, thread_ts=thread_ts)
    visibility = "public" if channel.family == "channels" else "private"
    for file, _ in files:
        shares = file.shape["shares"]
        known = shares.get(visibility, {})
        placed = {**known, channel.id: [*known.get(channel.id, []), {"ts": message["ts"]}]}
        file.shape = {**file.shape, "shares": {**shares, visibility: placed}}


def get_upload_url(call: Call) -> Json:
    name = call.required("filename")
    length = call.number("length", 0)
    if length < 1:
        raise SlackError("invalid_arguments")
    file = store(call.context, call.context.state.bot_user, name, length)
    secret = secrets.token_urlsafe(24)
    call.context.uploads[secret] = str(file.shape["id"])
    return {"file_id": file.shape["id"], "upload_url": f"{call.context.base_url}/files/upload/{secret}"}


def upload(context: Context, secret: str, content: bytes) -> None:
    """What arrives at an upload URL. Raises upload_not_found, length_mismatch."""
    file_id = context.uploads.pop(secret, None)
    if file_id is None:
        raise SlackError("upload_not_found")
    file = context.state.files[file_id]
    if len(content) != file.length:
        raise SlackError("length_mismatch")
    file.content = content


def complete_upload(call: Call) -> Json:
    """Answers at once; the message appears a moment later, as in Slack."""
    context = call.context
    files, channels = uploaded(call), targets(call)
    thread_ts = call.stamp("thread_ts", "invalid_thread_ts")
    if thread_ts is not None:
        for channel in channels:
            messages.get(channel, thread_ts)
    blocks = call.structure("blocks", "invalid_blocks_format")
    body = author(context.state) | {"text": call.text("initial_comment")}
    if blocks:
        check_blocks(blocks)
        body["blocks"] = assign_ids(blocks)
    for file, title in files:
        file.completed = True
        file.shape = {**file.shape, "title": title}
    for channel in channels:
        later = partial(share, context, channel, files, body, thread_ts=thread_ts)
        asyncio.get_running_loop().call_later(context.timings.share, later)
    return {"files": [file.shape for file, _ in files]}


def uploaded(call: Call) -> list[tuple[StoredFile, str]]:
    """The uploads a completion names, with their titles. Raises file_not_found, file_already_completed."""
    given = call.structure("files", "invalid_arguments")
    if not isinstance(given, list) or not given:
        raise SlackError("invalid_arguments")
    files: list[tuple[StoredFile, str]] = []
    for one in given:
        file = call.context.state.files.get(str(one.get("id", "")))
        if file is None or file.content is None:
            raise SlackError("file_not_found")
        if file.completed:
            raise SlackError("file_already_completed")
        files.append((file, str(one.get("title") or file.shape["name"])))
    return files


def targets(call: Call) -> list[Channel]:
    """Where a completion shares: channels the bot is in. Raises not_in_channel, is_archived."""
    state = call.context.state
    named = [call.text("channel_id"), *call.names("channels")]
    channels = [state.channel(name, state.bot_user) for name in named if name]
    for channel in channels:
        if channel.is_archived:
            raise SlackError("is_archived")
        if state.bot_user not in channel.members:
            raise SlackError("not_in_channel")
    return channels


def info(call: Call) -> Json:
    file = call.context.state.files.get(call.required("file", "file_not_found"))
    if file is None or not file.completed:
        raise SlackError("file_not_found")
    return {"file": file.shape, "comments": [], "response_metadata": {"next_cursor": ""}}


def listing(call: Call) -> Json:
    channel, user = call.text("channel"), call.text("user")
    found = [
        file.shape
        for file in call.context.state.files.values()
        if file.completed
        and (not user or file.shape["user"] == user)
        and (not channel or channel in (*file.shape["channels"], *file.shape["groups"], *file.shape["ims"]))
    ]
    count, page = call.number("count", 100), call.number("page", 1)
    shown = found[(page - 1) * count : page * count]
    pages = max(1, -(-len(found) // count))
    return {"files": shown, "paging": {"count": count, "total": len(found), "page": page, "pages": pages}}


METHODS = (
    Method("files.getUploadURLExternal", get_upload_url, TIER_4, "files:write"),
    Method("files.completeUploadExternal", complete_upload, TIER_4, "files:write"),
    Method("files.info", info, TIER_4, "files:read"),
    Method("files.list", listing, TIER_3, "files:read"),
)
