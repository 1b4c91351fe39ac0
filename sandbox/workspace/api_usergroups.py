"""User groups: usergroups.* of the Web API, as far as it is only read."""

from sandbox.workspace.errors import SlackError
from sandbox.workspace.limits import TIER_2
from sandbox.workspace.methods import Call, Method
from sandbox.workspace.model import Json


def listing(call: Call) -> Json:
    state = call.context.state
    shown = [group.shape(state.team_id) for group in state.usergroups.values()]
    if call.flag("include_users"):
        for shape in shown:
            shape["users"] = list(state.usergroups[shape["id"]].users)
    return {"usergroups": shown}


def users(call: Call) -> Json:
    group = call.context.state.usergroups.get(call.required("usergroup"))
    if group is None:
        raise SlackError("no_such_subteam")
    return {"users": list(group.users)}


METHODS = (
    Method("usergroups.list", listing, TIER_2, "usergroups:read"),
    Method("usergroups.users.list", users, TIER_2, "usergroups:read"),
)
