"""A change that is under way on a host, noted there beside the link, so that it outlives the bot that began it.

The note is there from before the link moves until the restart has ended well. A bot that is killed, or that loses the
connection, may leave the restart running, and nobody may start a second one beside it: so the program appends its own
process id before it starts, and there is no moment in which it runs and nobody can know.
"""

import asyncio
import json
import posixpath
import time
from collections.abc import Awaitable, Callable

from bot.domain.base import Version
from integrations.hosts.machine import Machine
from integrations.hosts.remote import last_pid

POLL_S = 0.25
UNKNOWN_S = 5.0
"""A link that has moved and a note without a process id: the restart never began, or does so this very moment."""
_DEAD = "ZX"


class ChangeNote:
    """One file beside the link of a host. Raises DiskTrouble, Lost, PortError."""

    def __init__(self, machine: Machine, link: str, *, timeout_s: float) -> None:
        folder, name = posixpath.split(link)
        self.path = posixpath.join(folder, f".{name}.kaeru")
        self._machine = machine
        self._timeout_s = timeout_s

    async def there(self) -> bool:
        return await self._machine.read(self.path) is not None

    async def begin(self, key: str, goal: Version) -> None:
        """To be called before the link moves, and after `earlier_ended`: an older note is replaced in one step."""
        text = json.dumps({"key": key, "version": goal}) + "\n"
        if not await self._machine.create(self.path, text):
            fresh = f"{self.path}.new"
            await self._machine.remove(fresh)
            await self._machine.create(fresh, text)
            await self._machine.rename(fresh, self.path)

    async def end(self) -> None:
        """The change has ended, and nothing of it runs any more."""
        await self._machine.remove(self.path)

    async def earlier_ended(
        self, current: Callable[[], Awaitable[Version]], running: Callable[[], Awaitable[Version | None]]
    ) -> None:
        """Where somebody who is gone began a change, wait until its restart has ended, or its time is over.

        `current` is what the link names, `running` what answers: a restart that has reached its goal needs no more
        waiting for, and one of a change that has not moved the link yet has never begun.
        """
        began = time.monotonic()
        while (text := await self._machine.read(self.path)) is not None:
            waited = time.monotonic() - began
            goal, pid = _version(text), last_pid(text)
            if waited >= self._timeout_s or (goal is not None and await running() == goal):
                return
            if pid is None and (waited >= UNKNOWN_S or await current() != goal):
                return
            if pid is not None and not await self._runs(pid):
                return
            await asyncio.sleep(POLL_S)

    async def _runs(self, pid: int) -> bool:
        status = await self._machine.read(f"/proc/{pid}/stat")
        if status is None:
            # Where even the first process cannot be seen, nobody can tell.
            return await self._machine.read("/proc/1/stat") is None
        fields = status.rpartition(")")[2].split()
        return len(fields) > 2 and fields[0] not in _DEAD and fields[2] == str(pid)


def _version(text: str) -> Version | None:
    try:
        return str(json.loads(text.partition("\n")[0])["version"])
    except (ValueError, KeyError, TypeError):
        return None
