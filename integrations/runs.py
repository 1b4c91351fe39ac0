"""Programs that outlive the bot: started once, found again by the next bot, never a second one beside the first.

What is known of the latest run lies in a folder of its own, readable by the bot's user alone: `order.json` (for which
step it was started, written before it is), what `runner.py` writes, and how far its output was read.
"""

import contextlib
import fcntl
import json
import os
import re
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.ports.errors import AuthFailed, Refused, Unavailable
from integrations import runner
from integrations.process import INHERITED, LAST_LINE, redact, without

LET_GO_S, GLANCE_S = 2.0, 0.2
MOST_LINES = 200  # of one reading
_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
_LONGEST = 64 * 1024  # bytes of one reading


@dataclass(frozen=True)
class Run:
    """The latest run. `code` is None while it is under way, and where nobody saw its end.

    `why` says why it was stopped or never started. `began_at` and `ended_at` are seconds since the epoch.
    """

    key: str
    goal: str
    began_at: float
    alive: bool
    ended_at: float | None = None
    code: int | None = None
    why: str = ""

    @property
    def is_over(self) -> bool:
        """How it ended is known."""
        return self.ended_at is not None

    @property
    def interrupted(self) -> bool:
        """It is gone, and nobody knows how far it came."""
        return not self.alive and self.ended_at is None


class Runs:
    """Everything here is quick and blocking: callers use a thread. Raises AuthFailed, Refused, Unavailable."""

    def __init__(
        self,
        folder: Path,
        *,
        timeout_s: float,
        grace_s: float = 5.0,
        limit: int = 1024 * 1024,
        keep_output: bool = True,
    ) -> None:
        """With `keep_output` False what was printed is removed once the program has ended and all of it was read."""
        self._folder = folder
        self._keep_output = keep_output
        self._timeout_s = timeout_s
        self._grace_s = grace_s
        self._limit = limit

    def latest(self) -> Run | None:
        """None also where a bot was killed just before it had started what it had ordered."""
        with self._errors():
            order = _read(self._folder / "order.json")
            if order is None:
                return None
            # In this order: one that ends in between was alive.
            alive = self._locked() or self._program_lives(order["id"])
            running, ended = self._of(order["id"], "running.json"), self._of(order["id"], "ended.json")
        if not alive and running is None:
            return None
        ended = ended or {}
        return Run(
            key=order["key"],
            goal=order["goal"],
            began_at=order["at"],
            alive=alive and not ended,
            ended_at=ended.get("at"),
            code=ended.get("code"),
            why=ended.get("why", ""),
        )

    def start(
        self, argv: Sequence[str], *, key: str, goal: str, cwd: Path, environment: Mapping[str, str]
    ) -> bool:
        """Start `argv`. False, and nothing is started, where a run is under way already."""
        with self._errors():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                if not self._free(lock):
                    return False
                run = secrets.token_hex(8)
                runner.write(self._folder / "order.json", {"id": run, "key": key, "goal": goal})
                for name in ("output.log", "read.json"):
                    (self._folder / name).unlink(missing_ok=True)
                os.close(os.open(self._folder / "output.log", os.O_CREAT | os.O_WRONLY, 0o600))
                # The lock goes with the process: a bot that is killed here has started it or has not.
                self._spawn(argv, run, lock, cwd, environment)
            finally:
                os.close(lock)
        return True

    def lines(self, environment: Mapping[str, str]) -> tuple[str, ...]:
        """What was printed since the last reading, whole lines without secrets. Each is given once, also to a new bot."""
        with self._errors():
            place = _read(self._folder / "read.json") or {"offset": 0}
            try:
                size = (self._folder / "output.log").stat().st_size
            except FileNotFoundError:
                return ()
            offset, cut = int(place["offset"]), list[str]()
            if size < offset:
                offset, cut = 0, ["… (more was printed than is kept)"]
            with (self._folder / "output.log").open("rb") as out:
                out.seek(offset)
                text = out.read(_LONGEST)
            over = self._is_over()
            whole = text[: text.rfind(b"\n") + 1]
            if not whole and (len(text) == _LONGEST or over):
                whole = text  # a line without an end
            if whole or cut:
                runner.write(self._folder / "read.json", {"offset": offset + len(whole)})
            if over and not self._keep_output and offset + len(whole) >= size:
                (self._folder / "output.log").unlink(missing_ok=True)
            if not whole and not cut:
                return ()
        found = [line for line in whole.decode(errors="replace").split("\n") if line.strip()]
        dropped = len(found) - MOST_LINES
        if dropped > 0:
            cut.append(f"… ({dropped} lines)")
        return (*cut, *(told(line, environment) for line in found[-MOST_LINES:]))

    def _free(self, lock: int) -> bool:
        """Take the lock, unless a program is under way. Whoever looked after one that has ended lets go in a moment."""
        order = _read(self._folder / "order.json")
        over = order is not None and self._of(order["id"], "ended.json") is not None
        # Somebody who only looks holds it for some microseconds.
        until = time.monotonic() + (LET_GO_S if over else GLANCE_S)
        while not _lock(lock, fcntl.LOCK_EX):
            if time.monotonic() >= until:
                return False
            time.sleep(0.02)
        return order is None or not self._program_lives(order["id"])

    def _spawn(
        self, argv: Sequence[str], run: str, lock: int, cwd: Path, environment: Mapping[str, str]
    ) -> None:
        inherited = {name: value for name, value in os.environ.items() if name in INHERITED}
        numbers = (self._timeout_s, self._grace_s, self._limit)
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", runner.__file__, str(self._folder), run, *map(str, numbers), *argv],
            cwd=cwd,
            env=inherited | dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=(lock,),
        )
        threading.Thread(target=process.wait, name=f"wait-{process.pid}", daemon=True).start()

    def _is_over(self) -> bool:
        order = _read(self._folder / "order.json")
        return not self._locked() or (order is not None and self._of(order["id"], "ended.json") is not None)

    def _of(self, run: str, name: str) -> dict[str, Any] | None:
        """A file of this very run; one that an earlier run has left is none."""
        found = _read(self._folder / name)
        return found if found is not None and found["id"] == run else None

    def _locked(self) -> bool:
        try:
            handle = os.open(self._folder / "lock", os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            return not _lock(handle, fcntl.LOCK_SH)
        finally:
            os.close(handle)

    def _program_lives(self, run: str) -> bool:
        """Whether the program itself is there, although whoever looked after it has been killed."""
        noted: dict[str, Any] = (self._of(run, "running.json") or {}).get("program") or {}
        over = self._of(run, "ended.json") is not None
        return bool(noted) and not over and runner.identity(int(noted["pid"])) == noted

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except PermissionError as error:
            raise AuthFailed(
                f"{error.filename} is not allowed to the bot's user: {error.strerror}.",
                remedy=f"Give the bot's user {self._folder} to read and write.",
            ) from error
        except (FileNotFoundError, NotADirectoryError) as error:
            raise Refused(
                f"There is no {error.filename}.", remedy="Correct the path in kaeru.yml."
            ) from error
        except (OSError, ValueError, KeyError) as error:
            raise Unavailable(
                f"What is known of the latest run in {self._folder} cannot be read or written: {error}."
            ) from error


def told(line: str, environment: Mapping[str, str]) -> str:
    """A line for people: without secrets and colours, as a terminal would show it in the end, and not too long."""
    shown = _CONTROL.sub("", line.rstrip("\r").rpartition("\r")[2])
    return redact(without(shown, environment)).rstrip()[:LAST_LINE]


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return found


def _lock(handle: int, how: int) -> bool:
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
