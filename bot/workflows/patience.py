"""How long something is tried again, and how it ended once it is not."""

import asyncio
from collections.abc import Callable

from bot.ports import OutcomeUnknown, PortError


class Patience:
    """Lasts `for_s` seconds from now, or from the last `renew`.

    Between two tries it pauses for `first_s` seconds, with `longest_s` twice as long each time until it is that long,
    and never shorter than the error asks for. `clock` gives seconds, the running loop's where none is given.
    """

    def __init__(
        self,
        for_s: float,
        *,
        first_s: float = 1.0,
        longest_s: float | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._for_s = for_s
        self._first_s = first_s
        self._longest_s = first_s if longest_s is None else longest_s
        self._clock = asyncio.get_running_loop().time if clock is None else clock
        self._unknown = False
        self.renew()

    def renew(self) -> None:
        """Begin anew: it came further. That a try was unknown stays so."""
        self._until = self._clock() + self._for_s
        self._pause_s = self._first_s

    def pause_after(self, error: PortError) -> float | None:
        """Seconds until the next try; None where there is no time for it any more."""
        self._unknown = self._unknown or isinstance(error, OutcomeUnknown)
        asked: float | None = getattr(error, "retry_after_s", None)
        pause = max(self._pause_s, asked or 0.0)
        if self._clock() + pause >= self._until:
            return None
        self._pause_s = min(self._pause_s * 2, self._longest_s)
        return pause

    def final(self, error: PortError) -> PortError:
        """What to raise where `error` is the last one: what was unknown once is not known to be undone by a later try."""
        if not self._unknown or isinstance(error, OutcomeUnknown):
            return error
        unknown = OutcomeUnknown(error.advice)
        unknown.__cause__ = error
        return unknown
