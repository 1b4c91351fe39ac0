"""Channel bookmarks: bookmarks.* of the Web API."""

from sandbox.workspace.errors import SlackError
from sandbox.workspace.limits import TIER_2, TIER_3
from sandbox.workspace.methods import Call, Method
from sandbox.workspace.model import Channel, Json

MAX_BOOKMARKS = 100


def room(call: Call) -> Channel:
    return call.channel("channel_id", member=True)


def link_of(call: Call) -> str:
    link = call.text("link")
    if not link.startswith(("http://", "https://")) or len(link) > 3000:
        raise SlackError("invalid_link")
    return link


def add(call: Call) -> Json:
    channel, state = room(call), call.context.state
    if call.required("type") != "link":
        raise SlackError("invalid_bookmark_type")
    if len(channel.bookmarks) >= MAX_BOOKMARKS:
        raise SlackError("too_many_bookmarks")
    bookmark = {
        "id": state.new_id("Bk"),
        "channel_id": channel.id,
        "title": call.required("title"),
        "link": link_of(call),
        "emoji": call.text("emoji"),
        "icon_url": None,
        "type": "link",
        "entity_id": None,
        "date_created": state.now(),
        "date_updated": 0,
        "rank": "",
        "last_updated_by_user_id": state.bot_user,
        "last_updated_by_team_id": state.team_id,
        "shortcut_id": None,
        "app_id": state.app_id,
    }
    state.set_bookmarks(channel, [*channel.bookmarks, bookmark])
    return {"bookmark": bookmark}


def listing(call: Call) -> Json:
    return {"bookmarks": room(call).bookmarks}


def position(channel: Channel, call: Call) -> int:
    wanted = call.required("bookmark_id")
    at = next((index for index, one in enumerate(channel.bookmarks) if one["id"] == wanted), None)
    if at is None:
        raise SlackError("not_found")
    return at


def edit(call: Call) -> Json:
    channel, state = room(call), call.context.state
    at = position(channel, call)
    changes: Json = {key: call.text(key) for key in ("title", "emoji") if call.text(key)}
    if call.text("link"):
        changes["link"] = link_of(call)
    bookmark = {**channel.bookmarks[at], **changes, "date_updated": state.now()}
    state.set_bookmarks(channel, [*channel.bookmarks[:at], bookmark, *channel.bookmarks[at + 1 :]])
    return {"bookmark": bookmark}


def remove(call: Call) -> Json:
    channel = room(call)
    at = position(channel, call)
    call.context.state.set_bookmarks(channel, [*channel.bookmarks[:at], *channel.bookmarks[at + 1 :]])
    return {}


METHODS = (
    Method("bookmarks.add", add, TIER_2, "bookmarks:write"),
    Method("bookmarks.list", listing, TIER_3, "bookmarks:read"),
    Method("bookmarks.edit", edit, TIER_2, "bookmarks:write"),
    Method("bookmarks.remove", remove, TIER_2, "bookmarks:write"),
)
