"""The processes of a real nginx and a real HAProxy. How each is configured stands with the tests that need it."""

import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.contract.shop import eventually


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def program(name: str) -> str:
    """Where Debian has put it; /usr/sbin is not in everybody's path."""
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        raise FileNotFoundError(f"{name} is not installed: apt-get install {name}")
    return found


class _Proxy:
    """What users come through, in a folder of its own. Only what it started itself is ended."""

    argv: Sequence[str]
    process: subprocess.Popen[bytes]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def terminal(self) -> Path:
        """What it says there."""
        return self.folder / "said.log"

    def start(self) -> None:
        with self.terminal.open("ab") as log:
            self.process = subprocess.Popen(self.argv, stdout=subprocess.DEVNULL, stderr=log)
        eventually(self.accepts)

    def accepts(self) -> bool:
        with socket.socket() as connection:
            connection.settimeout(1)
            return connection.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=15)

    def restart(self) -> None:
        """Forgets everything but its files."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class NginxProcess(_Proxy):
    """`template` has places for folder, port and user, and includes `kaeru/*.conf`: `first` is what stands there first."""

    def __init__(self, folder: Path, template: str, first: str) -> None:
        super().__init__(folder)
        (folder / "kaeru").mkdir(parents=True)
        self.file.write_text(first, encoding="ascii")
        user = "user root;" if Path("/proc/self").stat().st_uid == 0 else ""
        file = folder / "nginx.conf"
        file.write_text(template.format(folder=folder, port=self.port, user=user), encoding="ascii")
        self.argv = (program("nginx"), "-e", "stderr", "-p", str(folder), "-c", str(file))

    @property
    def file(self) -> Path:
        """The file that is kaeru's."""
        return self.folder / "kaeru" / "shop.conf"

    @property
    def pid_file(self) -> Path:
        return self.folder / "nginx.pid"

    @property
    def log(self) -> str:
        return (self.folder / "error.log").read_text(encoding="utf-8")

    def accepts(self) -> bool:
        return self.pid_file.exists() and super().accepts()

    def workers(self) -> set[int]:
        return {child.pid for child in psutil.Process(self.process.pid).children()}

    def change(self, text: str) -> None:
        """By hand: kaeru's file, at once, and what was read of it before no longer serves anybody."""
        before = self.workers()
        fresh = self.folder / "fresh.conf"
        fresh.write_text(text, encoding="ascii")
        fresh.replace(self.file)
        subprocess.run([*self.argv, "-s", "reload"], check=True, capture_output=True, timeout=20)
        eventually(lambda: bool(self.workers()) and not self.workers() & before)


class HaproxyProcess(_Proxy):
    """`template` has places for folder, port and whatever `names` has."""

    def __init__(self, folder: Path, template: str, **names: object) -> None:
        super().__init__(folder)
        self.state_file.parent.mkdir(parents=True)
        self.state_file.touch()
        file = folder / "haproxy.cfg"
        file.write_text(template.format(folder=folder, port=self.port, **names), encoding="ascii")
        self.argv = (program("haproxy"), "-f", str(file))

    @property
    def admin(self) -> Path:
        """The socket of its runtime API."""
        return self.folder / "admin.sock"

    @property
    def state_file(self) -> Path:
        return self.folder / "state" / "servers"

    def accepts(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            return connection.connect_ex(str(self.admin)) == 0 and super().accepts()

    def ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(self.admin))
            connection.sendall(f"{command}\n".encode())
            with connection.makefile("r") as answer:
                return answer.read()

    def change(self, orders: str) -> None:
        """As people do it: the orders, and then the file."""
        self.ask(orders)
        self.state_file.write_text(self.ask("show servers state"), encoding="ascii")
