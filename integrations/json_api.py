"""A web API that is written to: what it answers becomes values, or errors that say whether anything was changed."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from bot.catalog import Duration
from bot.ports.errors import AuthFailed, Conflict, Gone, OutcomeUnknown, Refused, Unavailable
from integrations.http_client import BUSY, UNREACHED, address, client, parsed, pause, trust, unreached

MOST_BYTES = 16 * 2**20
_SAID = 300
_PAUSES_S = (1.0, 3600.0)


def _is_plain(value: str) -> str:
    url = urlsplit(value)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError("an address such as https://jira.example.com")
    if url.username or url.password or url.query or url.fragment:
        raise ValueError("an address without user, password and query; these have settings of their own")
    return value.rstrip("/")


BaseUrl = Annotated[str, AfterValidator(_is_plain)]
Header = Annotated[str, Field(min_length=1, pattern=r"^[^:\x00-\x1f]+$")]


class ApiSettings(BaseModel):
    """Whom to trust, and for how long to wait."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )

    token: SecretStr = Field(min_length=1, examples=["${TRACKER_TOKEN}"])
    """The token that says who kaeru is."""
    ca_file: Path | None = Field(default=None, examples=["ca.pem"])
    """A certificate authority of your own, in PEM."""
    timeout: Duration = Field(default=timedelta(seconds=20), gt=timedelta(0), examples=["20s"])
    """How long a whole answer may take."""


class JsonApi:
    """Asks and tells one server. `name` is what it is called in sentences, `rights` what kaeru needs there.

    Every method raises Unavailable, AuthFailed, Gone and Refused, whose sentences never hold a secret.
    """

    def __init__(
        self, settings: ApiSettings, base: str, *, name: str, rights: str, headers: Mapping[str, str]
    ) -> None:
        self._settings = settings
        self._base = base
        self._name = name
        self._rights = rights
        self._headers = {"Accept": "application/json", "User-Agent": "kaeru", **headers}
        self._client: httpx.AsyncClient | None = None

    async def read(self, path: str, query: Mapping[str, str | int] | None = None) -> Any:
        """GET; the JSON of the answer."""
        return await self._ask("GET", path, query=query, body=None, writes=False)

    async def search(self, path: str, body: Mapping[str, Any]) -> Any:
        """POST what changes nothing there; the JSON of the answer."""
        return await self._ask("POST", path, query=None, body=body, writes=False)

    async def write(self, method: str, path: str, body: Mapping[str, Any]) -> Any:
        """Change something. Raises Conflict where it was changed meanwhile, OutcomeUnknown where nobody knows."""
        return await self._ask(method, path, query=None, body=body, writes=True)

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None,
        body: Mapping[str, Any] | None,
        writes: bool,
    ) -> Any:
        timeout_s = self._settings.timeout.total_seconds()
        asking = self._made()
        try:
            async with asyncio.timeout(timeout_s):
                status, headers, content = await self._fetch(asking, method, path, query, body)
        except UNREACHED as error:
            raise unreached(error, self._name, timeout_s, writes=writes) from error
        answer = parsed(content)
        self._judge(status, headers, answer, writes=writes)
        if not isinstance(answer, dict | list):
            sentence = f"{self._name} answers with something that is not JSON."
            if writes:
                raise OutcomeUnknown(sentence)
            raise Refused(sentence, remedy="Check that the address is that of its API.")
        return answer

    async def _fetch(
        self,
        asking: httpx.AsyncClient,
        method: str,
        path: str,
        query: Mapping[str, str | int] | None,
        body: Mapping[str, Any] | None,
    ) -> tuple[int, httpx.Headers, bytes]:
        content = bytearray()
        url = address(f"{self._base}{path}")
        async with asking.stream(method, url, params=query, json=body, headers=self._headers) as response:
            async for part in response.aiter_bytes():
                content += part
                if len(content) > MOST_BYTES:
                    raise httpx.ReadError("the answer is too long")
            return response.status_code, response.headers, bytes(content)

    def _judge(self, status: int, headers: httpx.Headers, answer: Any, *, writes: bool) -> None:
        """Raise what a status means; nothing for success."""
        if 200 <= status < 300:
            denied = headers.get("x-seraph-loginreason", "")
            if "AUTHENTICATED_FAILED" in denied or "AUTHENTICATION_DENIED" in denied:
                raise self._not_let_in(status, "")
            return
        told = self._without_secrets(said(answer))
        if status in BUSY or (status == 403 and _is_throttled(headers, told)):
            raise Unavailable(
                f"{self._name} asks to wait: HTTP {status}{told}.", retry_after_s=pause(headers, *_PAUSES_S)
            )
        if status in (401, 403):
            raise self._not_let_in(status, told)
        if status >= 500:
            sentence = f"{self._name} answers with HTTP {status}{told}."
            if writes:
                raise OutcomeUnknown(sentence)
            raise Unavailable(sentence, retry_after_s=pause(headers, *_PAUSES_S))
        if status in (409, 412):
            raise Conflict(f"{self._name} has it differently by now: HTTP {status}{told}.")
        if status in (404, 410):
            raise Gone(
                f"{self._name} does not find it: HTTP {status}{told}.",
                remedy=f"Correct the names in kaeru.yml, or give the token its rights: {self._rights}.",
            )
        if status < 400:
            raise Refused(
                f"{self._name} sends elsewhere: HTTP {status}.",
                remedy="Give the address and the names that hold now.",
            )
        raise Refused(
            f"{self._name} declines: HTTP {status}{told}.",
            remedy="Correct what it names, in kaeru.yml or there.",
        )

    def _not_let_in(self, status: int, told: str) -> AuthFailed:
        return AuthFailed(
            f"{self._name} declines who kaeru is: HTTP {status}{told}.",
            remedy=f"Give a token that holds, with its rights: {self._rights}.",
        )

    def _made(self) -> httpx.AsyncClient:
        if self._client is None:
            own = self._settings
            self._client = client(trust(own.ca_file), own.timeout.total_seconds())
        return self._client

    def _without_secrets(self, text: str) -> str:
        own = [self._settings.token.get_secret_value()]
        own += [v.partition(" ")[2] for n, v in self._headers.items() if n.lower() == "authorization"]
        for secret in own:
            text = text.replace(secret, "[redacted]") if secret else text
        return text


def said(answer: Any) -> str:
    """What a server says of its own error, as the end of a sentence; nothing where it says nothing."""
    if not isinstance(answer, dict):
        return ""
    parts: list[str] = [str(answer[name]) for name in ("message", "errorMessage") if answer.get(name)]
    parts += [str(one) for one in _listed(answer.get("errorMessages"))]
    errors = answer.get("errors")
    if isinstance(errors, dict):
        parts += [f"{name}: {text}" for name, text in errors.items()]
    for one in _listed(errors):
        if isinstance(one, str):
            parts.append(one)
        if isinstance(one, dict):
            named = [str(one[n]) for n in ("field", "title", "message", "detail", "code") if one.get(n)]
            parts.append(" ".join(named))
    told = " ".join("; ".join(part for part in parts if part).split())[:_SAID]
    return f": {told.rstrip('.')}" if told else ""


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_throttled(headers: httpx.Headers, told: str) -> bool:
    """Of a 403: GitHub says by it that kaeru, or somebody with the same token, was too quick."""
    return (
        "retry-after" in headers
        or headers.get("x-ratelimit-remaining") == "0"
        or "rate limit" in told.lower()
    )
