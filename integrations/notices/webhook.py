"""Notices to a webhook, signed as Standard Webhooks says (https://www.standardwebhooks.com)."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import re
import time

import httpx

from bot.domain.audiences import Audience, Moment
from bot.domain.notices import Notice
from bot.ports.errors import AuthFailed, Gone, OutcomeUnknown, PortError, Refused, Unavailable
from bot.ports.notices import Sent
from integrations.http_client import BUSY, UNREACHED, address, client, pause, trust, unreached
from integrations.notices.settings import WebhookSettings

_BUSY = (*BUSY, 503)
_PAUSES_S = (1.0, 3600.0)


class WebhookNotifier:
    """Tells one address. Redirects are not followed: what is signed for one receiver is not given to another."""

    def __init__(self, settings: WebhookSettings) -> None:
        self._settings = settings
        self._url = settings.url.get_secret_value()
        # By hand: an address that is none is told by whoever asks it, not while kaeru starts.
        self._host = re.split(r"[/?#]", self._url.partition("://")[2], maxsplit=1)[0]
        digest = hashlib.sha256(self._url.encode()).hexdigest()[:6]
        self._identity = f"webhook at {self._host} ({digest})"
        self._name = f"The webhook at {self._host}"
        self._client: httpx.AsyncClient | None = None

    @property
    def identity(self) -> str:
        """The path may be a secret; a digest tells two of the same host apart."""
        return self._identity

    @property
    def audience(self) -> Audience:
        return self._settings.audience

    @property
    def moments(self) -> frozenset[Moment]:
        return self._settings.moments

    @property
    def recognises(self) -> bool:
        return self._settings.recognises_ids

    async def send(self, notice: Notice, key: str) -> Sent:
        body = body_of(notice)
        message_id = f"msg_{hashlib.sha256(key.encode()).hexdigest()[:32]}"
        sent_at = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "kaeru",
            "Idempotency-Key": message_id,
            "webhook-id": message_id,
            "webhook-timestamp": sent_at,
            "webhook-signature": signature(self._settings.key(), message_id, sent_at, body),
        }
        asking = self._made()
        try:
            async with asyncio.timeout(self._settings.timeout.total_seconds()):
                url = address(self._url)
                async with asking.stream("POST", url, content=body, headers=headers) as answer:
                    status, told = answer.status_code, answer.headers
        except UNREACHED as error:
            raise self._unreached(error, writes=True) from error
        if not 200 <= status < 300:
            raise self._meaning(status, told)
        return Sent(reference=message_id)

    async def check(self) -> str:
        self._settings.key()
        try:
            url = address(self._url)
            secure = url.scheme == "https"
            async with asyncio.timeout(self._settings.timeout.total_seconds()):
                _, writer = await asyncio.open_connection(
                    url.raw_host.decode("ascii"),
                    url.port or (443 if secure else 80),
                    ssl=trust(self._settings.ca_file) if secure else None,
                )
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
        except (httpx.InvalidURL, OSError) as error:
            raise self._unreached(error, writes=False) from error
        return f"{self._host} can be reached; nothing was sent, so its answer is not known"

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    def _made(self) -> httpx.AsyncClient:
        if self._client is None:
            own = self._settings
            self._client = client(trust(own.ca_file), own.timeout.total_seconds())
        return self._client

    def _meaning(self, status: int, headers: httpx.Headers) -> PortError:
        """What a status says; the words of the answer may be anything and are shown to nobody."""
        if status in _BUSY:
            return Unavailable(
                f"{self._name} asks to wait: HTTP {status}.", retry_after_s=pause(headers, *_PAUSES_S)
            )
        if status >= 500 or status == 409:
            return OutcomeUnknown(f"{self._name} answers with HTTP {status}.")
        if status in (401, 403):
            return AuthFailed(
                f"{self._name} declines the signature: HTTP {status}.",
                remedy="Give both sides the same secret, and both clocks the same time.",
            )
        if status in (404, 410):
            return Gone(f"{self._name} is not there: HTTP {status}.", remedy="Correct its url.")
        if 300 <= status < 400:
            return Refused(
                f"{self._name} sends elsewhere: HTTP {status}.", remedy="Give the address that holds now."
            )
        return Refused(
            f"{self._name} declines: HTTP {status}.",
            remedy="Look there at why; docs/notices.md has the format.",
        )

    def _unreached(self, error: BaseException, *, writes: bool) -> PortError:
        timeout_s = self._settings.timeout.total_seconds()
        return unreached(error, self._name, timeout_s, writes=writes)


def body_of(notice: Notice) -> bytes:
    """The same bytes for every try: what is signed. Nothing but what the audience may know is in it."""
    known = {k: v for k, v in notice.known.model_dump(mode="json").items() if v not in ("", None)}
    body = {
        "type": f"incident.{notice.known.moment.value.replace(' ', '_')}",
        "timestamp": notice.known.at.isoformat(),
        "data": {"subject": notice.subject, "text": notice.text, **known},
    }
    return json.dumps(body, ensure_ascii=False, sort_keys=True).encode()


def signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    """Of version 1: HMAC-SHA256 over `id.timestamp.body`."""
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    return f"v1,{base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()}"
