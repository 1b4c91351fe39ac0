"""What HTTP health sees beyond a status: certificates, redirects, fields of JSON, and several addresses at once."""

import asyncio
import contextlib
import ipaddress
import json
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from bot.catalog import load_catalog
from bot.domain.evidence import Probe, consecutive_version
from integrations import registry
from integrations.http_health import HttpHealthSettings
from integrations.http_health.words import of_fields, of_status
from tests.contract.test_health_contract import Answer, probing, says, serving

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
SHOP = "shop.example.com"


@dataclass
class Authority:
    """Signs certificates; `ca` is its own."""

    folder: Path

    def __post_init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "The test's authority")])
        builder = self._builder(self._name, self._key, NOW - 400 * DAY, NOW + 400 * DAY)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=True,
                crl_sign=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        self.ca = self._written("ca.pem", builder)

    def context(
        self,
        *,
        names: tuple[str, ...] = ("127.0.0.1",),
        since: datetime = NOW - DAY,
        until: datetime = NOW + 90 * DAY,
    ) -> ssl.SSLContext:
        """A server's, with a fresh certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        named: list[x509.GeneralName] = [
            x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
            for name in names
        ]
        builder = self._builder(subject, key, since, until)
        builder = builder.add_extension(x509.SubjectAlternativeName(named), critical=False)
        certificate = self._written("server.pem", builder)
        secret = self.folder / "server.key"
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, secret)
        return context

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, since: datetime, until: datetime
    ) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(identifier, critical=False)
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        builder = builder.add_extension(own, critical=False)
        return builder.not_valid_before(since).not_valid_after(until)

    def _written(self, name: str, builder: x509.CertificateBuilder) -> Path:
        path = self.folder / name
        path.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return path


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


WELL = says('{"version": "v1"}')


async def seen(authority: Authority, context: ssl.SSLContext, **other: object) -> Probe:
    async with (
        serving(WELL, context) as url,
        probing(url, **({"ca_file": str(authority.ca)} | other)) as probe,
    ):
        (found,) = await probe.round()
    return found


async def test_a_certificate_that_is_good_for_long_says_nothing(authority: Authority) -> None:
    found = await seen(authority, authority.context())
    assert (found.ok, found.version, found.error) == (True, "v1", "")


@pytest.mark.parametrize(
    ("left", "says_when"),
    [
        (timedelta(days=9, hours=1), "in 9 days"),
        (timedelta(hours=30), "in 1 day"),
        (timedelta(hours=2), "today"),
    ],
)
async def test_a_certificate_that_ends_soon_is_warned_about_and_stays_good(
    authority: Authority, left: timedelta, says_when: str
) -> None:
    context = authority.context(until=datetime.now(UTC) + left)
    found = await seen(authority, context)
    assert (found.ok, found.version) == (True, "v1")
    assert found.error == f"the certificate expires {says_when}"
    assert (await seen(authority, context, warn_days=0)).error == ""


async def test_what_is_wrong_with_a_certificate_is_said_by_name(authority: Authority, tmp_path: Path) -> None:
    expired = await seen(authority, authority.context(since=NOW - 9 * DAY, until=NOW - DAY))
    assert (expired.ok, expired.error, expired.status) == (False, "the certificate has expired", None)
    early = await seen(authority, authority.context(since=NOW + DAY))
    assert early.error == "the certificate is not valid yet"
    other = await seen(authority, authority.context(names=(SHOP,)))
    assert other.error == "the certificate is for another name"
    stranger = await seen(authority, Authority(tmp_path).context())
    assert stranger.error == "the certificate is of an unknown authority"


async def refusing(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As a server for plain HTTP answers what is none."""
    await reader.read(16)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


