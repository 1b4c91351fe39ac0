"""The restart that is under way, noted beside the link, so that it outlives the bot that began it.

The restart command runs in a session of its own: a bot that is killed leaves it running. The next bot must not
start it a second time beside itself.
"""

import asyncio
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

_log = logging.getLogger(__name__)

POLL_S = 0.1
# Between the note and the start lie microseconds; where the note has no pid, nobody knows on which side of them.
UNKNOWN_S = 5.0


class RestartNote:
    """One file beside `link`. `timeout_s` is how long a restart may take; blocking calls are of one small file."""

    def __init__(self, link: Path, *, timeout_s: float) -> None:
        self._file = link.with_name(f".{link.name}.restart")
        self._timeout_s = timeout_s

    def begin(self, pid: int | None = None) -> None:
        """To be called before the restart, and again with its `pid`. Without the note a restart is as good as before."""
        try:
            fresh = self._file.with_name(f"{self._file.name}.new")
            fresh.write_text(json.dumps({"pid": pid}), encoding="ascii")
            fresh.replace(self._file)
        except OSError as error:
            _log.warning("The restart cannot be noted in %s: %s.", self._file, error.strerror)

    def end(self) -> None:
        """The restart has ended, or will not be waited for any longer."""
        try:
            self._file.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("The note %s cannot be taken away: %s.", self._file, error.strerror)

    async def earlier_ended(self, arrived: Callable[[], Awaitable[bool]]) -> None:
        """Where an earlier process left a restart behind, wait until it has ended, or its time is over.

        `arrived` says whether its goal is reached: it then needs no more waiting for.
        """
        while self._may_be_under_way():
            if await arrived():
                break
            await asyncio.sleep(POLL_S)
        self.end()

    def _may_be_under_way(self) -> bool:
        try:
            age = time.time() - self._file.stat().st_mtime
            noted = json.loads(self._file.read_text(encoding="ascii"))["pid"]
            pid = None if noted is None else int(noted)
        except FileNotFoundError:
            return False
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("The note %s cannot be read and is left aside: %s.", self._file, error)
            return False
        if pid is None:
            return age < min(UNKNOWN_S, self._timeout_s)
        return age < self._timeout_s and _runs(pid)


def _runs(pid: int) -> bool:
    """Whether the session that was started as `pid` is alive. A zombie is not: nobody may be there to reap it."""
    try:
        if os.getpgid(pid) != pid:
            return False
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except ProcessLookupError:
        return False
    except OSError:
        return True  # it is there; this system tells no more about it
    return status.rpartition(")")[2].split()[0] != "Z"
