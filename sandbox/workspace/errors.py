"""What a call can end with, other than an answer."""

from typing import Any


class SlackError(Exception):
    """A call answered `{"ok": false, "error": code, ...}`.

    `fields` are merged into the answer: `needed` and `provided` of a missing scope, `response_metadata`, ...
    """

    def __init__(self, code: str, **fields: Any) -> None:
        super().__init__(code)
        self.code = code
        self.fields = fields


class RateLimitedError(SlackError):
    """HTTP 429; `retry_after` is whole seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("ratelimited")
        self.retry_after = retry_after


class ManifestError(ValueError):
    """The manifest contradicts itself; the sentence says what to change."""
