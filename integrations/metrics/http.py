"""JSON over HTTP, as a client that may be declined: whoever it is, its answers become values or errors of the ports."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx

from bot.ports.errors import AuthFailed, Refused, Unavailable
from integrations.http_client import BUSY, UNREACHED, address, client, parsed, pause, trust, unreached
from integrations.metrics.settings import HttpSettings

MOST_BYTES = 8 * 2**20
_SAID = 300
_PAUSES_S = (0.1, 300.0)


class JsonClient:
    """Asks one server. `name` is what it is called in sentences; `what` what to look at where it declines."""

    def __init__(
        self, settings: HttpSettings, name: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        self._settings = settings
        self._name = name
        self._headers = {"Accept": "application/json", **(headers or {})}
        self._client: httpx.AsyncClient | None = None

    async def ask(self, url: str, form: Mapping[str, str] | None = None) -> tuple[int, Any]:
        """GET `url`, or POST a form to it. The status and the JSON of the answer, None where it is none.

        Raises Unavailable, AuthFailed, and Refused for what is no use trying again; other statuses are given back.
        """
        timeout_s = self._settings.timeout.total_seconds()
        asking = self._made()
        try:
            async with asyncio.timeout(timeout_s):
                status, headers, body = await self._fetch(asking, url, form)
        except UNREACHED as error:
            raise unreached(error, self._name, timeout_s, writes=False) from error
        if status in (401, 403):
            raise AuthFailed(
                f"{self._name} declines who kaeru is: HTTP {status}.",
                remedy="Correct user and password or the token, or give them the right to read.",
            )
        if status in BUSY or status >= 500:
            raise Unavailable(
                f"{self._name} answers with HTTP {status}.",
                retry_after_s=pause(headers, *_PAUSES_S),
            )
        if 300 <= status < 400:
            raise Refused(
                f"{self._name} sends elsewhere: HTTP {status}.",
                remedy="Give the address it sends to as `url`.",
            )
        return status, parsed(body)

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _fetch(
        self, asking: httpx.AsyncClient, url: str, form: Mapping[str, str] | None
    ) -> tuple[int, httpx.Headers, bytes]:
        method = "GET" if form is None else "POST"
        body = bytearray()
        headers = self._headers | self._who()
        async with asking.stream(method, address(url), data=form, headers=headers) as response:
            async for part in response.aiter_bytes():
                body += part
                if len(body) > MOST_BYTES:
                    raise Refused(
                        f"{self._name} answers with more than {MOST_BYTES // 2**20} MiB.",
                        remedy="Ask for less: one series, a shorter time, or a longer step.",
                    )
            return response.status_code, response.headers, bytes(body)

    def _who(self) -> dict[str, str]:
        token = self._settings.token
        if token is not None:
            return {"Authorization": f"Bearer {token.get_secret_value()}"}
        file = self._settings.token_file
        if file is None:
            return {}
        try:
            return {"Authorization": f"Bearer {file.read_text(encoding='ascii').strip()}"}
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(
                f"The token file {file} cannot be read.",
                remedy="Correct token_file, or let the user that runs kaeru read it.",
            ) from error

    def _made(self) -> httpx.AsyncClient:
        if self._client is None:
            own = self._settings
            basic = None
            if own.user is not None and own.password is not None:
                basic = httpx.BasicAuth(own.user, own.password.get_secret_value())
            self._client = client(trust(own.ca_file), own.timeout.total_seconds(), auth=basic)
        return self._client


def said(answer: Any) -> str:
    """What a server says of its own error, as the end of a sentence; nothing where it says nothing."""
    told = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(told, str) or not told.strip():
        return ""
    return f": {' '.join(told.split())[:_SAID]}"
