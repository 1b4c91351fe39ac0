"""Everything Slack sends is written down before anything else happens.

Bolt acknowledges an event before its listener has succeeded, so a listener that fails would lose it. This
global middleware commits the request to the inbox first; an exception here is not acknowledged, and Slack
delivers again. A redelivery that was seen is acknowledged and goes no further, and neither does what is only
for the timeline: the recorder finds it in the inbox.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from slack_bolt.async_app import AsyncBoltContext
from slack_bolt.response import BoltResponse

from handlers.intake import Intake

INBOX_ID = "inbox_id"

EVENT, HOME, COMMAND, ACTION, VIEW, SHORTCUT = "event", "home", "command", "action", "view", "shortcut"
INTERACTIVE = (COMMAND, ACTION, VIEW, SHORTCUT)


class Inbox:
    """The middleware. Puts the row's id into the context as `inbox_id`; `on_event` is called for the recorder."""

    def __init__(self, intake: Intake, on_event: Callable[[], None]) -> None:
        self._intake = intake
        self._on_event = on_event

    async def __call__(
        self, body: dict[str, Any], context: AsyncBoltContext, next_: Callable[[], Awaitable[BoltResponse]]
    ) -> BoltResponse | None:
        key, kind = identify(body)
        if key is None:
            await next_()
            return None
        row = await self._intake.receive(key, kind, slim(body, kind))
        if row is None:
            return BoltResponse(status=200, body="")
        if kind == EVENT:
            self._on_event()
            return BoltResponse(status=200, body="")
        context[INBOX_ID] = row
        await next_()
        return None


def identify(body: dict[str, Any]) -> tuple[str | None, str]:
    """The key by which a redelivery is recognised, and what kind of request it is."""
    if "event_id" in body:
        kind = HOME if body.get("event", {}).get("type") == "app_home_opened" else EVENT
        return f"event:{body['event_id']}", kind
    trigger = body.get("trigger_id")
    if trigger is None:
        return None, ""
    if "command" in body:
        return f"command:{trigger}", COMMAND
    kinds = {"block_actions": ACTION, "view_submission": VIEW, "message_action": SHORTCUT}
    kind = kinds.get(str(body.get("type")), "")
    return (f"{kind}:{trigger}", kind) if kind else (None, "")


def slim(body: dict[str, Any], kind: str) -> dict[str, Any]:
    """Without what is never read again: tokens, and the message's own blocks that a click brings along."""
    kept = {name: value for name, value in body.items() if name not in ("token", "authorizations")}
    if kind == ACTION and "message" in kept:
        kept["message"] = {name: kept["message"].get(name) for name in ("ts", "thread_ts")}
    return kept
