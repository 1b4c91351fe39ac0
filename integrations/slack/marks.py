"""How an operation's key travels to Slack, and how it is read back.

| what | where the key is |
|---|---|
| a message | `metadata.event_payload.key`, invisible |
| a shared file | the `block_id` of its comment's first block, invisible (an upload takes no metadata) |
| a channel | a short reference at the end of its purpose |
| a bookmark | nowhere: title and link together are unique enough |
"""

import hashlib
import re
from typing import Any

EVENT_TYPE = "kaeru"
MAX_PURPOSE = 250
MAX_BLOCK_ID = 255

_REFERENCE = re.compile(r" ?\[kaeru [0-9a-f]{10}\]$")


def metadata(key: str) -> dict[str, Any]:
    return {"event_type": EVENT_TYPE, "event_payload": {"key": key}}


def key_of(message: dict[str, Any]) -> str | None:
    """The key that a message carries, if it is one of ours."""
    given = message.get("metadata") or {}
    if given.get("event_type") != EVENT_TYPE:
        return None
    key = (given.get("event_payload") or {}).get("key")
    return str(key) if key is not None else None


def block_id(key: str) -> str:
    plain = f"kaeru:{key}"
    return plain if len(plain) <= MAX_BLOCK_ID else f"kaeru:{_digest(key)}"


def has_block(message: dict[str, Any], wanted: str) -> bool:
    return any(block.get("block_id") == wanted for block in message.get("blocks") or ())


def reference(key: str) -> str:
    """What stands at the end of a channel's purpose: 18 characters."""
    return f"[kaeru {_digest(key)[:10]}]"


def with_reference(purpose: str, ref: str) -> str:
    """The purpose with a reference, cut where it would not fit. An empty `ref` adds nothing."""
    room = MAX_PURPOSE - (len(ref) + 1 if ref else 0)
    return f"{cut(purpose, room)} {ref}".strip()


def reference_in(purpose: str) -> str:
    """The reference that a purpose ends with, or an empty string."""
    found = _REFERENCE.search(purpose)
    return found.group().strip() if found else ""


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
