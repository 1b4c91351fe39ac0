"""What no answer means is the same for every client of an HTTP API."""

import asyncio
import socket
import ssl
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.ports.errors import OutcomeUnknown, PortError, Refused, Unavailable
from integrations import http_client
from integrations.json_api import ApiSettings, JsonApi
from integrations.metrics.http import JsonClient
from integrations.metrics.settings import JsonSettings
from integrations.notices.settings import WebhookSettings
from integrations.notices.webhook import WebhookNotifier
from tests.contract.notices_worlds import SECRET, certificate, notice

NONE = [
    "http://127.0.0.1:99999",
    "http://127.0.0.1:0",
    "http://127.0.0.1:abc",
    "http://xn--",
    "http://a..example",
    f"http://{'a' * 64}.example",
    "http://\u2603.example",
    "http://127.0.0.1\x01",
]
PATH = "/hidden-path"
Ask = Callable[[str, str], Awaitable[object]]


async def by_webhook(url: str, within: str) -> object:
    given: dict[str, Any] = {"audience": "support", "url": url, "secret": SECRET, "timeout": within}
    notifier = WebhookNotifier(WebhookSettings.model_validate(given))
    try:
        return await notifier.send(notice(), "inc-20261124-orders-1/1/somebody")
    finally:
        await notifier.aclose()


async def by_check_of_webhook(url: str, within: str) -> object:
    given: dict[str, Any] = {"audience": "support", "url": url, "secret": SECRET, "timeout": within}
    return await WebhookNotifier(WebhookSettings.model_validate(given)).check()


async def by_metrics(url: str, within: str) -> object:
    # Given to the client itself: the settings decline some of them already.
    settings = JsonSettings.model_validate({"url": "http://127.0.0.1", "value": "/n", "timeout": within})
    client = JsonClient(settings, "the endpoint")
    try:
        return await client.ask(url)
    finally:
        await client.aclose()


async def _api(url: str, within: str, *, writes: bool) -> object:
    settings = ApiSettings.model_validate({"token": "t0ken", "timeout": within})
    api = JsonApi(settings, url, name="The status page", rights="all", headers={})
    try:
        return await (api.write("POST", "", {}) if writes else api.read(""))
    finally:
        await api.aclose()


async def by_reading(url: str, within: str) -> object:
    return await _api(url, within, writes=False)


async def by_writing(url: str, within: str) -> object:
    return await _api(url, within, writes=True)


ALL = [by_webhook, by_check_of_webhook, by_metrics, by_reading, by_writing]


@pytest.mark.parametrize("url", NONE)
@pytest.mark.parametrize("ask", ALL)
async def test_an_address_that_is_none_is_refused(ask: Ask, url: str) -> None:
    with pytest.raises(Refused, match=r"^The address of the .* is none\.$") as refused:
        await ask(f"{url}{PATH}", "5s")
    assert refused.value.remedy
    assert PATH not in "".join(traceback.format_exception(refused.value))


async def test_a_bracket_that_is_not_closed_is_refused_and_does_not_keep_kaeru_from_starting() -> None:
    for ask in (by_webhook, by_check_of_webhook, by_metrics):
        with pytest.raises(Refused, match="is none"):
            await ask("http://[::1/x", "5s")


@pytest.mark.parametrize("ask", ALL)
async def test_where_nobody_listens_nothing_was_changed(ask: Ask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Unavailable, match=r"^The .* cannot be reached: the connection was refused\.$"):
        await ask(f"http://127.0.0.1:{port}/x", "5s")


@pytest.fixture
async def silent() -> AsyncIterator[str]:
    """A server that takes requests and answers none."""
    done = asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await done.wait()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
    done.set()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (by_webhook, OutcomeUnknown),
        (by_metrics, Unavailable),
        (by_reading, Unavailable),
        (by_writing, OutcomeUnknown),
    ],
)
async def test_silence_is_unknown_only_where_something_would_be_changed(
    silent: str, ask: Ask, error: type[PortError]
) -> None:
    with pytest.raises(error, match=r"^The .* did not answer within 0\.2 s\.$"):
        await ask(silent, "0.2s")


def test_a_proxy_that_declines_has_sent_nothing() -> None:
    declined = httpx.ProxyError("403 Forbidden")
    assert isinstance(http_client.unreached(declined, "Jira", 5.0, writes=True), Unavailable)
    cut = http_client.unreached(httpx.ReadError("cut"), "Jira", 5.0, writes=True)
    assert (type(cut), str(cut)) == (OutcomeUnknown, "Jira did not answer: the connection was lost.")


def test_a_certificate_counts_however_deep_it_lies() -> None:
    try:
        try:
            raise ssl.SSLCertVerificationError("self-signed certificate")
        except ssl.SSLError as inner:
            raise httpx.ConnectError("no") from inner
    except httpx.ConnectError as error:
        meaning = http_client.unreached(error, "The status page", 5.0, writes=True)
    assert str(meaning) == "The certificate of the status page does not hold."
    assert isinstance(meaning, Refused)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 5.0),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0"}, 1.0),
        ({"Retry-After": "-3"}, 1.0),
        ({"Retry-After": "99999"}, 60.0),
        ({"Retry-After": "inf"}, 60.0),
        ({"Retry-After": "nan"}, 5.0),
        ({"Retry-After": "soon"}, 5.0),
        ({"X-RateLimit-Reset": "9999999999"}, 5.0),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9999999999"}, 60.0),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}, 1.0),
    ],
)
def test_a_pause_is_what_is_asked_for_within_bounds(headers: dict[str, str], seconds: float) -> None:
    assert http_client.pause(httpx.Headers(headers), 1.0, 60.0) == seconds


@pytest.mark.parametrize(
    ("body", "found"), [(b'{"a": 1}', {"a": 1}), (b"<html>", None), (b"\xff", None), (b"[" * 10**5, None)]
)
def test_what_is_no_json_is_none(body: bytes, found: object) -> None:
    assert http_client.parsed(body) == found


def test_whom_to_trust(tmp_path: Path) -> None:
    with certificate(tmp_path) as (_, authority):
        trusted = http_client.trust(authority)
    assert len(trusted.get_ca_certs()) == 1
    assert http_client.trust(authority) is trusted
    assert http_client.own_trust(authority) is not trusted
    with certificate(tmp_path):  # it is renewed: what was read before holds no longer
        renewed = http_client.trust(authority)
    assert renewed.get_ca_certs() != trusted.get_ca_certs()


@pytest.mark.parametrize("trust", [http_client.trust, http_client.own_trust])
def test_what_is_no_authority_is_refused(tmp_path: Path, trust: Callable[[Path], object]) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate", encoding="ascii")
    for file in (broken, tmp_path / "missing.pem"):
        with pytest.raises(Refused, match=r"no certificate authority") as refused:
            trust(file)
        assert refused.value.remedy == "Correct ca_file."
