"""A real nginx and a real HAProxy that split traffic, each with a configuration and a folder of its own."""

import asyncio
import contextlib
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from integrations.traffic.settings import HaproxyTrafficSettings, NginxTrafficSettings
from tests.classic.backends import Backend
from tests.contract.shop import eventually
from tests.proxies import HaproxyProcess, NginxProcess


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


class NginxDoor(NginxProcess):
    """Begins with everything to the service. Without `other` the rest is a maintenance page."""

    def __init__(self, folder: Path, service: Sequence[int], other: int | None) -> None:
        self.service, self.other = service, other
        super().__init__(folder, NGINX, self.split(1.0))

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
            "pid_file": self.pid_file,
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
        self.change(self.split(share))


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
  bind abns@kaeru-maintenance-{port}
  http-request return status 503 content-type text/html string "<h1>Back soon</h1>" hdr Retry-After 120
"""


class HaproxyDoor(HaproxyProcess):
    """Begins with everything to the service. Without `other` the rest is a maintenance page."""

    def __init__(self, folder: Path, service: Sequence[int], other: int | None) -> None:
        rest = "abns@kaeru-maintenance-{port}" if other is None else f"127.0.0.1:{other}"
        super().__init__(folder, HAPROXY.replace("{other}", rest), one=service[0], two=service[1])

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

    def set_by_hand(self, share: float) -> None:
        ours, rest = round(share * 100), round((1 - share) * 200)
        weights = {"web1": ours, "web2": ours, "other": rest}
        self.change("; ".join(f"set weight shop/{name} {weight}" for name, weight in weights.items()))


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
