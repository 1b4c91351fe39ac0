"""Runs a program from an argv list: no shell, a deadline, and none of the bot's secrets in its environment."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bot.ports.errors import Refused

# The bot's own environment holds Slack's tokens, so a program gets these names of it and what it is given.
INHERITED = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"}
)
KILL_AFTER_S = 1.0  # from SIGTERM to SIGKILL
LAST_LINES, LAST_LINE = 20, 300  # how much is kept of what a program said: lines, and characters of a line

_SECRET_NAME = re.compile(r"(?i)pass|token|secret|key|credential")
_SECRETS = (
    re.compile(
        r"(?i)((?:pass(?:word|wd)?|token|secret|api[-_]?key|authorization)\w*[\"']?\s*[=:]\s*)"
        r"(?!(?:YES|NO)\))(?:bearer\s+)?\S+"
    ),
    re.compile(r"(?i)(--(?:pass(?:word|wd)?|token|secret|api-?key)\s+)\S+"),
    re.compile(r"(?i)(bearer\s+)\S+"),
    re.compile(r"(://[^/\s:@]*:)[^/\s@]+(?=@)"),
    re.compile(r"()\bx(?:ox[a-z]|app)-[\w-]+"),
)


class TimedOut(Exception):
    """The program did not end in time; its whole process group has been killed."""


@dataclass(frozen=True)
class Finished:
    """How a program ended. `said` are its last lines on stderr, without secrets; often none."""

    code: int
    stdout: bytes
    said: tuple[str, ...]

    @property
    def last_line(self) -> str:
        """What it said last, or an empty text."""
        return self.said[-1] if self.said else ""


def redact(text: str) -> str:
    """`text` without what looks like a password, a token or a key."""
    for pattern in _SECRETS:
        text = pattern.sub(r"\1[redacted]", text)
    return text


def without(text: str, environment: Mapping[str, str]) -> str:
    """`text` without the values of those variables whose names sound like a secret."""
    for name, value in environment.items():
        if value and _SECRET_NAME.search(name):
            text = text.replace(value, "[redacted]")
    return text


async def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    on_start: Callable[[int], None] = lambda _pid: None,
) -> Finished:
    """Run `argv` and wait until it has ended.

    `environment` is added to the few variables of `INHERITED`; those of its values whose names sound like a
    secret are taken out of what is told. `on_start` is told the process's id, at once. What the program leaves
    in the background keeps running. Raises Refused when the program cannot be started at all, TimedOut after
    `timeout_s` seconds.
    """
    inherited = {name: value for name, value in os.environ.items() if name in INHERITED}
    # Files and not pipes: a program that leaves a daemon behind would otherwise never seem to end.
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        try:
            # Not asyncio's own subprocess: when its start is cancelled together with everything else, as at
            # the end of a run, it waits for ever.
            process = subprocess.Popen(  # noqa: ASYNC220 - starting takes a few milliseconds
                argv,
                cwd=cwd,
                env=inherited | dict(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        except OSError as error:
            raise Refused(
                f"{argv[0]} cannot be started: {error.strerror}.",
                remedy="Install it where the bot runs, or correct the command in the settings.",
            ) from error
        ended = _end_of(process)
        try:
            on_start(process.pid)
            async with asyncio.timeout(timeout_s):
                code = await asyncio.shield(ended)
        except TimeoutError as error:
            raise TimedOut(f"{argv[0]} did not end within {timeout_s:g} s.") from error
        finally:
            if not ended.done():
                await _kill(process.pid, ended)
        return Finished(code, _read(stdout), _said(_read(stderr), environment or {}))


def _end_of(process: subprocess.Popen[bytes]) -> asyncio.Future[int]:
    """The exit code, once it is known. A thread of its own: the shared ones have other work."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def tell(code: int) -> None:
        if not ended.done():
            ended.set_result(code)

    def wait() -> None:
        code = process.wait()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know any more
            loop.call_soon_threadsafe(tell, code)

    threading.Thread(target=wait, name=f"wait-{process.pid}", daemon=True).start()
    return ended


async def _kill(group: int, ended: asyncio.Future[int]) -> None:
    """End a process and everything it started in its group."""
    try:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGTERM)
        await asyncio.wait([ended], timeout=KILL_AFTER_S)
    finally:
        with contextlib.suppress(ProcessLookupError):  # its children may have ignored the first signal
            os.killpg(group, signal.SIGKILL)
    await asyncio.shield(ended)


def _read(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def _said(stderr: bytes, environment: Mapping[str, str]) -> tuple[str, ...]:
    text = without(stderr.decode(errors="replace"), environment)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return tuple(redact(line)[:LAST_LINE] for line in lines[-LAST_LINES:])
