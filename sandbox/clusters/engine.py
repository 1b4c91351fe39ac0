"""A Docker daemon's own HTTP interface, as far as the clusters need it."""

import http.client
import json
import socket
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlencode, urlsplit

from sandbox.clusters.errors import ClusterError

API = "/v1.41"


class EngineError(ClusterError):
    """The daemon declined; `status` is the HTTP status, 0 when there was no answer."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Engine:
    """A daemon at `unix:///path` or `tcp://host:port`."""

    def __init__(self, docker_host: str) -> None:
        self.docker_host = docker_host

    def _connect(self, timeout_s: float) -> http.client.HTTPConnection:
        parts = urlsplit(self.docker_host)
        if parts.scheme == "unix":
            return _UnixConnection(parts.path, timeout_s)
        if parts.scheme == "tcp" and parts.hostname:
            return http.client.HTTPConnection(parts.hostname, parts.port or 2375, timeout=timeout_s)
        raise ClusterError(f"{self.docker_host} is no address of a Docker daemon: use unix:///… or tcp://….")

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: Any = None,
        timeout_s: float = 60,
    ) -> Any:
        """Return the decoded answer (None when it is empty). A file as `body` is sent as a tar. Raises EngineError."""
        target = API + path + (f"?{urlencode(query)}" if query else "")
        headers = {"Content-Type": "application/json"}
        payload: bytes | IO[bytes] | None
        if body is None or isinstance(body, (str, int, float, list, dict)):
            payload = None if body is None else json.dumps(body).encode()
        else:
            payload = body
            headers = {"Content-Type": "application/x-tar"}
        connection = self._connect(timeout_s)
        try:
            connection.request(method, target, body=payload, headers=headers)
            response = connection.getresponse()
            raw = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(f"No answer from {self.docker_host} to {method} {path}: {error}.", 0) from error
        finally:
            connection.close()
        if response.status >= 400:
            raise EngineError(
                f"{method} {path} was answered with {response.status}: {_message(raw)}", response.status
            )
        return _decoded(raw)

    def answers(self) -> bool:
        try:
            self.ask("GET", "/version", timeout_s=5)
        except EngineError:
            return False
        return True

    def load(self, tar: Path) -> None:
        """Load images from a tar as `docker save` writes it."""
        with tar.open("rb") as file:
            answer = self.ask("POST", "/images/load", query={"quiet": "1"}, body=file, timeout_s=300)
        if isinstance(answer, dict) and "error" in answer:
            raise EngineError(f"{self.docker_host} could not load {tar}: {answer['error']}", 0)


def _message(raw: bytes) -> str:
    decoded = _decoded(raw)
    return str(decoded.get("message", decoded)) if isinstance(decoded, dict) else str(decoded)


def _decoded(raw: bytes) -> Any:
    """JSON, or the last line of a stream of JSON lines, or text."""
    text = raw.decode(errors="replace").strip()
    if not text:
        return None
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        pass
    try:
        return json.loads(text.splitlines()[-1])
    except json.JSONDecodeError:
        return text
