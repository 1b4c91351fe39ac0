"""One at a time: what two must never do to the same database at once."""

import asyncio


class Turns:
    """A lock for each `Backups.identity`: two services may have the same database.

    Pruning removes what is unfinished, and not every destination can tell whether somebody still writes it.
    """

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}

    def of(self, identity: str) -> asyncio.Lock:
        return self._locks.setdefault(identity, asyncio.Lock())
