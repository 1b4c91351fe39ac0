"""Web APIs on 127.0.0.1 that take nothing but what their documentation allows, and lose answers when told to."""

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema

Answer = tuple[int, Any]


class Api:
    """What a server knows. `problems` collects every request that its documentation does not allow.

    `fault` is what happens to the next write: "lost" (it is done, the answer never comes), "cut" (never done, no
    answer either), or a status with headers.
    """

    def __init__(self, authorization: str | None) -> None:
        self.authorization = authorization
        self.problems: list[str] = []
        self.writes = 0
        self.fault: str | tuple[int, dict[str, str]] | None = None
        self.read_fault: tuple[int, dict[str, str]] | None = None
        self.lock = threading.Lock()
        self.base = ""

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        raise NotImplementedError

    def is_write(self, method: str, path: str) -> bool:
        return method != "GET" and "/search" not in path

    def check(self, value: Any, schema: Mapping[str, Any], what: str) -> None:
        """Note what does not fit."""
        for error in jsonschema.Draft202012Validator(schema).iter_errors(value):
            self.problems.append(f"{what}: {error.json_path}: {error.message}")


def closed(properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    """A JSON schema that allows these and nothing else."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def log_message(self, *_: object) -> None: ...

    def _handle(self) -> None:
        url = urlsplit(self.path)
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        api = self.server.api
        with api.lock:
            given = self.headers.get("authorization")
            if given != api.authorization:
                self._send(401, {"message": f"Bad credentials: {given}"}, {})
            elif api.is_write(self.command, url.path):
                self._write(api, url.path, query, body)
            elif api.read_fault is not None:
                self._send(api.read_fault[0], {"message": "a fault"}, api.read_fault[1])
            else:
                self._send(*api.answer(self.command, url.path, query, body), {})

    def _write(self, api: Api, path: str, query: dict[str, str], body: Any) -> None:
        fault, api.fault = api.fault, None
        if isinstance(fault, tuple):
            self._send(fault[0], {"message": "a fault"}, fault[1])
            return
        if fault != "cut":
            api.writes += 1
            answer = api.answer(self.command, path, query, body)
            if fault is None:
                self._send(*answer, {})
                return
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, status: int, answer: Any, headers: Mapping[str, str]) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = _handle  # noqa: N815 - the names that the library looks for


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Closing waits for nobody: a client may keep its connection.
    block_on_close = False

    def __init__(self, api: Api, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.api = api


@contextmanager
def serving(api: Api, port: int = 0) -> Iterator[Api]:
    """Serve until the end of the block."""
    server = _Server(api, port)
    api.base = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
