"""The child process: a program whose output or input is a stream of any length, moved with bounded memory."""

import contextlib
import fcntl
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bot.ports.errors import Refused
from integrations.backups.streams import CHUNK, Source, in_thread
from integrations.process import INHERITED, KILL_AFTER_S, LAST_LINE, LAST_LINES, redact

_LONGEST = 16 * LAST_LINE  # of a line on stderr: a query may be quoted there
_MAY_WRITE_S = 5.0  # for what is left of stderr once the program has ended


@dataclass(frozen=True)
class Ended:
    """How a program ended. `said` are its last lines on stderr, without secrets; `cut` that it did not read all."""

    code: int
    said: tuple[str, ...]
    cut: bool = False

    @property
    def killed_by(self) -> str:
        """The name of the signal that ended it, or an empty text."""
        number = -self.code if self.code < 0 else self.code - 128  # a shell script tells 128 + n
        if self.code < 0 or self.code in (128 + signal.SIGKILL, 128 + signal.SIGTERM):
            return signal.Signals(number).name
        return ""

    def mentions(self, *phrases: str) -> bool:
        text = "\n".join(self.said).lower()
        return any(phrase.lower() in text for phrase in phrases)

    @property
    def gist(self) -> str:
        """The first line that says what went wrong, else the last one; without a full stop."""
        wrong = (line for line in self.said if "error" in line.lower() or "fatal" in line.lower())
        return next(wrong, self.said[-1] if self.said else "it said nothing").rstrip(". ")


async def pour(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    sink: Callable[[memoryview], object],
    secret: str | None = None,
    files: Sequence[int] = (),
) -> Ended:
    """Run `argv` and give everything it prints to `sink`, in a thread. What `sink` raises ends the program.

    `files` are the descriptors that the program may read besides; `secret` is taken out of what it says.
    """

    def move(process: subprocess.Popen[bytes]) -> bool:
        buffer = bytearray(CHUNK)
        view = memoryview(buffer)
        out = _piped(process.stdout)
        while count := out.readinto(buffer):  # type: ignore[attr-defined]  # unbuffered: a raw file
            sink(view[:count])
        return False

    return await _run(argv, environment, move, secret, files)


async def feed(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    source: Source,
    secret: str | None = None,
    files: Sequence[int] = (),
) -> Ended:
    """Run `argv` with `source` as its input. `source` is read to its end, unless the program fails before that."""

    def move(process: subprocess.Popen[bytes]) -> bool:
        pipe, cut = _piped(process.stdin), False
        while chunk := source.read(CHUNK):
            rest = memoryview(chunk)
            while rest and not cut:
                try:
                    rest = rest[pipe.write(rest) :]
                except BrokenPipeError:
                    cut = True
                    if process.wait() != 0:  # why, its exit code and its last lines say
                        return cut
        with contextlib.suppress(BrokenPipeError):
            pipe.close()
        return cut

    return await _run(argv, environment, move, secret, files, feeds=True)


async def _run(
    argv: Sequence[str],
    environment: Mapping[str, str],
    move: Callable[[subprocess.Popen[bytes]], bool],
    secret: str | None,
    files: Sequence[int],
    *,
    feeds: bool = False,
) -> Ended:
    process = _start(argv, environment, files, feeds=feeds)

    def attend() -> Ended:
        last: deque[bytes] = deque(maxlen=LAST_LINES)
        listener = threading.Thread(target=_listen, args=(process.stderr, last), daemon=True)
        listener.start()
        try:
            cut = move(process)
            process.wait()
        except BaseException:
            kill(process)
            raise
        finally:
            listener.join(_MAY_WRITE_S)
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()
        return Ended(process.returncode, _clean(last, secret), cut)

    return await in_thread(attend, on_cancel=threading.Thread(target=kill, args=(process,)).start)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End the program and all it started, and wait for it."""
    _signal(process, signal.SIGTERM)
    deadline = time.monotonic() + KILL_AFTER_S
    try:
        process.wait(timeout=max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        _signal(process, signal.SIGKILL)
        process.wait()


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _start(
    argv: Sequence[str], environment: Mapping[str, str], files: Sequence[int], *, feeds: bool
) -> subprocess.Popen[bytes]:
    inherited = {name: value for name, value in os.environ.items() if name in INHERITED}
    try:
        process = subprocess.Popen(
            argv,
            env=inherited | dict(environment),
            stdin=subprocess.PIPE if feeds else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if feeds else subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            pass_fds=files,
            start_new_session=True,
        )
    except OSError as error:
        raise Refused(
            f"{argv[0]} cannot be started: {error.strerror}.",
            remedy="Install the database's client programs where kaeru runs, or set `programs`.",
        ) from error
    # Larger than the usual 64 KiB, so that the two processes wait less often for each other.
    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(_piped(process.stdin if feeds else process.stdout), fcntl.F_SETPIPE_SZ, CHUNK)
    return process


def _piped(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise TypeError("this end of the program is no pipe")
    return pipe


def _listen(stderr: IO[bytes], last: deque[bytes]) -> None:
    """Keep the last lines, however many there are and however long they get."""
    rest = b""
    while chunk := stderr.read(CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        last.extend(line[:_LONGEST] for line in lines if line.strip())
        rest = rest[:_LONGEST]
    if rest.strip():
        last.append(rest)


def _clean(lines: Sequence[bytes], secret: str | None) -> tuple[str, ...]:
    text = [line.decode(errors="replace").strip() for line in lines]
    return tuple(redact(line.replace(secret, "[redacted]") if secret else line)[:LAST_LINE] for line in text)


def program(folder: Path | None, *names: str) -> str:
    """The first of `names` that is installed. Raises Refused."""
    for name in names:
        for place in [folder] if folder else [Path(p) for p in os.get_exec_path()]:
            if os.access(place / name, os.X_OK):
                return str(place / name)
    raise Refused(
        f"There is no {' or '.join(names)} {f'in {folder}' if folder else 'in PATH'}.",
        remedy="Install the database's client programs where kaeru runs, or set `programs` to their folder.",
    )
