"""Errors named by what the caller does next. Adapters chain their client's exception (`raise … from`)."""


class PortError(Exception):
    """Something of the outside world went wrong.

    `str(error)` is a sentence without secrets; `remedy` says what a person can do, or is empty.
    """

    def __init__(self, sentence: str, *, remedy: str = "") -> None:
        super().__init__(sentence)
        self.remedy = remedy

    @property
    def advice(self) -> str:
        """The sentence and the remedy together."""
        return f"{self} {self.remedy}".strip()


class Unavailable(PortError):
    """Nothing was changed; the same call may succeed after `retry_after_s` seconds."""

    def __init__(self, sentence: str, *, retry_after_s: float = 1.0, remedy: str = "") -> None:
        super().__init__(sentence, remedy=remedy)
        self.retry_after_s = retry_after_s


class Refused(PortError):
    """The other side declines, and will decline again until a person changes something."""


class AuthFailed(Refused):
    """Credentials or rights are missing."""


class Gone(Refused):
    """What was to be looked at or changed does not exist, or not any more."""


class Conflict(PortError):
    """The world is not as it was when this was planned; nothing was changed. Plan again."""


class OutcomeUnknown(PortError):
    """The change may or may not have happened. Observe before anything is tried again.

    With `retry_after_s` the same call with the same key looks by itself, and may bring it to its end after so many seconds.
    """

    def __init__(self, sentence: str, *, retry_after_s: float | None = None, remedy: str = "") -> None:
        super().__init__(sentence, remedy=remedy)
        self.retry_after_s = retry_after_s
