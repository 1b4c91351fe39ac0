"""Keeps the release that `current` points at running, and changes it without losing a request."""

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.shop.child import Child, DidNotStart
from sandbox.shop.control import ControlError, linked_release, state_file

START_TIMEOUT_S = 10.0
FIRST_DELAY_S, LONGEST_DELAY_S = 0.1, 5.0  # before a crashed release is started again
STABLE_S = 10.0  # a release that lived this long starts again with the first delay


class Keeper:
    """Owns the listening socket; releases come and go on it, so no connection is ever refused.

    A restart starts the new process, asks it for /version, and only then stops the old one. When the new one
    does not come up, the old one keeps serving and the restart fails. After a crash, and only then, the
    release that `current` points at is started, again and again with growing delays.
    """

    def __init__(self, root: Path, host: str, port: int) -> None:
        self.root = root
        self.host = host
        self.port = port
        self.child: Child | None = None
        self.draining: set[Child] = set()
        self.crashes = 0
        self.last_error: str | None = None
        self._switching = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises ControlError when another supervisor runs for this folder."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        linked_release(self.root)
        with self._alone(), self._listening() as listener, self._control_folder() as folder:
            self._listener = listener
            path = str(folder / "control.sock")
            async with await asyncio.start_unix_server(self._serve_control, path):
                keeping = asyncio.create_task(self._keep())
                self._write_state(path)
                await stop.wait()
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)
                listener.close()
                await self._stop_all()
            state_file(self.root).unlink(missing_ok=True)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def status(self) -> dict[str, Any]:
        try:
            linked: str | None = linked_release(self.root).name
        except ControlError:
            linked = None
        return {
            "supervisor_pid": os.getpid(),
            "url": self.url,
            "current": linked,
            "running": self.child.as_dict() if self.child else None,
            "draining": sorted(child.pid for child in self.draining),
            "crashes": self.crashes,
            "last_error": self.last_error,
        }

    async def restart(self, timeout_s: float) -> dict[str, Any]:
        """Change to what `current` points at now. Raises DidNotStart, ControlError; the old one then stays."""
        async with self._switching:
            old = self.child
            try:
                await self._start(timeout_s)
            except DidNotStart as error:
                stays = f" {old.version} keeps serving." if old else " Nothing is serving."
                self.last_error = f"{error}{stays}"
                raise DidNotStart(self.last_error) from error
            if old is not None:
                await self._retire(old)
        return self.status()

    async def _start(self, timeout_s: float) -> None:
        log = self.root / "log"
        log.mkdir(exist_ok=True)
        release = linked_release(self.root)
        self.child = await Child.start(release, self._listener, log / "shop.log", timeout_s)
        self.last_error = None

    async def _retire(self, old: Child) -> None:
        self.draining.add(old)
        await old.stop_accepting()
        task = asyncio.create_task(old.finish())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: self.draining.discard(old))

    async def _keep(self) -> None:
        delay = 0.0
        while True:
            if (child := self.child) is not None:
                await child.process.wait()
                if self.child is not child:
                    continue  # it was replaced; nothing is wrong
                self.child = None
                self.crashes += 1
                _say(
                    f"{child.version} (pid {child.pid}) ended with {child.process.returncode}; starting again."
                )
                if time.monotonic() - child.since > STABLE_S:
                    delay = 0.0
            await asyncio.sleep(delay)
            delay = min(max(FIRST_DELAY_S, delay * 2), LONGEST_DELAY_S)
            async with self._switching:
                if self.child is None:
                    try:
                        await self._start(START_TIMEOUT_S)
                    except (DidNotStart, ControlError) as error:
                        self.last_error = str(error)
                        _say(f"{error} Trying again in {delay:g} s.")

    async def _stop_all(self) -> None:
        async with self._switching:
            if self.child is not None:
                await self._retire(self.child)
                self.child = None
        await asyncio.gather(*self._tasks)

    async def _serve_control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            writer.write(json.dumps(await self._obey(await reader.readline())).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def _obey(self, line: bytes) -> dict[str, Any]:
        try:
            order = json.loads(line)
            match order["command"]:
                case "status":
                    return {"ok": True, **self.status()}
                case "restart":
                    return {"ok": True, **await self.restart(float(order["timeout"]))}
                case other:
                    return {"ok": False, "error": f"There is no command {other}; use status or restart."}
        except (DidNotStart, ControlError) as error:
            return {"ok": False, "error": str(error)}
        except (ValueError, KeyError, TypeError) as error:
            return {
                "ok": False,
                "error": f"A command is one line of JSON with `command`, `timeout`: {error!r}",
            }

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        state_file(self.root).parent.mkdir(exist_ok=True)
        with (self.root / "run" / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ControlError(
                    f"Another supervisor already runs for {self.root}; stop it first."
                ) from error
            yield

    @contextlib.contextmanager
    def _listening(self) -> Iterator[socket.socket]:
        try:
            listener = socket.create_server((self.host, self.port), backlog=128)
        except OSError as error:
            reason = f"Port {self.port} cannot be used ({error.strerror}); choose another one with --port."
            raise ControlError(reason) from error
        with listener:
            self.port = listener.getsockname()[1]
            yield listener

    @contextlib.contextmanager
    def _control_folder(self) -> Iterator[Path]:
        """A short path of its own: a unix socket's path has room for about 100 bytes."""
        with contextlib.suppress(FileNotFoundError):  # left behind by a supervisor that was killed
            left = Path(json.loads(state_file(self.root).read_text(encoding="utf-8"))["control"]).parent
            if left.name.startswith("shop-control-"):
                shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix="shop-control-") as folder:
            yield Path(folder)

    def _write_state(self, control: str) -> None:
        fresh = state_file(self.root).with_suffix(".new")
        state = {"pid": os.getpid(), "url": self.url, "control": control}
        fresh.write_text(json.dumps(state), encoding="utf-8")
        fresh.replace(state_file(self.root))
        print(f"The shop is on {self.url}", flush=True)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
