"""One request, one `Probe`: never an exception for an ill service."""

import asyncio
import json
import secrets
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

import httpx
from pydantic import TypeAdapter, ValidationError

from bot.domain.base import Version
from bot.domain.evidence import Probe
from integrations.http_health.words import (
    Scalar,
    end_of_certificate,
    kind_of,
    of_certificate,
    of_fields,
    of_status,
)
from integrations.process import redact

NO_VERSION = "no version in the answer"
ODD_VERSION = "the version in the answer is not one"

_VERSION: TypeAdapter[str] = TypeAdapter(Version)

MAX_BODY = 64 * 1024  # bytes of an answer that are read for its version
SHOWN = 80  # characters of an answer that are shown to whoever sets it up
FRESH = {"Cache-Control": "no-cache", "Pragma": "no-cache", "Accept": "application/json, */*"}


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: httpx.Headers
    body: bytes
    certificate_ends: datetime | None


class ProbeClient:
    """Every request has a connection of its own: a kept one would still be answered by a replaced process."""

    def __init__(self, *, timeout_s: float, ca_file: str | None = None, warn_days: int = 0) -> None:
        """Raises OSError and ssl.SSLError for a `ca_file` that cannot be read.

        A good answer with a certificate that ends within `warn_days` says so as its `error`.
        """
        self._timeout_s = timeout_s
        self._warn_days = warn_days
        self._heard: dict[str, tuple[str, bytes | None]] = {}
        self._client = httpx.AsyncClient(
            verify=_trust(ca_file),
            limits=httpx.Limits(max_keepalive_connections=0),
            # Sooner than the whole: a handshake that is cancelled from outside is not hung up by the library.
            timeout=httpx.Timeout(timeout_s, connect=timeout_s * 0.9),
            follow_redirects=False,
            trust_env=False,
        )

    async def aclose(self) -> None:
        await self._client.aclose()

    def heard(self, endpoint: str) -> str:
        """The address that was asked last for `endpoint` and how its answer began, redacted."""
        if endpoint not in self._heard:
            return ""
        url, body = self._heard[endpoint]
        return f"asked {url}" if body is None else f"asked {url}, {_beginning(body)}"

    async def ask(
        self,
        url: str,
        *,
        endpoint: str,
        method: str = "GET",
        version_header: str | None = None,
        version_field: str | None = None,
        expect: Mapping[str, Scalar] | None = None,
        host: str | None = None,
    ) -> Probe:
        """Ask `url` once, past every cache; `endpoint` is its name in the Probe.

        An answer is good with a status below 300, and if `version_field` is given it also has to be JSON that
        names its version there; with `expect`, the fields named there have to have these values. The latency
        includes the body. What does not look like a version is none: `error` says so then, also of an answer that
        is good without one. `host` is the name to ask for, where `url` leads to one of several that have it.
        """
        at = datetime.now(UTC)
        self._heard[endpoint] = (url, None)
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout_s):  # httpx's own limits each single read, not the whole
                answer = await self._fetch(method, url, host)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            return Probe(endpoint=endpoint, at=at, ok=False, error=kind_of(error))
        latency_ms = round((time.perf_counter() - begun) * 1000, 2)
        self._heard[endpoint] = (url, answer.body)
        problem = of_status(answer.status, url, answer.headers.get("location"))
        problem = problem or of_fields(answer.body, expect or {})
        version, note = None, ""
        if version_field:
            version, note = _checked(_field_of(answer.body, version_field))
            problem = problem or note
        if version is None and version_header and version_header in answer.headers:
            version, note = _checked(answer.headers[version_header])
        note = note or of_certificate(answer.certificate_ends, at, warn_days=self._warn_days)
        return Probe(
            endpoint=endpoint,
            at=at,
            ok=not problem,
            status=answer.status,
            latency_ms=latency_ms,
            version=version,
            error=problem or note,
        )

    async def _fetch(self, method: str, url: str, host: str | None) -> _Answer:
        params = {"_fresh": secrets.token_hex(8)}
        headers = FRESH | ({"Host": host} if host else {})
        named = {"sni_hostname": host} if host else {}
        async with self._client.stream(
            method, url, params=params, headers=headers, extensions=named
        ) as response:
            ends = end_of_certificate(response.extensions.get("network_stream"))
            body = b""
            async for part in response.aiter_bytes():
                if len(body) < MAX_BODY:
                    body += part
            return _Answer(response.status_code, response.headers, body, ends)


@cache
def _trust(ca_file: str | None) -> ssl.SSLContext:
    """One for all clients: reading the machine's certificates takes longer than all else about a client."""
    return ssl.create_default_context(cafile=ca_file)


def _field_of(body: bytes, field: str) -> object:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found.get(field) if isinstance(found, dict) else None


def _beginning(body: bytes) -> str:
    text = " ".join(redact(body.decode(errors="replace")).split())
    shown = "".join(character for character in text if character.isprintable())
    if not shown:
        return "the answer is empty"
    return f"the answer is {shown}" if len(shown) <= SHOWN else f"the answer begins with {shown[:SHOWN]} …"


def _checked(named: object) -> tuple[str | None, str]:
    """The version, or none and why not. It goes into commands and cards: anybody's text must not."""
    if named in (None, ""):
        return None, NO_VERSION
    try:
        return _VERSION.validate_python(named, strict=True), ""
    except ValidationError:
        return None, ODD_VERSION
