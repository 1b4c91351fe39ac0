"""Child processes that end with their parent, also where that is killed."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sandbox.demo import leash

STOP_S = 10.0


class StartError(Exception):
    """A part of the demo did not start; the message says which, why, and where its log is."""


class Child:
    """A process of the demo with its log. In a session of its own, so that Ctrl-C reaches only the demo itself."""

    def __init__(
        self, name: str, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        self._argv = argv
        self._env = {**os.environ, **(env or {})}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise StartError(f"The {self.name} has not been started.")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            # The kernel follows the thread that starts it: it has to be one that lives as long as the demo.
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", leash.__file__, str(os.getpid())),
                *self._argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=self._env,
                start_new_session=True,
            )

    async def first_line(self, timeout_s: float) -> dict[str, Any]:
        """The JSON line that the process prints when it is ready. Raises StartError."""
        stream = self._process.stdout if self._process else None
        if stream is None:
            raise StartError(f"The {self.name} has not been started.")
        try:
            line = await asyncio.wait_for(stream.readline(), timeout_s)
        except TimeoutError as error:
            raise self.failed(f"was not ready within {timeout_s:.0f} s") from error
        if not line:
            await self._end()
            raise self.failed("ended before it was ready")
        ready: dict[str, Any] = json.loads(line)
        return ready

    def failed(self, what: str) -> StartError:
        tail = self.log.read_text(errors="replace").strip().splitlines()[-3:] if self.log.exists() else []
        said = ["Its log ends with:", *tail] if tail else ["It has logged nothing."]
        return StartError(f"The {self.name} {what}. " + "\n  ".join(said))

    async def _end(self) -> None:
        """Of one that has closed its output: most are about to end, and say more in their log until then."""
        if self._process is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), STOP_S)
        await self.stop()

    async def stop(self) -> None:
        """Ask it to end, and where it does not, end it with everything it started."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_S)
        except TimeoutError:
            print(f"The {self.name} did not end within {STOP_S:.0f} s and is killed.", file=sys.stderr)
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def run(
    argv: Sequence[str],
    env: Mapping[str, str] | None = None,
    *,
    text: str | None = None,
    timeout_s: float = 60.0,
) -> tuple[int, str]:
    """Run a program to its end: its exit code and everything it printed. `text` is what it may read.

    Raises StartError when it is not installed, and after `timeout_s`.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL if text is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise StartError(f"{argv[0]} is not installed.") from error
    given = None if text is None else text.encode()
    try:
        printed, _ = await asyncio.wait_for(process.communicate(given), timeout_s)
    except TimeoutError as error:
        raise StartError(f"{' '.join(argv)} did not end within {timeout_s:.0f} s.") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, printed.decode(errors="replace")
