"""Two small services that can fall ill, and that let a download wait: a shop finishes too soon for that."""

import contextlib
import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from integrations.bluegreen.settings import Colour
from tests.classic.colours import STARTS


class Backend:
    """One colour. Everything of it may be changed while it serves."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.status = 200  # of /health
        self.gate = threading.Event()  # /download sends its second half once this is set
        self.downloads = 0
        self.silent = False
        self.mute = False  # silent to everybody but those who ask for its health
        self.flickers = False  # every other answer of /health is a bad one
        self.colour = ""  # what X-Colour says, if anything

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(handler) -> None:  # noqa: N805 - http.server's name; `self` is the backend here
                self._answer(handler)

            def log_message(handler, *_: object) -> None:  # noqa: N805 - as above
                """Nobody reads it."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    def reset(self, version: str) -> None:
        self.version, self.status, self.silent, self.downloads = version, 200, False, 0
        self.colour, self.flickers, self.mute = "", False, False
        self.gate.set()
        self.gate = threading.Event()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = urlsplit(handler.path).path
        if self.silent or (self.mute and path != "/health"):
            handler.close_connection = True
        elif path == "/version":
            self._send(handler, 200, {"version": self.version})
        elif path == "/health":
            self._send(handler, self.status, {})
            if self.flickers:
                self.status = 500 if self.status == 200 else 200
        elif path == "/download":
            self._download(handler)
        else:
            self._send(handler, 404, {})

    def _send(self, handler: BaseHTTPRequestHandler, status: int, body: Mapping[str, Any]) -> None:
        content = json.dumps(body).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content)))
        handler.send_header("Connection", "close")
        if self.colour:
            handler.send_header("X-Colour", self.colour)
        handler.end_headers()
        handler.wfile.write(content)
        handler.close_connection = True

    def _download(self, handler: BaseHTTPRequestHandler) -> None:
        gate = self.gate
        handler.send_response(200)
        handler.send_header("Content-Length", "8")
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(b"half")
        handler.wfile.flush()
        self.downloads += 1
        gate.wait(60)
        with contextlib.suppress(ConnectionError):
            handler.wfile.write(b"full")
        handler.close_connection = True


Backends = Mapping[Colour, Backend]


@contextlib.contextmanager
def two_backends() -> Iterator[Backends]:
    with contextlib.ExitStack() as stack:
        backends: dict[Colour, Backend] = {}
        for colour, version in STARTS.items():
            backend = Backend(version)
            serving = threading.Thread(target=backend.server.serve_forever, kwargs={"poll_interval": 0.05})
            serving.start()
            stack.callback(serving.join)
            stack.callback(backend.server.server_close)
            stack.callback(backend.server.shutdown)
            stack.callback(lambda backend=backend: backend.gate.set())  # type: ignore[misc] # bound now, not later
            backends[colour] = backend
        yield backends


class Download(threading.Thread):
    """A slow download. `body` is what had come when it ended."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._url = url
        self.body = b""

    def run(self) -> None:
        connection = http.client.HTTPConnection(str(urlsplit(self._url).netloc), timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", "/download")
            with contextlib.suppress(http.client.IncompleteRead, ConnectionError):
                self.body = connection.getresponse().read()
