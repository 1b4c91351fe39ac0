"""A proxy before moto's server that loses answers, or gives those that AWS gives and moto cannot."""

import http.client
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_ACTION = re.compile(rb"(?:^|&)Action=(\w+)")
_INVALIDATION = re.compile(r"/distribution/\w+/invalidation(/\w+)?")
_OWN = ("connection", "content-length", "transfer-encoding", "server", "date")

Alter = Callable[[bytes], bytes]


@dataclass
class Fault:
    """What happens to calls of `operation` instead of their being answered, `times` times, after `after` of them.

    `lost`: it happens, and the answer is lost. `answer`: this status and body, and it does not happen. `alter`: it
    happens, and the body of the answer is another one.
    """

    operation: str
    lost: bool = False
    answer: tuple[int, str] | None = None
    alter: Alter | None = None
    times: int = 1_000_000
    after: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    seen: int = 0

    def applies(self) -> bool:
        self.seen += 1
        return self.after < self.seen <= self.after + self.times


def declined(code: str, message: str) -> str:
    """An error as Elastic Load Balancing, STS and CloudFront write it."""
    return (
        "<ErrorResponse><Error><Type>Sender</Type>"
        f"<Code>{code}</Code><Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
    )


class AwsProxy:
    """`calls` are the operations that came by, in their order."""

    def __init__(self, host: str, port: int) -> None:
        self.calls: list[str] = []
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                proxy._serve(self, host, port)

            def do_POST(self) -> None:
                proxy._serve(self, host, port)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @contextmanager
    def faults(self, *faults: Fault) -> Iterator[None]:
        with self._lock:
            self._faults[:] = faults
        try:
            yield
        finally:
            with self._lock:
                self._faults.clear()

    def _serve(self, handler: BaseHTTPRequestHandler, host: str, port: int) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        operation = _operation(handler.command, handler.path, handler.headers.get("X-Amz-Target", ""), body)
        with self._lock:
            self.calls.append(operation)
            fault = next((f for f in self._faults if f.operation == operation and f.applies()), None)
        if fault is not None and fault.answer is not None:
            status, text = fault.answer
            _reply(handler, status, {"Content-Type": "text/xml", **fault.headers}, text.encode())
            return
        far = http.client.HTTPConnection(host, port, timeout=30)
        try:
            far.request(handler.command, handler.path, body, dict(handler.headers))
            answer = far.getresponse()
            content = answer.read()
        finally:
            far.close()
        if fault is not None and fault.lost:
            handler.close_connection = True
            return
        if fault is not None and fault.alter is not None:
            content = fault.alter(content)
        headers = {k: v for k, v in answer.getheaders() if k.lower() not in _OWN}
        _reply(handler, answer.status, headers, content)


def _reply(handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], content: bytes) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def _operation(method: str, path: str, target: str, body: bytes) -> str:
    if target:
        return target.rpartition(".")[2]
    if found := _ACTION.search(body):
        return found[1].decode()
    if invalidation := _INVALIDATION.search(path):
        if method == "POST":
            return "CreateInvalidation"
        return "GetInvalidation" if invalidation[1] else "ListInvalidations"
    return f"{method} {path}"
