"""A shop behind a balancer, with users who come through it, and a wall before it that can make it ill."""

import asyncio
import contextlib
import http.client
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from bot.domain import events as e
from bot.ports.traffic import Traffic
from tests.contract.traffic_load import Load
from tests.contract.traffic_proxies import HaproxyDoor, NginxDoor
from tests.scenarios.world import Room, World

_OWN = ("connection", "content-length", "transfer-encoding", "server", "date")


class Wall:
    """Passes on to `target` what it is asked; answers 500 instead while it is `ill`. It is always healthy itself."""

    def __init__(self) -> None:
        self.target = ""
        self.ill = False

        class Handler(BaseHTTPRequestHandler):
            def do_GET(handler) -> None:  # noqa: N805 - http.server's name; `self` is the wall here
                self._answer(handler)

            def log_message(handler, *_: object) -> None:  # noqa: N805 - as above
                """Nobody reads it."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """Users and HAProxy's checks hang up when they know enough."""

        self._server = Server(("127.0.0.1", 0), Handler)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/health" or not self.target:
            status, headers, body = 200, {}, b"{}"
        else:
            status, headers, body = self._passed_on(handler.path)
        if self.ill and handler.path not in ("/health", "/version"):
            status = 500
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _passed_on(self, path: str) -> tuple[int, Mapping[str, str], bytes]:
        connection = http.client.HTTPConnection(str(urlsplit(self.target).netloc), timeout=10)
        with contextlib.closing(connection):
            try:
                connection.request("GET", path, headers={"Connection": "close"})
                answer = connection.getresponse()
                kept = {n: v for n, v in answer.getheaders() if n.lower() not in _OWN}
                return answer.status, kept, answer.read()
            except OSError:
                return 502, {}, b"{}"

    @contextlib.contextmanager
    def standing(self) -> Iterator["Wall"]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


@dataclass
class Street:
    """`door` is what users come through; `through` is how kaeru.yml describes it."""

    wall: Wall
    door: HaproxyDoor | NginxDoor
    through: Mapping[str, Any]

    def changes(self, **traffic: Any) -> dict[str, Any]:
        """What kaeru.yml says of the shop behind this door."""
        usual: dict[str, Any] = {
            "through": dict(self.through),
            "maintenance": "always",
            "stages": [25, 50, 100],
            "soak": "500ms",
            "patience": "60s",
            "max_error_rate": 0.05,
        }
        shop = {"traffic": {**usual, **traffic}, "health": {"url": self.wall.url}}
        return {"services": {"shop": shop}}

    @contextlib.asynccontextmanager
    async def users(self) -> AsyncIterator[Load]:
        """They come until the end of this."""
        load = Load(self.door.url, rps=80)
        coming = asyncio.create_task(load.run())
        try:
            yield load
        finally:
            load.stopped.set()
            await coming


def described(settings: Any, kind: str) -> dict[str, Any]:
    return {"kind": kind, **settings.model_dump(mode="json", exclude_unset=True)}


@contextlib.contextmanager
def haproxy_street(folder: Path) -> Iterator[Street]:
    """What does not reach the shop sees HAProxy's own maintenance page."""
    with Wall().standing() as wall, HaproxyDoor(folder, [wall.port, wall.port], None) as door:
        yield Street(wall, door, described(door.settings(), "haproxy"))


@contextlib.contextmanager
def nginx_street(folder: Path) -> Iterator[Street]:
    with Wall().standing() as wall, NginxDoor(folder, [wall.port, wall.port], None) as door:
        yield Street(wall, door, described(door.settings(), "nginx"))


def steering(world: World) -> Traffic:
    traffic = world.fleet.hands("shop").outside.traffic
    assert traffic is not None
    return traffic


async def shares(room: Room) -> list[float]:
    """What kaeru has set in this incident, in order."""
    return [event.share for event in await room.events(e.TrafficShifted)]


async def reached(room: Room, *wanted: float, timeout_s: float = 30) -> None:
    """Until these shares were set, one after the other."""

    async def look() -> bool:
        seen = await shares(room)
        if seen[: len(wanted)] != list(wanted)[: len(seen)]:
            why = [event.sentence for event in await room.events(e.TrafficShifted)]
            pytest.fail(f"{seen} instead of {list(wanted)}: {why}")
        return len(seen) >= len(wanted)

    await room.world.until(look, f"the shares {wanted}", timeout_s=timeout_s)
