"""What every health probe promises, and what only HTTP can get wrong."""

import asyncio
import contextlib
import json
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest
from pydantic import ValidationError

from bot.domain.evidence import Baseline, BaselineSource, Outcome, consecutive_version, judge, overall
from bot.ports import HealthProbe
from integrations.http_health import HttpHealthProbe, HttpHealthSettings
from sandbox.shop.releases import Shop, build
from tests.contract.shop import RunningShop, copied, running
from tests.fakes.health import MemoryHealth

CRITICAL = ("/products", "/checkout")


class Service(Protocol):
    """A service with v1.2.9, which is well, and v1.3.0, which is not."""

    @property
    def probe(self) -> HealthProbe: ...
    async def deploy(self, version: str) -> None: ...
    async def stop(self) -> None: ...


class MemoryService:
    def __init__(self) -> None:
        self.probe = MemoryHealth("v1.2.9", CRITICAL)

    async def deploy(self, version: str) -> None:
        ill = version == "v1.3.0"
        self.probe.version = version
        self.probe.latency_ms = {"/products": 350.0} if ill else {}
        self.probe.errors = {"/checkout": "HTTP 500"} if ill else {}

    async def stop(self) -> None:
        self.probe.version = None


class ShopService:
    def __init__(self, shop: RunningShop, probe: HttpHealthProbe) -> None:
        self.shop = shop
        self.probe = probe

    async def deploy(self, version: str) -> None:
        done = await asyncio.to_thread(self.shop.command, "deploy", version)
        assert done.returncode == 0, done.stderr

    async def stop(self) -> None:
        self.shop.process.terminate()
        self.shop.process.wait(timeout=15)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return build(tmp_path_factory.mktemp("built"))


@pytest.fixture(params=["memory", "http"])
async def service(request: pytest.FixtureRequest, built: Shop, tmp_path: Path) -> AsyncIterator[Service]:
    if request.param == "memory":
        yield MemoryService()
        return
    with running(copied(built, tmp_path / "shop")) as shop:
        async with probing(shop.url, critical=CRITICAL) as probe:
            yield ShopService(shop, probe)


@contextlib.asynccontextmanager
async def probing(url: str, **other: object) -> AsyncIterator[HttpHealthProbe]:
    probe = HttpHealthProbe(HttpHealthSettings.model_validate({"base_url": url, **other}))
    try:
        yield probe
    finally:
        await probe.aclose()


async def test_a_round_has_one_probe_per_endpoint_the_version_first(service: Service) -> None:
    begun = datetime.now(UTC)
    found = await service.probe.round()
    assert [probe.endpoint for probe in found] == ["/version", *CRITICAL]
    for probe in found:
        assert (probe.ok, probe.status, probe.error, probe.version) == (True, 200, "", "v1.2.9")
        assert begun - timedelta(seconds=1) <= probe.at <= datetime.now(UTC)
        assert probe.latency_ms is not None
        assert 0 < probe.latency_ms < 5000


async def test_it_sees_a_new_version_at_once(service: Service) -> None:
    rounds = [await service.probe.round()]
    await service.deploy("v1.3.0")
    rounds.append(await service.probe.round())
    assert {probe.version for probe in rounds[-1]} == {"v1.3.0"}
    await service.deploy("v1.2.9")
    rounds += [await service.probe.round() for _ in range(3)]
    assert consecutive_version(rounds, "v1.2.9") == 3


async def test_it_sees_that_a_service_is_ill(service: Service) -> None:
    await service.deploy("v1.3.0")
    found = [probe for _ in range(10) for probe in await service.probe.round()]
    findings = {
        finding.endpoint: finding for finding in judge(found, Baseline(source=BaselineSource.THRESHOLDS))
    }
    assert findings["/version"].verdict is Outcome.SUCCEEDED
    assert findings["/checkout"].verdict is Outcome.FAILED
    assert {probe.error for probe in found if not probe.ok} == {"HTTP 500"}
    assert {probe.status for probe in found if not probe.ok} == {500}
    slow = findings["/products"].stats.p50_ms
    assert slow is not None
    assert slow > 200
    assert overall(tuple(findings.values())) is Outcome.FAILED


