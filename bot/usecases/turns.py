"""One at a time: what two must never do to the same thing at once."""

import asyncio
from weakref import WeakValueDictionary


class Turns:
    """A lock for each name, kept for as long as somebody holds it or waits for it.

    Backups take turns by `Backups.identity`, since two services may have the same database: pruning removes what is
    unfinished, and not every destination can tell whether somebody still writes it.
    """

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())
