"""The shop as processes of this machine: release folders behind a link, kept running by its supervisor."""

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox.demo import kaeru_yml
from sandbox.demo.places import GOOD
from sandbox.demo.ports import free_port
from sandbox.demo.processes import Child, StartError, run
from sandbox.shop.control import point_current
from sandbox.shop.releases.builder import build

READY_S = 60.0


def ready(root: Path) -> "Processes":
    return Processes(root)


class Processes:
    """A Place. Its log is beside `root`, where the other parts of the demo have theirs."""

    farewell = ""

    def __init__(self, root: Path) -> None:
        self.url = ""
        self._root = root
        self._supervisor: Child | None = None

    @property
    def where(self) -> str:
        return f"The shop runs as processes of this machine, from {self._root}."

    def target(self) -> Mapping[str, Any]:
        return kaeru_yml.symlink(self._root, self.url)

    async def start(self) -> None:
        await asyncio.to_thread(build, self._root, current=GOOD)
        await asyncio.to_thread(point_current, self._root, GOOD)
        port = free_port()
        argv = [sys.executable, "-m", "sandbox.shop.supervisor", "run"]
        argv += ["--root", str(self._root), "--port", str(port)]
        self._supervisor = Child("shop", argv, self._root.with_name("shop.log"))
        await self._supervisor.start()
        await _answering(port, self._supervisor)
        self.url = f"http://127.0.0.1:{port}"

    async def deploy(self, version: str) -> None:
        argv = [sys.executable, "-m", "sandbox.shop.supervisor", "deploy", version, "--root", str(self._root)]
        code, printed = await run(argv)
        if code != 0:
            raise StartError(f"Deploying {version} failed: {printed.strip()}")

    def dead(self) -> Sequence[str]:
        ended = self._supervisor is not None and not self._supervisor.running
        return ["shop"] if ended else []

    async def stop(self) -> None:
        if self._supervisor is not None:
            await self._supervisor.stop()
            self._supervisor = None


async def _answering(port: int, supervisor: Child) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError as error:
            if not supervisor.running:
                raise supervisor.failed("ended before it was ready") from error
            if time.monotonic() > deadline:
                raise StartError(
                    f"The shop does not answer at 127.0.0.1:{port} after {READY_S:.0f} s."
                ) from error
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