async def test_a_service_that_is_gone_is_a_round_of_failures(service: Service) -> None:
    await service.stop()
    found = await service.probe.round()
    assert [probe.endpoint for probe in found] == ["/version", *CRITICAL]
    for probe in found:
        assert (probe.ok, probe.error) == (False, "connection refused")
        assert (probe.status, probe.latency_ms, probe.version) == (None, None, None)


Answer = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(
    answer: Answer, tls: ssl.SSLContext | None = None, *, reads: bool = True
) -> AsyncIterator[str]:
    """A server that reads the head of each request, unless it `reads` nothing, and then does as it likes."""
    serving_now: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await answer(await reader.readuntil(b"\r\n\r\n") if reads else b"", reader, writer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        serving_now.add(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    async with server:
        scheme = "https" if tls else "http"
        yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        if serving_now:
            _, busy = await asyncio.wait(serving_now, timeout=0.5)
            for task in busy:
                task.cancel()
            await asyncio.gather(*serving_now, return_exceptions=True)


def says(body: str, *, status: str = "200 OK", headers: str = "") -> Answer:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        content = body.encode()
        lines = f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n{headers}\r\n"
        writer.write(lines.encode() + content)
        await writer.drain()

    return answer


async def test_no_cache_can_answer_and_no_connection_is_kept() -> None:
    heads: list[str] = []
    ports: set[object] = set()
    usual = says('{"version": "v1"}')

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(head.decode())
        ports.add(writer.get_extra_info("peername"))
        await usual(head, reader, writer)

    async with serving(answer) as url, probing(url, critical=["/a"]) as probe:
        for _ in range(3):
            await probe.round()
    assert len(ports) == len(heads) == 6
    assert len({head.splitlines()[0] for head in heads}) == 6
    assert all("cache-control: no-cache" in head.lower() for head in heads)


@pytest.mark.parametrize(
    "body", ["", "no json", "[]", '{"version": null}', '{"other": "v1"}', '{"version": ""}']
)
async def test_a_version_endpoint_without_a_version_is_not_well(body: str) -> None:
    async with serving(says(body)) as url, probing(url) as probe:
        (found,) = await probe.round()
    assert (found.ok, found.status, found.version) == (False, 200, None)
    assert found.error == "no version in the answer"


async def test_what_was_asked_and_how_the_answer_began_can_be_shown_without_secrets() -> None:
    body = '{"release": "v1",\n "password": "hunter2hunter2" }' + " x" * 100
    async with serving(says(body)) as url, probing(url) as probe:
        assert probe.heard("/version") == ""
        (found,) = await probe.round()
        heard = probe.heard("/version")
    assert found.error == "no version in the answer"
    assert heard.startswith(f'asked {url}/version, the answer begins with {{"release": "v1", "password"')
    assert "hunter2" not in heard
    assert len(heard) < 160


@pytest.mark.parametrize("named", ["../v1", "-rf", "v1 <!channel>", "v1\n", "v" * 129, "", "ü", 7, {"a": 1}])
async def test_what_is_not_a_version_is_none(named: object) -> None:
    async with serving(says(json.dumps({"version": named}))) as url, probing(url) as probe:
        (found,) = await probe.round()
    assert (found.ok, found.version) == (False, None)
    assert found.error == ("the version in the answer is not one" if named else "no version in the answer")


async def test_a_header_that_is_not_a_version_is_said_and_the_answer_stays_good() -> None:
    async with (
        serving(says("{}", headers="X-Version: shop/../../etc\r\n")) as url,
        probing(url, version_path=None, critical=["/a"]) as probe,
    ):
        (found,) = await probe.round()
    assert (found.ok, found.version, found.error) == (True, None, "the version in the answer is not one")


async def test_the_body_of_the_version_endpoint_counts_more_than_its_header() -> None:
    async with (
        serving(says('{"release": "v2"}', headers="X-Release: v1\r\n")) as url,
        probing(url, version_field="release", version_header="X-Release", critical=["/a"]) as probe,
    ):
        version, critical = await probe.round()
    assert (version.version, critical.version) == ("v2", "v1")


async def test_an_error_answer_keeps_its_version_and_latency() -> None:
    answer = says("{}", status="503 Service Unavailable", headers="X-Version: v1\r\n")
    async with serving(answer) as url, probing(url) as probe:
        (found,) = await probe.round()
    assert (found.ok, found.status, found.error, found.version) == (False, 503, "HTTP 503", "v1")
    assert found.latency_ms is not None


async def test_a_redirect_is_not_followed_and_not_well() -> None:
    answer = says("", status="302 Found", headers="Location: http://127.0.0.1:1/\r\n")
    async with serving(answer) as url, probing(url, version_path=None, critical=["/a"]) as probe:
        (found,) = await probe.round()
    assert (found.ok, found.status) == (False, 302)
    assert found.error == "HTTP 302, a redirect to another address"


async def test_a_slow_drip_is_a_timeout() -> None:
    async def drip(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:  # every byte comes in time; all of them together do not
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.05)

    begun = time.monotonic()
    async with serving(drip) as url, probing(url, timeout_s=0.4, critical=["/a"]) as probe:
        found = await probe.round()
    assert [(one.ok, one.error) for one in found] == [(False, "timeout")] * 2
    assert time.monotonic() - begun < 5


async def test_silence_is_a_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with probing(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout_s=0.2) as probe:
            (found,) = await probe.round()
    assert (found.ok, found.error, found.latency_ms) == (False, "timeout", None)


async def test_a_connection_that_closes_is_told() -> None:
    async def hang_up(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with serving(hang_up) as url, probing(url) as probe:
        (found,) = await probe.round()
    assert (found.ok, found.error) == (False, "connection closed without an answer")


async def test_what_is_no_http_is_told() -> None:
    async def chatter(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-something\r\n")

    async with serving(chatter) as url, probing(url) as probe:
        (found,) = await probe.round()
    assert (found.ok, found.status) == (False, None)
    assert found.error


async def test_an_endless_body_does_not_fill_the_memory() -> None:
    async def pour(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(200):
            writer.write(b"x" * 100_000)
            await writer.drain()

    async with serving(pour) as url, probing(url, version_path=None, critical=["/a"]) as probe:
        (found,) = await probe.round()
    assert (found.ok, found.status) == (True, 200)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
            "-keyout", str(key), "-out", str(certificate)]  # fmt: skip
    subprocess.run(argv, check=True, capture_output=True)
    return key, certificate


async def test_a_certificate_is_checked(certificate: tuple[Path, Path]) -> None:
    key, public = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, key)
    async with serving(says('{"version": "v1"}'), context) as url:
        async with probing(url) as probe:
            (stranger,) = await probe.round()
        async with probing(url, ca_file=str(public)) as probe:
            (known,) = await probe.round()
    assert (stranger.ok, stranger.error) == (False, "the certificate is of an unknown authority")
    assert (known.ok, known.version) == (True, "v1")


async def test_a_name_that_is_not_found_is_told() -> None:
    async with probing("http://shop.invalid") as probe:
        (found,) = await probe.round()
    assert (found.ok, found.error) == (False, "name not found")


async def test_a_crash_of_the_shop_does_not_raise(built: Shop, tmp_path: Path) -> None:
    with running(copied(built, tmp_path / "shop")) as shop:
        async with probing(shop.url, timeout_s=2) as probe:
            shop.process.kill()
            shop.process.wait(timeout=15)
            errors: list[str] = []
            for _ in range(20):
                (found,) = await probe.round()
                errors.append(found.error)
                if found.error == "connection refused":
                    break
    assert errors[-1] == "connection refused"


@pytest.mark.parametrize(
    ("wrong", "says_what"),
    [
        ({"base_url": "shop.example.com"}, "the service's address"),
        ({"base_url": "https://me:pw@shop.example.com"}, "no user"),
        ({"critical": ["checkout"]}, "pattern"),
        ({"critical": ["/checkout?buy=1"]}, "pattern"),
        ({"critical": [{"path": "/checkout", "method": "POST"}]}, "'GET' or 'HEAD'"),
        ({"timeout_s": 0}, "greater than 0"),
    ],
)
def test_wrong_settings_say_what_is_wrong(wrong: dict[str, object], says_what: str) -> None:
    with pytest.raises(ValidationError, match=says_what):
        HttpHealthSettings.model_validate({"base_url": "http://127.0.0.1:1", **wrong})


def test_a_base_address_may_have_a_path() -> None:
    assert HttpHealthSettings(base_url="https://example.com/shop/").base_url == "https://example.com/shop"
