"""Everything Slack sends is written down before anything else happens.

Bolt acknowledges an event before its listener has succeeded, so a listener that fails would lose it. This
global middleware commits the request to the inbox first; an exception here is not acknowledged, and Slack
delivers again. A redelivery that was seen is acknowledged and goes no further.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from slack_bolt.async_app import AsyncBoltContext
from slack_bolt.response import BoltResponse

from bot.store import Store

INBOX_ID = "inbox_id"

EVENT, HOME, COMMAND, ACTION, VIEW, SHORTCUT = "event", "home", "command", "action", "view", "shortcut"
INTERACTIVE = (COMMAND, ACTION, VIEW, SHORTCUT)


class Inbox:
    """The middleware. Puts the row's id into the context as `inbox_id`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(
        self, body: dict[str, Any], context: AsyncBoltContext, next_: Callable[[], Awaitable[BoltResponse]]
    ) -> BoltResponse | None:
        key, kind = identify(body)
        if key is None:
            await next_()
            return None
        kept = slim(body, kind)
        row = await self._store.write(lambda uow: uow.inbox.receive(key, kind, kept))
        if row is None:
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
