"""One request, one `Probe`: never an exception for an ill service."""

import asyncio
import json
import secrets
import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache

import httpx
from pydantic import TypeAdapter, ValidationError

from bot.domain.base import Version
from bot.domain.evidence import Probe

NO_VERSION = "no version in the answer"
ODD_VERSION = "the version in the answer is not one"

_VERSION: TypeAdapter[str] = TypeAdapter(Version)

MAX_BODY = 64 * 1024  # bytes of an answer that are read for its version
FRESH = {"Cache-Control": "no-cache", "Pragma": "no-cache", "Accept": "application/json, */*"}


class ProbeClient:
    """Every request has a connection of its own: a kept one would still be answered by a replaced process."""

    def __init__(self, *, timeout_s: float, ca_file: str | None = None) -> None:
        """Raises OSError and ssl.SSLError for a `ca_file` that cannot be read."""
        self._timeout_s = timeout_s
        self._client = httpx.AsyncClient(
            verify=_trust(ca_file),
            limits=httpx.Limits(max_keepalive_connections=0),
            timeout=timeout_s,
            follow_redirects=False,
            trust_env=False,
        )

    async def aclose(self) -> None:
        await self._client.aclose()

    async def ask(
        self,
        url: str,
        *,
        endpoint: str,
        method: str = "GET",
        version_header: str | None = None,
        version_field: str | None = None,
    ) -> Probe:
        """Ask `url` once, past every cache; `endpoint` is its name in the Probe.

        An answer is good with a status below 300, and if `version_field` is given it also has to be JSON that
        names its version there. The latency includes the body. What does not look like a version is none:
        `error` says so then, also of an answer that is good without one.
        """
        at = datetime.now(UTC)
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout_s):  # httpx's own limits each single read, not the whole
                status, headers, body = await self._fetch(method, url)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            return Probe(endpoint=endpoint, at=at, ok=False, error=kind_of(error))
        latency_ms = round((time.perf_counter() - begun) * 1000, 2)
        problem = "" if status < 300 else f"HTTP {status}"
        version, note = None, ""
        if version_field:
            version, note = _checked(_field_of(body, version_field))
            problem = problem or note
        if version is None and version_header and version_header in headers:
            version, note = _checked(headers[version_header])
        return Probe(
            endpoint=endpoint,
            at=at,
            ok=not problem,
            status=status,
            latency_ms=latency_ms,
            version=version,
            error=problem or note,
        )

    async def _fetch(self, method: str, url: str) -> tuple[int, httpx.Headers, bytes]:
        params = {"_fresh": secrets.token_hex(8)}
        async with self._client.stream(method, url, params=params, headers=FRESH) as response:
            body = b""
            async for part in response.aiter_bytes():
                if len(body) < MAX_BODY:
                    body += part
            return response.status_code, response.headers, body


@cache
def _trust(ca_file: str | None) -> ssl.SSLContext:
    """One for all clients: reading the machine's certificates takes longer than all else about a client."""
    return ssl.create_default_context(cafile=ca_file)


def kind_of(error: BaseException) -> str:
    """A few words for what went wrong, without addresses or bodies."""
    causes = list(_causes(error))
    kinds: tuple[tuple[type[BaseException], str], ...] = (
        (ssl.SSLError, "TLS failure"),
        (socket.gaierror, "name not found"),
        (ConnectionRefusedError, "connection refused"),
        (ConnectionResetError, "connection reset"),
        (httpx.TimeoutException, "timeout"),
        (TimeoutError, "timeout"),
        (httpx.RemoteProtocolError, "connection closed without an answer"),
        (httpx.TransportError, "connection failed"),
    )
    for kind, words in kinds:
        if any(isinstance(cause, kind) for cause in causes):
            return words
    return "no valid answer"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for inner in error.exceptions:
                yield from _causes(inner)
        error = error.__cause__ or error.__context__


def _field_of(body: bytes, field: str) -> object:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found.get(field) if isinstance(found, dict) else None


def _checked(named: object) -> tuple[str | None, str]:
    """The version, or none and why not. It goes into commands and cards: anybody's text must not."""
    if named in (None, ""):
        return None, NO_VERSION
    try:
        return _VERSION.validate_python(named, strict=True), ""
    except ValidationError:
        return None, ODD_VERSION