async def hanging_up(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(16)


async def silent(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()  # until the other side has had enough


async def test_servers_that_speak_another_tls_or_none(authority: Authority) -> None:
    told = {
        refusing: "no TLS is spoken there",
        hanging_up: "connection closed during the TLS handshake",
        silent: "timeout",
    }
    for answer, error in told.items():
        async with (
            serving(answer, reads=False) as url,
            probing(url.replace("http:", "https:"), timeout_s=0.5) as probe,
        ):
            (plain,) = await probe.round()
        assert (plain.ok, plain.error) == (False, error)
    wanting = authority.context()
    wanting.verify_mode = ssl.CERT_REQUIRED
    wanting.load_verify_locations(authority.ca)
    # With TLS 1.3 that is said after the handshake, and may be lost with the connection.
    wanting.maximum_version = ssl.TLSVersion.TLSv1_2
    assert "a client certificate is wanted" in await refused_by(wanting, authority)
    old = authority.context()
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    assert await refused_by(old, authority) == "no TLS version in common"


async def refused_by(context: ssl.SSLContext, authority: Authority) -> str:
    """The error of an answer by a server that says why it ends a handshake; asyncio's own does not."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            line, _ = listener.accept()
            with line, pytest.raises(ssl.SSLError):
                context.wrap_socket(line, server_side=True)

        serving_once = asyncio.create_task(asyncio.to_thread(serve))
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        async with probing(url, ca_file=str(authority.ca)) as probe:
            (found,) = await probe.round()
        await serving_once
    assert not found.ok
    return found.error


async def test_an_https_address_that_is_asked_for_without_it(authority: Authority) -> None:
    async with serving(WELL, authority.context()) as url, probing(url.replace("https:", "http:")) as probe:
        (found,) = await probe.round()
    assert not found.ok
    assert found.status is None


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("/login", "HTTP 302, a redirect to another path"),
        ("login?token=hunter2", "HTTP 302, a redirect to another path"),
        ("https://shop.example.com/a", "HTTP 302, a redirect to https"),
        ("https://login.example.com/a", "HTTP 302, a redirect to another address"),
        ("http://shop.example.com:8080/a", "HTTP 302, a redirect to another address"),
        ("", "HTTP 302"),
        (None, "HTTP 302"),
    ],
)
def test_where_a_redirect_leads(location: str | None, said: str) -> None:
    assert of_status(302, "http://shop.example.com/a", location) == said


def test_other_statuses_are_numbers() -> None:
    assert of_status(204, "http://shop.example.com/a", None) == ""
    assert of_status(503, "http://shop.example.com/a", "/elsewhere") == "HTTP 503"


HEALTH = {
    "status": "ok",
    "ready": True,
    "lag": 0,
    "checks": [{"name": "db", "ok": True}],
    "maintenance": None,
}


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ({"status": "ok", "ready": True, "lag": 0.0, "checks.0.ok": True, "maintenance": None}, ""),
        ({"status": "well"}, 'status is not "well"'),
        ({"ready": 1}, "ready is not 1"),
        ({"lag": False}, "lag is not false"),
        ({"status": None}, "status is not null"),
        ({"checks.1.ok": True}, "no checks.1.ok in the answer"),
        ({"checks.db": True}, "no checks.db in the answer"),
        ({"checks.0": "x"}, 'checks.0 is not "x"'),
        ({"status.deeper": "x"}, "no status.deeper in the answer"),
    ],
)
async def test_fields_of_the_answer_have_to_be_as_expected(expect: dict[str, object], said: str) -> None:
    endpoint = {"path": "/health", "expect": expect}
    async with (
        serving(says(json.dumps(HEALTH), headers="X-Version: v1\r\n")) as url,
        probing(url, version_path=None, critical=[endpoint]) as probe,
    ):
        (found,) = await probe.round()
    assert (found.ok, found.status, found.error, found.version) == (not said, 200, said, "v1")


def test_what_is_no_json_has_no_fields() -> None:
    assert of_fields(b"<html>hunter2</html>", {"status": "ok"}) == "no JSON in the answer"
    assert of_fields(b"", {}) == ""
    assert of_fields(b"[1, 2]", {"1": 2}) == ""


def by_host(heads: list[str]) -> Answer:
    """Answers with the version that the name asked for has."""

    async def answer(head: bytes, reader: object, writer: object) -> None:
        told = head.decode().lower()
        heads.append(told)
        version = "v1" if f"host: {SHOP}" in told else "v2"
        await says(json.dumps({"version": version}))(head, reader, writer)  # type: ignore[arg-type]  # as asyncio gives them

    return answer


@contextlib.asynccontextmanager
async def balanced(authority: Authority, heads: list[str]) -> AsyncIterator[dict[str, object]]:
    """A balancer that has v1, a host by plain HTTP that has v2, and the name of the shop on a host over TLS."""
    secured = authority.context(names=(SHOP,))
    async with (
        serving(WELL) as balancer,
        serving(says('{"version": "v2"}')) as plain,
        serving(by_host(heads), secured) as tls,
    ):
        yield {
            "base_url": balancer,
            "ca_file": str(authority.ca),
            "critical": ["/a"],
            "vantages": [{"name": "web1", "url": plain}, {"name": "web2", "url": tls, "host": SHOP}],
        }


async def test_each_vantage_has_rows_of_its_own_and_all_have_to_have_the_version(
    authority: Authority,
) -> None:
    heads: list[str] = []
    async with balanced(authority, heads) as settings:
        url = str(settings.pop("base_url"))
        async with probing(url, **settings) as probe:
            found = await probe.round()
    assert [one.endpoint for one in found] == [
        "/version",
        "/a",
        "web1 /version",
        "web1 /a",
        "web2 /version",
        "web2 /a",
    ]
    assert {one.endpoint: (one.ok, one.version, one.error) for one in found if "version" in one.endpoint} == {
        "/version": (True, "v1", ""),
        "web1 /version": (True, "v2", ""),
        "web2 /version": (True, "v1", ""),
    }
    assert len(heads) == 2
    assert consecutive_version([found], "v1") == 0, "web1 still has another one"
    assert consecutive_version([tuple(one for one in found if "web1" not in one.endpoint)], "v1") == 1


async def test_a_host_over_tls_needs_the_name(authority: Authority) -> None:
    async with balanced(authority, []) as settings:
        vantages = settings["vantages"]
        assert isinstance(vantages, list)
        del vantages[1]["host"]
        url = str(settings.pop("base_url"))
        async with probing(url, **settings) as probe:
            found = await probe.round()
    assert {one.error for one in found if "web2" in one.endpoint} == {"the certificate is for another name"}


FILE = """\
services:
  shop:
    target: { kind: symlink, releases: /srv/shop/releases, link: /srv/shop/current }
    health:
      url: URL
      version: { path: /version }
      critical: [{ path: /health, expect: { status: ok, checks.database: true } }]
      vantages: [{ name: web1, url: URL }]
      certificate_warning: 30d
"""


async def test_the_file_says_all_of_it(tmp_path: Path) -> None:
    body = json.dumps({"version": "v1", "status": "ok", "checks": {"database": True}})
    async with serving(says(body)) as url:
        path = tmp_path / "kaeru.yml"
        path.write_text(FILE.replace("URL", url))
        health = load_catalog(path, registry.kinds(), environ={}).service("shop").health
        assert health is not None
        probe = registry.make_health(health)
        found = await probe.round()
        await probe.aclose()  # type: ignore[attr-defined]  # of this one
    assert [(one.endpoint, one.ok) for one in found] == [
        ("/version", True), ("/health", True), ("web1 /version", True), ("web1 /health", True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        ("{ name: web1, url: URL }", "{ name: web1, url: URL }, { name: web1, url: URL }"),
        ("{ path: /health, ", "{ path: /health, method: HEAD, "),
        ("url: URL }", "url: URL, host: a/b }"),
        ("status: ok", "status: [ok]"),
        ("checks.database", "checks..database"),
    ],
)
def test_what_means_nothing_is_refused(change: tuple[str, str], tmp_path: Path) -> None:
    path = tmp_path / "kaeru.yml"
    assert change[0] in FILE
    path.write_text(FILE.replace(*change).replace("URL", "http://127.0.0.1:1"))
    with pytest.raises(Exception, match=r"(?i)expected|vantages|expect"):
        load_catalog(path, registry.kinds(), environ={})


def test_settings_of_a_vantage_that_lead_nowhere() -> None:
    with pytest.raises(ValidationError, match="no user"):
        HttpHealthSettings.model_validate(
            {"base_url": "http://127.0.0.1:1", "vantages": [{"name": "a", "url": "http://me:pw@web1"}]}
        )
