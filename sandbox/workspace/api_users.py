"""People: users.* of the Web API."""

from sandbox.workspace.limits import TIER_2, TIER_4
from sandbox.workspace.methods import Call, Method
from sandbox.workspace.model import Json


def info(call: Call) -> Json:
    state = call.context.state
    return {"user": state.user(call.required("user", "user_not_found")).shape(state.team_id)}


def listing(call: Call) -> Json:
    state = call.context.state
    page, cursor = call.page(list(state.users.values()), 1000)
    members = [user.shape(state.team_id) for user in page]
    return {"members": members, "cache_ts": state.now(), "response_metadata": {"next_cursor": cursor}}


METHODS = (
    Method("users.info", info, TIER_4, "users:read"),
    Method("users.list", listing, TIER_2, "users:read"),
)
