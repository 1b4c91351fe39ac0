"""The demo shop for tests: built once, copied per test, run by its real supervisor."""

import contextlib
import http.client
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sandbox.shop.control import ask
from sandbox.shop.releases import Shop

SUPERVISOR = (sys.executable, "-m", "sandbox.shop.supervisor")
PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class RunningShop:
    shop: Shop
    url: str
    process: subprocess.Popen[str]

    @property
    def root(self) -> Path:
        return self.shop.root

    def status(self) -> dict[str, Any]:
        return ask(self.root, "status")

    def command(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [*SUPERVISOR, name, *arguments, "--root", str(self.root)]
        return subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, timeout=30, check=False)

    def get(self, path: str, method: str = "GET") -> tuple[int, dict[str, str], Any]:
        """Status, headers and JSON body, over a connection of its own."""
        connection = http.client.HTTPConnection(str(urlsplit(self.url).netloc), timeout=10)
        with contextlib.closing(connection):
            connection.request(method, path, headers={"Connection": "close"})
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), json.loads(response.read())


def copied(shop: Shop, target: Path) -> Shop:
    """A shop of one's own, from one that was built before."""
    return Shop(Path(shutil.copytree(shop.root, target, symlinks=True)))


@contextlib.contextmanager
def running(shop: Shop) -> Iterator[RunningShop]:
    """The shop under its supervisor on a free port; nothing is left running afterwards."""
    argv = [*SUPERVISOR, "run", "--port", "0", "--root", str(shop.root)]
    with subprocess.Popen(argv, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert first.startswith("The shop is on http://127.0.0.1:"), first
            found = RunningShop(shop, first.split()[-1], process)
            assert found.get("/health")[0] == 200
            yield found
        finally:
            process.terminate()
            process.wait(timeout=15)


def eventually(condition: Callable[[], bool], timeout_s: float = 10) -> None:
    """Poll until the condition holds; fail with its name when the time is over."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"{condition} did not hold within {timeout_s} s"
        time.sleep(0.02)
