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

from integrations.bluegreen.settings import Colour, other
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
        raise FileNotFoundError(f"{name} is not installed: apt-get install {name}")
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


HAPROXY = """\
global
  stats socket {folder}/admin.sock mode 600 level {level}
  server-state-file {folder}/state/servers
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  load-server-state-from-file global
frontend users
  bind 127.0.0.1:{port}
  default_backend shop
backend shop
  server blue 127.0.0.1:{blue} check inter 5s
  server green 127.0.0.1:{green} check inter 5s disabled
"""


@dataclass
class Haproxy:
    folder: Path
    port: int
    level: str
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def socket(self) -> Path:
        return self.folder / "admin.sock"

    @property
    def state_file(self) -> Path:
        return self.folder / "state" / "servers"

    @property
    def switch(self) -> dict[str, Any]:
        state_file = str(self.state_file)
        return {"haproxy": {"socket": str(self.socket), "backend": "shop", "state_file": state_file}}

    def ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(self.socket))
            connection.sendall(f"{command}\n".encode())
            with connection.makefile("r") as answer:
                return answer.read()

    def turn(self, colour: Colour) -> None:
        """As people do it: the orders, and then the file."""
        self.ask(f"set server shop/{colour} state ready; set server shop/{other(colour)} state drain")
        self.state_file.write_text(self.ask("show servers state"), encoding="ascii")

    def stands(self) -> Colour:
        green = next(line for line in self.ask("show servers state shop").splitlines() if " green " in line)
        return "green" if int(green.split()[6]) & ~4 == 0 else "blue"

    def turns(self) -> int:
        """HAProxy says so each time, on the terminal."""
        return (self.folder / "haproxy.log").read_text(encoding="utf-8").count("enters drain state")

    def restart(self) -> None:
        """Forgets everything but its files."""
        self.stop()
        self.process = _start_haproxy(self.folder, self.port)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=15)


@contextlib.contextmanager
def haproxy(folder: Path, ports: Ports, *, level: str = "admin") -> Iterator[Haproxy]:
    port = free_port()
    (folder / "state").mkdir(parents=True)
    (folder / "state" / "servers").touch()
    text = HAPROXY.format(folder=folder, port=port, level=level, **ports)
    (folder / "haproxy.cfg").write_text(text, encoding="ascii")
    found = Haproxy(folder, port, level, _start_haproxy(folder, port))
    try:
        yield found
    finally:
        found.stop()


def _start_haproxy(folder: Path, port: int) -> subprocess.Popen[bytes]:
    argv = [program("haproxy"), "-f", str(folder / "haproxy.cfg")]
    with (folder / "haproxy.log").open("ab") as log:
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=log)
    eventually(lambda: _accepts(port) and _accepts_at(folder / "admin.sock"))
    return process


def _accepts_at(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(path)) == 0
