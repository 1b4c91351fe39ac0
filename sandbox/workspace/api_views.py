"""Modals and App Homes: views.* of the Web API."""

from typing import Any

from sandbox.workspace.blocks import check_view
from sandbox.workspace.errors import SlackError
from sandbox.workspace.limits import TIER_4
from sandbox.workspace.methods import Call, Method
from sandbox.workspace.model import Json


def view_of(call: Call, kind: str) -> Any:
    """The `view` argument, checked before a trigger is spent on it."""
    view = call.structure("view", "invalid_arguments")
    check_view(view, kind)
    return view


def open_view(call: Call) -> Json:
    view = view_of(call, "modal")
    trigger = call.context.triggers.use(call.required("trigger_id"))
    return {"view": call.context.views.open(trigger.user, view)}


def push(call: Call) -> Json:
    view = view_of(call, "modal")
    trigger = call.context.triggers.use(call.required("trigger_id"))
    return {"view": call.context.views.push(trigger.user, view)}


def update(call: Call) -> Json:
    view, views = view_of(call, "modal"), call.context.views
    view_id = call.text("view_id") or views.by_external_id(call.required("external_id"))
    return {"view": views.update(view_id, view, expected_hash=call.text("hash") or None)}


def publish(call: Call) -> Json:
    view = view_of(call, "home")
    user = call.required("user_id", "user_not_found")
    if not call.context.manifest.home_tab:
        raise SlackError("not_enabled")
    call.context.state.user(user)
    return {"view": call.context.views.publish(user, view, expected_hash=call.text("hash") or None)}


METHODS = (
    Method("views.open", open_view, TIER_4),
    Method("views.push", push, TIER_4),
    Method("views.update", update, TIER_4),
    Method("views.publish", publish, TIER_4),
)
