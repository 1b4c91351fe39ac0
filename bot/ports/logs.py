"""The log of a service: its errors and warnings, counted and followed."""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Protocol

from bot.domain.logwatch import LogCounts, LogLine


class Logs(Protocol):
    """Reads one log, wherever its parts are. Changes nothing.

    Both methods raise Unavailable, Refused, AuthFailed. What they give is redacted.
    """

    @property
    def identity(self) -> str:
        """What this reads, the same for all that read the same; for people, without secrets."""
        ...

    async def counts(self, since: datetime, until: datetime) -> LogCounts:
        """What was written from `since` up to, but not including, `until`; both with a time zone.

        `complete` is False, with notes that say why, where part of it could not be read: a log that was thrown away,
        a pod that is gone, a limit that was reached. Raises ValueError where `until` is not after `since`.
        """
        ...

    def follow(self, since: datetime | None = None) -> AsyncGenerator[LogLine, None]:
        """Every error and warning from `since` on, or from now on, each once, until it is closed.

        Goes on where the log is rotated and its writers are replaced. Raises where the log cannot be read at all,
        and where it could not be read for half a minute.
        """
        ...

    async def aclose(self) -> None:
        """Let go of connections and files. Nothing is called afterwards."""
        ...
