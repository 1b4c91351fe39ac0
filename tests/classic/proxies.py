"""A real nginx and a real HAProxy in front of two colours, with a configuration and a folder of their own."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from integrations.bluegreen.settings import Colour, other
from tests.proxies import HaproxyProcess, NginxProcess

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


class Nginx(NginxProcess):
    def __init__(self, folder: Path, ports: Ports) -> None:
        self.ports = ports
        super().__init__(folder, NGINX, self.upstream("blue"))

    @property
    def switch(self) -> dict[str, Any]:
        return {
            "nginx": {
                "file": str(self.file),
                "upstream": "shop",
                "test": [*self.argv, "-t"],
                "reload": [*self.argv, "-s", "reload"],
                "pid_file": str(self.pid_file),
            }
        }

    def upstream(self, colour: Colour) -> str:
        """As a person writes it."""
        return f"upstream shop {{ server 127.0.0.1:{self.ports[colour]}; }}\n"

    def turn(self, colour: Colour) -> None:
        self.change(self.upstream(colour))

    def stands(self) -> Colour:
        return "blue" if f":{self.ports['blue']};" in self.file.read_text(encoding="ascii") else "green"

    def turns(self) -> int:
        return self.log.count(": reconfiguring")


@contextlib.contextmanager
def nginx(folder: Path, ports: Ports) -> Iterator[Nginx]:
    with Nginx(folder, ports) as started:
        yield started


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


class Haproxy(HaproxyProcess):
    def __init__(self, folder: Path, ports: Ports, *, level: str) -> None:
        super().__init__(folder, HAPROXY, level=level, **ports)

    @property
    def switch(self) -> dict[str, Any]:
        state_file = str(self.state_file)
        return {"haproxy": {"socket": str(self.admin), "backend": "shop", "state_file": state_file}}

    def turn(self, colour: Colour) -> None:
        self.change(f"set server shop/{colour} state ready; set server shop/{other(colour)} state drain")

    def stands(self) -> Colour:
        green = next(line for line in self.ask("show servers state shop").splitlines() if " green " in line)
        return "green" if int(green.split()[6]) & ~4 == 0 else "blue"

    def turns(self) -> int:
        """HAProxy says so each time, on the terminal."""
        return self.terminal.read_text(encoding="utf-8").count("enters drain state")


@contextlib.contextmanager
def haproxy(folder: Path, ports: Ports, *, level: str = "admin") -> Iterator[Haproxy]:
    with Haproxy(folder, ports, level=level) as started:
        yield started
