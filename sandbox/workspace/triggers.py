"""Trigger ids (one use, 3 s) and response URLs (5 uses, 30 min)."""

import secrets
import time
from dataclasses import dataclass

from sandbox.workspace.errors import SlackError
from sandbox.workspace.timings import Timings


@dataclass(slots=True)
class Trigger:
    user: str
    issued_at: float
    view_id: str = ""
    used: bool = False


class Triggers:
    def __init__(self, timings: Timings) -> None:
        self.timings = timings
        self.issued: dict[str, Trigger] = {}

    def issue(self, user: str, view_id: str = "") -> str:
        """`view_id` is the modal the interaction came from: the one views.push puts its view on."""
        trigger_id = f"{secrets.randbelow(10**13)}.{secrets.randbelow(10**13)}.{secrets.token_hex(16)}"
        self.issued[trigger_id] = Trigger(user, time.monotonic(), view_id)
        return trigger_id

    def use(self, trigger_id: str) -> Trigger:
        """Raises invalid_trigger_id, exchanged_trigger_id, expired_trigger_id."""
        trigger = self.issued.get(trigger_id)
        if trigger is None:
            raise SlackError("invalid_trigger_id")
        if trigger.used:
            raise SlackError("exchanged_trigger_id")
        if time.monotonic() - trigger.issued_at > self.timings.trigger:
            raise SlackError("expired_trigger_id")
        trigger.used = True
        return trigger


@dataclass(slots=True)
class ResponseUrl:
    """`ts` and `ephemeral` name the message it came from (none for a slash command)."""

    user: str
    channel: str
    issued_at: float
    ts: str = ""
    ephemeral: bool = False
    uses: int = 0


class ResponseUrls:
    def __init__(self, timings: Timings) -> None:
        self.timings = timings
        self.issued: dict[str, ResponseUrl] = {}

    def issue(self, user: str, channel: str, ts: str = "", *, ephemeral: bool = False) -> str:
        secret = secrets.token_urlsafe(18)
        self.issued[secret] = ResponseUrl(user, channel, time.monotonic(), ts, ephemeral)
        return secret

    def use(self, secret: str) -> ResponseUrl:
        """Raises expired_url and used_url."""
        found = self.issued.get(secret)
        if found is None or time.monotonic() - found.issued_at > self.timings.response_url:
            raise SlackError("expired_url")
        if found.uses >= self.timings.response_url_uses:
            raise SlackError("used_url")
        found.uses += 1
        return found
