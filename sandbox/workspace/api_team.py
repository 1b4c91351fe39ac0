"""api.test, auth.test, team.info, apps.connections.open."""

from sandbox.workspace.errors import SlackError
from sandbox.workspace.limits import SPECIAL, TIER_3, TIER_4
from sandbox.workspace.methods import Call, Method
from sandbox.workspace.model import Json


def api_test(call: Call) -> Json:
    if call.text("error"):
        raise SlackError(call.text("error"), args=call.args)
    return {"args": call.args}


def auth_test(call: Call) -> Json:
    state = call.context.state
    return {
        "url": f"{call.context.base_url}/",
        "team": state.team_name,
        "user": state.user(state.bot_user).name,
        "team_id": state.team_id,
        "user_id": state.bot_user,
        "bot_id": state.bot_id,
        "is_enterprise_install": False,
    }


def team_info(call: Call) -> Json:
    state = call.context.state
    return {"team": {"id": state.team_id, "name": state.team_name, "domain": "kaeru-demo", "icon": {}}}


def connections_open(call: Call) -> Json:
    address = call.context.base_url.replace("http", "ws", 1)
    return {"url": f"{address}/socket?ticket={call.context.hub.ticket()}"}


METHODS = (
    Method("api.test", api_test, TIER_4, accepts="nothing"),
    Method("auth.test", auth_test, SPECIAL),
    Method("team.info", team_info, TIER_3, "team:read"),
    # Documented as tier 1, yet a client that opens its ten connections at once is served.
    Method("apps.connections.open", connections_open, TIER_3, accepts="app"),
)
