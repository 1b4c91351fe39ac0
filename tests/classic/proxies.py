"""A real nginx and a real HAProxy in front of two colours, with a configuration and a folder of their own."""

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psutil
import pytest

from integrations.bluegreen.settings import Colour
from tests.contract.shop import eventually

Ports = Mapping[Colour, int]


class Proxy(Protocol):
    """Begins with blue. What is done here is done past kaeru."""

    @property
    def url(self) -> str: ...

    @property
    def switch(self) -> dict[str, Any]:
        """What stands under `switch` in kaeru.yml."""
        ...

    def turn(self, colour: Colour) -> None:
        """Somebody else switches, in the proxy's own way."""
        ...

    def stands(self) -> Colour: ...

    def turns(self) -> int:
        """How often it was switched so far."""
        ...


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def program(name: str) -> str:
    """Where Debian has put it; /usr/sbin is not in everybody's path."""
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        pytest.fail(f"{name} is not installed: apt-get install {name}")
    return found


NGINX = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log notice;
{user}
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  include {folder}/kaeru/*.conf;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://shop; proxy_buffering off; proxy_read_timeout 60s; }}
  }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    folder: Path
    port: int
    ports: Ports
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def argv(self) -> tuple[str, ...]:
        return (
            program("nginx"),
            "-e",
            "stderr",
            "-p",
            str(self.folder),
            "-c",
            str(self.folder / "nginx.conf"),
        )

    @property
    def file(self) -> Path:
        return self.folder / "kaeru" / "shop.conf"

    @property
    def switch(self) -> dict[str, Any]:
        return {
            "nginx": {
                "file": str(self.file),
                "upstream": "shop",
                "test": [*self.argv, "-t"],
                "reload": [*self.argv, "-s", "reload"],
                "pid_file": str(self.folder / "nginx.pid"),
            }
        }

    def upstream(self, colour: Colour) -> str:
        """As a person writes it."""
        return f"upstream shop {{ server 127.0.0.1:{self.ports[colour]}; }}\n"

    def turn(self, colour: Colour) -> None:
        before = self.workers()
        self.file.write_text(self.upstream(colour), encoding="ascii")
        subprocess.run([*self.argv, "-s", "reload"], check=True, capture_output=True, timeout=20)
        eventually(lambda: bool(self.workers()) and not self.workers() & before)

    def stands(self) -> Colour:
        return "blue" if f":{self.ports['blue']};" in self.file.read_text(encoding="ascii") else "green"

    def turns(self) -> int:
        return self.log.count(": reconfiguring")

    @property
    def log(self) -> str:
        return (self.folder / "error.log").read_text(encoding="utf-8")

    def workers(self) -> set[int]:
        return {child.pid for child in psutil.Process(self.process.pid).children()}


@contextlib.contextmanager
def nginx(folder: Path, ports: Ports) -> Iterator[Nginx]:
    (folder / "kaeru").mkdir(parents=True)
    found_port = free_port()
    user = "user root;" if Path("/proc/self").stat().st_uid == 0 else ""
    text = NGINX.format(folder=folder, port=found_port, user=user)
    (folder / "nginx.conf").write_text(text, encoding="ascii")
    argv = [program("nginx"), "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    upstream = f"upstream shop {{ server 127.0.0.1:{ports['blue']}; }}\n"
    (folder / "kaeru" / "shop.conf").write_text(upstream, encoding="ascii")
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: (folder / "nginx.pid").exists() and _accepts(found_port))
            yield Nginx(folder, found_port, ports, process)
        finally:
            process.terminate()
            process.wait(timeout=15)


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
