"""A real nginx and a real HAProxy that split traffic, each with a configuration and a folder of its own."""

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from integrations.traffic.settings import HaproxyTrafficSettings, NginxTrafficSettings
from tests.classic.backends import Backend
from tests.classic.proxies import free_port, program
from tests.contract.shop import eventually


@contextlib.contextmanager
def serving(backend: Backend) -> Iterator[Backend]:
    told = backend.server.handle_error

    def tell(request: Any, address: Any) -> None:
        if not isinstance(
            sys.exception(), ConnectionError
        ):  # HAProxy's checks hang up once they know the status
            told(request, address)

    backend.server.handle_error = tell  # type: ignore[method-assign] # the server has no other way in
    thread = threading.Thread(target=backend.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield backend
    finally:
        backend.gate.set()
        backend.server.shutdown()
        backend.server.server_close()
        thread.join()


class _Door:
    """What users come through. Only what it started itself is ended."""

    argv: Sequence[str]
    port: int
    process: subprocess.Popen[bytes]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self.folder / "said.log").open("ab") as log:
            self.process = subprocess.Popen(self.argv, stdout=subprocess.DEVNULL, stderr=log)
        eventually(self.accepts)

    def accepts(self) -> bool:
        with socket.socket() as connection:
            connection.settimeout(1)
            return connection.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=15)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


NGINX = """\
daemon off;
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/error.log notice;
{user}
events {{ worker_connections 256; }}
http {{
  client_body_temp_path {folder}/tmp; proxy_temp_path {folder}/tmp; fastcgi_temp_path {folder}/tmp;
  uwsgi_temp_path {folder}/tmp; scgi_temp_path {folder}/tmp;
  include {folder}/kaeru/*.conf;
  server {{
    listen 127.0.0.1:{port};
    access_log {folder}/kaeru-shop.log kaeru_shop;
    error_page 503 @shop_maintenance;
    location / {{
      if ($shop_place = shop_maintenance) {{ return 503; }}
      proxy_pass http://$shop_place;
      proxy_buffering off;
    }}
    location @shop_maintenance {{
      default_type text/html;
      add_header Retry-After 120 always;
      return 503 "<h1>Back soon</h1>";
    }}
  }}
}}
"""
SPLIT = """\
# Made once by hand.
upstream shop_service {{ server 127.0.0.1:{one}; server 127.0.0.1:{two}; }}
{upstream}
split_clients $request_id $shop_place {{ {part} * {rest}; }}
log_format kaeru_shop '$msec $status $shop_place';
"""


