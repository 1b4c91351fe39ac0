"""The API server of our own Kubernetes, asked directly: a kubectl process costs more than most answers."""

import http.client
import json
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sandbox.clusters.errors import ClusterError


class ApiError(ClusterError):
    """The server declined; `status` is the HTTP status, 0 when there was no answer."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Api:
    def __init__(self, server: str, authority: Path, token: str) -> None:
        self._server = urlsplit(server)
        self._authority = authority
        self._token = token

    def ask(self, method: str, path: str, *, body: Any = None, timeout_s: float = 10) -> Any:
        """Return the decoded answer, or text where it is none. Raises ApiError."""
        try:
            trust = ssl.create_default_context(cafile=str(self._authority))
            connection = http.client.HTTPSConnection(
                self._server.hostname or "", self._server.port, timeout=timeout_s, context=trust
            )
            try:
                headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
                payload = None if body is None else json.dumps(body)
                connection.request(method, path, body=payload, headers=headers)
                response = connection.getresponse()
                raw = response.read().decode(errors="replace")
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            raise ApiError(
                f"No answer from {self._server.geturl()} to {method} {path}: {error}.", 0
            ) from error
        if response.status >= 400:
            raise ApiError(
                f"{method} {path} was answered with {response.status}: {raw[:300]}", response.status
            )
        try:
            return json.loads(raw)
        except json.JSONDecodeError:
            return raw
