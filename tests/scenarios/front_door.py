"""What users come in by: a small real HTTP proxy that forwards to one of several places and tells what it served."""

import contextlib
import http.client
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_OWN = ("connection", "content-length", "transfer-encoding", "server", "date")

Answer = tuple[int, Mapping[str, str], bytes]
Choose = Callable[[], str | None]
"""The URL that the next request goes to; None: the maintenance page."""
Told = Callable[[bool, int, float], None]
"""Of each request: whether it went to the service, the status that the user got, and how many seconds it took."""
_PLAIN = {"Content-Type": "text/plain"}
_PAGE: Answer = (503, {"Content-Type": "text/html", "Retry-After": "5"}, b"<h1>Back soon</h1>")


class FrontDoor:
    """Answers 503 with a page in the place of the service, and 502 where the service takes no connection.

    `pages` are its own, as plain text, by their path; nobody is told of these.
    """

    def __init__(
        self, choose: Choose, told: Told, *, pages: Mapping[str, Callable[[], str]] | None = None
    ) -> None:
        self._choose = choose
        self._told = told
        self._pages = pages or {}
        door = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def serve(self) -> None:
                door._serve(self)

            do_GET = do_POST = serve  # noqa: N815 - http.server's names

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: object) -> None:
                """Users hang up."""

        self._server = Server(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        own = self._pages.get(handler.path)
        status, headers, body = self._passed_on(handler) if own is None else (200, _PLAIN, own().encode())
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _passed_on(self, handler: BaseHTTPRequestHandler) -> Answer:
        begun = time.perf_counter()
        place = self._choose()
        answer = _PAGE if place is None else _forwarded(place, handler.command, handler.path)
        self._told(place is not None, answer[0], time.perf_counter() - begun)
        return answer

    @contextlib.contextmanager
    def open(self) -> Iterator["FrontDoor"]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


def _forwarded(place: str, method: str, path: str) -> Answer:
    connection = http.client.HTTPConnection(str(urlsplit(place).netloc), timeout=10)
    with contextlib.closing(connection):
        try:
            connection.request(method, path, headers={"Connection": "close"})
            answer = connection.getresponse()
            kept = {n: v for n, v in answer.getheaders() if n.lower() not in _OWN}
            return answer.status, kept, answer.read()
        except (OSError, http.client.HTTPException):
            return 502, {}, b"{}"