class NginxDoor(_Door):
    """Begins with everything to the service. Without `other` the rest is a maintenance page."""

    def __init__(self, folder: Path, service: Sequence[int], other: int | None) -> None:
        super().__init__(folder)
        self.service, self.other = service, other
        (folder / "kaeru").mkdir()
        user = "user root;" if Path("/proc/self").stat().st_uid == 0 else ""
        text = NGINX.format(folder=folder, port=self.port, user=user)
        (folder / "nginx.conf").write_text(text, encoding="ascii")
        self.argv = [program("nginx"), "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]
        self.file.write_text(self.split(1.0), encoding="ascii")

    @property
    def file(self) -> Path:
        return self.folder / "kaeru" / "shop.conf"

    @property
    def log(self) -> str:
        return (self.folder / "error.log").read_text(encoding="utf-8")

    @property
    def access_log(self) -> Path:
        return self.folder / "kaeru-shop.log"

    def settings(self, **changes: Any) -> NginxTrafficSettings:
        usual = {
            "file": self.file,
            "name": "shop",
            "servers": tuple(f"127.0.0.1:{port}" for port in self.service),
            "otherwise": () if self.other is None else (f"127.0.0.1:{self.other}",),
            "split_by": "$request_id",
            "access_log": self.access_log,
            "test": (*self.argv, "-t"),
            "reload": (*self.argv, "-s", "reload"),
            "pid_file": self.folder / "nginx.pid",
        }
        return NginxTrafficSettings.model_validate({**usual, **changes})

    def split(self, share: float) -> str:
        """As a person writes it."""
        one, two = self.service
        rest = "shop_maintenance" if self.other is None else "shop_otherwise"
        upstream = (
            "" if self.other is None else f"upstream shop_otherwise {{ server 127.0.0.1:{self.other}; }}"
        )
        part = f"{share * 100:g}% shop_service;" if 0 < share < 1 else ""
        return SPLIT.format(
            one=one, two=two, upstream=upstream, part=part, rest="shop_service" if share == 1 else rest
        )

    def start(self) -> None:
        super().start()
        eventually(lambda: len(self.workers()) == 2)

    def set_by_hand(self, share: float) -> None:
        before = self.workers()
        fresh = self.folder / "fresh.conf"
        fresh.write_text(self.split(share), encoding="ascii")
        fresh.replace(self.file)
        subprocess.run([*self.argv, "-s", "reload"], check=True, capture_output=True, timeout=20)
        eventually(lambda: bool(self.workers()) and not self.workers() & before)

    def workers(self) -> set[int]:
        return {child.pid for child in psutil.Process(self.process.pid).children()}


HAPROXY = """\
global
  stats socket {folder}/admin.sock mode 600 level admin
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
  option httpchk GET /health
  server web1 127.0.0.1:{one} weight 10 check inter 200ms fall 1 rise 1
  server web2 127.0.0.1:{two} weight 10 check inter 200ms fall 1 rise 1
  server other {other} weight 0
frontend maintenance
  bind abns@{abns}
  http-request return status 503 content-type text/html string "<h1>Back soon</h1>" hdr Retry-After 120
"""


class HaproxyDoor(_Door):
    """Begins with everything to the service. Without `other` the rest is a maintenance page."""

    def __init__(self, folder: Path, service: Sequence[int], other: int | None) -> None:
        super().__init__(folder)
        (folder / "state").mkdir()
        self.state_file.touch()
        abns = f"kaeru-maintenance-{self.port}"
        address = f"abns@{abns}" if other is None else f"127.0.0.1:{other}"
        text = HAPROXY.format(
            folder=folder, port=self.port, one=service[0], two=service[1], other=address, abns=abns
        )
        (folder / "haproxy.cfg").write_text(text, encoding="ascii")
        self.argv = [program("haproxy"), "-f", str(folder / "haproxy.cfg")]

    @property
    def admin(self) -> Path:
        return self.folder / "admin.sock"

    @property
    def state_file(self) -> Path:
        return self.folder / "state" / "servers"

    def settings(self, **changes: Any) -> HaproxyTrafficSettings:
        usual = {
            "socket": self.admin,
            "backend": "shop",
            "servers": ("web1", "web2"),
            "otherwise": ("other",),
            "state_file": self.state_file,
        }
        return HaproxyTrafficSettings.model_validate({**usual, **changes})

    def start(self) -> None:
        super().start()
        # A server counts as up before it was asked for the first time.
        eventually(lambda: self.ask("show stat shop 4 -1").count("L7OK") == 2)

    def restart(self) -> None:
        """Forgets everything but its files."""
        self.stop()
        self.start()

    def ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(self.admin))
            connection.sendall(f"{command}\n".encode())
            with connection.makefile("r") as answer:
                return answer.read()

    def set_by_hand(self, share: float) -> None:
        """As people do it: the orders, and then the file."""
        ours, rest = round(share * 100), round((1 - share) * 200)
        weights = {"web1": ours, "web2": ours, "other": rest}
        self.ask("; ".join(f"set weight shop/{name} {weight}" for name, weight in weights.items()))
        self.state_file.write_text(self.ask("show servers state"), encoding="ascii")


class Line:
    """What lies between a bot and HAProxy's socket: it counts what changes something, and may lose the answers to it."""

    def __init__(self, admin: Path, path: Path) -> None:
        self._admin, self.path = admin, path
        self.changes = 0
        self.loses_answers = False

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Self]:
        server = await asyncio.start_unix_server(self._relay, str(self.path))
        async with server:
            yield self

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        command = await reader.readline()
        back, there = await asyncio.open_unix_connection(str(self._admin))
        there.write(command)
        answer = await back.read()
        if command.startswith(b"set "):
            self.changes += 1
        if not (command.startswith(b"set ") and self.loses_answers):
            writer.write(answer)
        for each in (there, writer):
            each.close()
