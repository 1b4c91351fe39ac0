"""One running release: a process that accepts on the supervisor's listening socket."""

import asyncio
import contextlib
import json
import socket
import sys
import time
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

# No site-packages and no user settings: the shop uses the standard library and starts in half the time.
PYTHON = (sys.executable, "-E", "-s", "-S", "-B")
PROBE = b"GET /version HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n"
NOTICE_S = 1.0  # from SIGTERM to "accepts no more"
FINISH_S = 8.0  # from "accepts no more" to the end; the shop itself stops after about 6 s


class DidNotStart(Exception):
    """The release did not come up; the message is a sentence."""


class Child:
    def __init__(self, version: str, process: Process) -> None:
        self.version = version
        self.process = process
        self.since = time.monotonic()
        self.started_at = ""
        self.last_words = ""
        self._accepting = asyncio.Event()
        self._draining = asyncio.Event()
        self._readers = [asyncio.create_task(self._read_stdout()), asyncio.create_task(self._read_stderr())]

    @property
    def pid(self) -> int:
        return self.process.pid

    @classmethod
    async def start(cls, release: Path, listener: socket.socket, log: Path, timeout_s: float) -> "Child":
        """Start a release and return once it has answered /version and accepts connections.

        The question goes over a private connection that the process serves before any other, so a release
        that does not answer never gets a customer. Raises DidNotStart, after which no process is left.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            fds = (listener.fileno(), theirs.fileno())
            process = await asyncio.create_subprocess_exec(
                *PYTHON, "-m", "shop",
                "--listen-fd", str(fds[0]), "--probe-fd", str(fds[1]), "--log", str(log),
                cwd=release, stdin=PIPE, stdout=PIPE, stderr=PIPE, pass_fds=fds, start_new_session=True,
            )  # fmt: skip
        child = cls(release.name, process)
        try:
            async with asyncio.timeout(timeout_s):
                await child._come_up(ours)
        except TimeoutError as error:
            await child.kill()
            raise DidNotStart(f"{child.version} did not answer /version within {timeout_s:g} s.") from error
        except BaseException:
            await child.kill()
            raise
        return child

    async def _come_up(self, connection: socket.socket) -> None:
        told = await _ask_version(connection)
        if told is None:
            await self.ended()
            reason = f"exit {self.process.returncode}"
            raise DidNotStart(f"{self.version} did not start ({reason}): {self.last_words}")
        if told["version"] != self.version:
            raise DidNotStart(f"The process of {self.version} says that it is {told['version']}.")
        self.started_at = told["started_at"]
        await self._accepting.wait()

    def as_dict(self) -> dict[str, Any]:
        return {"version": self.version, "pid": self.pid, "started_at": self.started_at}

    async def stop_accepting(self) -> None:
        """Send SIGTERM; return when the process accepts no more connections, or has ended."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        waits = [asyncio.create_task(self._draining.wait()), asyncio.create_task(self.process.wait())]
        done, pending = await asyncio.wait(waits, timeout=NOTICE_S, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        if not done:
            await self.kill()

    async def finish(self) -> None:
        """Wait until the last request is answered and the process has ended; after `FINISH_S`, kill it."""
        try:
            async with asyncio.timeout(FINISH_S):
                await self.ended()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.ended()

    async def ended(self) -> None:
        await self.process.wait()
        await asyncio.gather(*self._readers)

    async def _read_stdout(self) -> None:
        assert self.process.stdout is not None  # noqa: S101 - PIPE was asked for
        notices = {b"accepting\n": self._accepting, b"draining\n": self._draining}
        async for line in self.process.stdout:
            if line in notices:
                notices[line].set()

    async def _read_stderr(self) -> None:
        assert self.process.stderr is not None  # noqa: S101 - PIPE was asked for
        async for line in self.process.stderr:
            if text := line.decode(errors="replace").strip():
                self.last_words = text
                print(f"[{self.version} {self.pid}] {text}", file=sys.stderr, flush=True)


async def _ask_version(connection: socket.socket) -> dict[str, Any] | None:
    """What the process says about itself; None when it hung up without an answer."""
    reader, writer = await asyncio.open_connection(sock=connection)
    try:
        writer.write(PROBE)
        reply = await reader.read()
    except ConnectionError:
        return None
    finally:
        writer.close()
    head, _, body = reply.partition(b"\r\n\r\n")
    if not head:
        return None
    status = head.split(b" ", 2)[1]
    if status != b"200":
        raise DidNotStart(f"/version was answered with {status.decode()} instead of 200.")
    answer: dict[str, Any] = json.loads(body)
    return answer
