"""The one place that says what a failed call to Slack means.

Whether anything was changed depends on two things: whether the call writes, and whether the request can have
left this machine. A refused connection changed nothing; an answer that got lost may have changed everything.
"""

from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError

from bot.ports.errors import AuthFailed, OutcomeUnknown, PortError, Refused, Unavailable

# Slack names how long to wait; where it does not, this many seconds.
DEFAULT_RETRY_S = 5.0

_RATE_LIMITED = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
# Slack's reference says of these two: "some aspect of the operation" may have succeeded before the error.
_HALF_DONE = frozenset({"fatal_error", "internal_error"})
_PASSING = frozenset({"service_unavailable", "request_timeout", "team_added_to_org", "org_login_required"})

_REINSTALL = (
    "Add it under OAuth & Permissions > Bot Token Scopes (manifest.yml has it) and reinstall the app."
)
_TOKEN = "Copy the Bot User OAuth Token (xoxb-…) from OAuth & Permissions into SLACK_BOT_TOKEN and restart."  # noqa: S105 - names a setting, holds no token
_ADMIN = "Ask a workspace admin to allow it."

_AUTH: dict[str, tuple[str, str]] = {
    "invalid_auth": ("Slack does not accept the bot token.", _TOKEN),
    "not_authed": ("No bot token was sent to Slack.", _TOKEN),
    "token_revoked": ("The bot token was revoked.", _TOKEN),
    "token_expired": ("The bot token has expired.", _TOKEN),
    "account_inactive": ("The bot's account in Slack is deactivated.", "Reinstall the app in the workspace."),
    "not_allowed_token_type": ("Slack wants a bot token (xoxb-…) here and got another kind.", _TOKEN),
    "no_permission": ("The bot may not do this in Slack.", _ADMIN),
    "access_denied": ("The bot may not do this in Slack.", _ADMIN),
    "restricted_action": ("A workspace setting keeps the bot from doing this.", _ADMIN),
    "ekm_access_denied": ("An admin has suspended access to this workspace's keys.", _ADMIN),
    "team_access_not_granted": ("The app is not granted access to this workspace.", _ADMIN),
    "enterprise_is_restricted": ("The organisation restricts this.", _ADMIN),
    "accesslimited": ("Slack limits access from this network.", _ADMIN),
}

_REFUSED: dict[str, tuple[str, str]] = {
    "channel_not_found": (
        "This channel does not exist, or it is private and the bot is not in it.",
        "Check the channel id in kaeru.yml, or write `/invite @kaeru` in the channel.",
    ),
    "is_archived": ("This channel is archived.", "Unarchive it, or name another channel."),
    "not_in_channel": (
        "The bot is not a member of this channel.",
        "Write `/invite @kaeru` in the channel.",
    ),
    "user_not_in_channel": ("This person is not in the channel.", "Invite them first."),
    "user_not_found": ("There is no such person in this workspace.", "Check the user id."),
    "message_not_found": ("The message is gone.", ""),
    "cant_update_message": ("The message cannot be changed by the bot.", ""),
    "edit_window_closed": (
        "The workspace's settings no longer let this message be edited.",
        "Allow message editing at any time in the workspace settings.",
    ),
    "thread_not_found": ("The thread was deleted.", ""),
    "name_taken": ("A channel of this name exists already.", ""),
    "invalid_name_specials": ("The channel name has characters that Slack does not allow.", ""),
    "msg_too_long": ("The text is longer than Slack allows.", ""),
    "msg_blocks_too_long": ("The blocks are longer than Slack allows.", ""),
    "invalid_blocks": ("Slack does not accept these blocks.", ""),
    "too_many_bookmarks": ("The channel has as many bookmarks as Slack allows.", "Remove one."),
    "file_uploads_disabled": ("File uploads are switched off in this workspace.", _ADMIN),
    "storage_limit_reached": (
        "The workspace has no room for files left.",
        "Delete files or raise the limit.",
    ),
}


class SlackRefused(Refused):
    """Slack's own word for a refusal is `code`; `answer` is the whole answer."""

    def __init__(self, sentence: str, *, remedy: str = "", code: str, answer: dict[str, Any]) -> None:
        super().__init__(sentence, remedy=remedy)
        self.code = code
        self.answer = answer


def classify(error: Exception, *, method: str, writing: bool) -> PortError:
    """What `error` of a call to `method` means for the caller. The caller raises the result `from error`."""
    if isinstance(error, SlackApiError):
        return _answered(error, method=method, writing=writing)
    if isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
        remedy = (
            "Check the network, the proxy (HTTPS_PROXY) and the certificates (SSL_CERT_FILE) of this machine."
        )
        return Unavailable(f"Slack cannot be reached for {method}: {_short(error)}.", remedy=remedy)
    return _lost(f"Slack's answer to {method} got lost: {_short(error)}.", writing=writing)


def retry_after(headers: Any) -> float:
    """Seconds that Slack asks to wait; header names are case-insensitive."""
    found = {str(name).lower(): value for name, value in dict(headers or {}).items()}.get("retry-after")
    try:
        return max(0.0, float(str(found)))
    except ValueError:
        return DEFAULT_RETRY_S


def _answered(error: SlackApiError, *, method: str, writing: bool) -> PortError:
    response = error.response
    data = getattr(response, "data", None)
    answer: dict[str, Any] = data if isinstance(data, dict) else {}
    # A body that is no JSON at all comes as aiohttp's own response, which names the status differently.
    status = int(getattr(response, "status_code", 0) or getattr(response, "status", 0) or 0)
    code = str(answer.get("error") or "")
    if code in _RATE_LIMITED or status == 429:
        wait = retry_after(getattr(response, "headers", None))
        return Unavailable(
            f"Slack limits the rate of {method}; it asks to wait {wait:.0f} s.", retry_after_s=wait
        )
    if code in _HALF_DONE or (not code and not 400 <= status < 500):
        return _lost(f"Slack failed in {method} ({code or f'HTTP {status}'}).", writing=writing)
    if code in _PASSING:
        return Unavailable(f"Slack cannot do {method} now ({code}).", retry_after_s=DEFAULT_RETRY_S)
    return _declined(code or f"http_{status}", answer, method=method)


def _declined(code: str, answer: dict[str, Any], *, method: str) -> PortError:
    if code == "missing_scope":
        needed = str(answer.get("needed") or "a scope")
        return AuthFailed(f"Slack refused {method}: the app lacks the scope {needed}.", remedy=_REINSTALL)
    if code in _AUTH:
        sentence, remedy = _AUTH[code]
        return AuthFailed(f"{sentence} ({method}: {code})", remedy=remedy)
    sentence, remedy = _REFUSED.get(code, (f"Slack refused {method}: {code}.", ""))
    if code in _REFUSED:
        sentence = f"{sentence} ({method}: {code})"
    details = answer.get("response_metadata")
    messages = details.get("messages") if isinstance(details, dict) else None
    if messages:
        sentence = f"{sentence} {'; '.join(str(m) for m in messages[:3])}"
    return SlackRefused(sentence, remedy=remedy, code=code, answer=answer)


def _lost(sentence: str, *, writing: bool) -> PortError:
    return OutcomeUnknown(sentence) if writing else Unavailable(sentence)


def _short(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else text[:157] + "…"
