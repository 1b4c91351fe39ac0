"""Those who are told, on 127.0.0.1: a mail server, a receiver of webhooks and a status page, each with its faults."""

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from bot.domain.audiences import Audience, Moment
from bot.domain.notices import Effect, Known, Notice
from bot.ports.notices import Notifier
from integrations.notices.email import EmailNotifier
from integrations.notices.settings import EmailSettings, StatuspageSettings, WebhookSettings
from integrations.notices.statuspage import StatuspageNotifier
from integrations.notices.webhook import WebhookNotifier
from tests.contract.api_servers import Answer, Api, closed, serving

PASSWORD = "correct-horse-battery"
TOKEN = "4f0c-page-key"
PATH = "/hooks/T0-secret-path"
KEY = bytes(range(32))
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
AT = datetime(2026, 11, 24, 14, 12, tzinfo=UTC)


def known(moment: Moment = Moment.BEGUN, audience: Audience = Audience.SUPPORT, **more: Any) -> Known:
    return Known(
        moment=moment,
        audience=audience,
        thread=str(more.pop("thread", "inc-20261124-orders-1")),
        service="Tea orders",
        at=AT,
        began_at=AT - timedelta(minutes=4),
        effect=more.pop("effect", Effect.MAJOR),
        **more,
    )


def notice(moment: Moment = Moment.BEGUN, audience: Audience = Audience.SUPPORT, **more: Any) -> Notice:
    text = str(more.pop("text", "Tea orders have a problem.\n.A dot, and “quotes”."))
    subject = str(more.pop("subject", f"Tea orders – {moment}"))
    return Notice(subject=subject, text=text, known=known(moment, audience, **more))


class World(Protocol):
    """One way to tell. `told` are the keys of what arrived: one that is there twice was told twice.

    `fault` is what happens to the next one: "lost" (told, the answer never comes), "cut" (the connection ends before
    anything was sent), "declined", "stranger" (credentials do not hold), "busy" (later).
    """

    secrets: tuple[str, ...]
    fault: str

    def notifier(self, **changes: Any) -> Notifier: ...

    @property
    def told(self) -> list[str]: ...

    async def stop(self) -> None: ...

    async def start(self) -> None: ...


# E-mail.


@dataclass
class Mailroom:
    """The mail server's mind."""

    messages: list[tuple[list[str], bytes]] = field(default_factory=list)
    fault: str = ""
    unknown: dict[str, str] = field(default_factory=dict)

    def authenticate(
        self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        good = self.fault != "stranger" and data.password.decode() == PASSWORD
        return AuthResult(success=good, handled=False)

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        fault, self.fault = self.fault, "" if self.fault in ("busy", "declined") else self.fault
        if fault == "busy":
            return "451 4.3.2 Try again later"
        if fault == "declined":
            return f"550 5.7.1 {address} may not send here"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.fault == "cut":
            self.fault = ""
            _abort(server)
        if address in self.unknown:
            return self.unknown[address]
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        assert isinstance(envelope.content, bytes)
        if self.fault in ("later", "never"):
            fault, self.fault = self.fault, ""
            return "451 4.7.1 Greylisted" if fault == "later" else "554 5.6.0 Not like that"
        self.messages.append((list(envelope.rcpt_tos), envelope.content))
        if self.fault == "lost":
            self.fault = ""
            _abort(server)
        return "250 OK"


def _abort(server: SMTP) -> None:
    assert server.transport is not None
    cast("asyncio.Transport", server.transport).abort()


class EmailWorld:
    """A mail server with STARTTLS and a log-in."""

    secrets = (PASSWORD, base64.b64encode(PASSWORD.encode()).decode())

    def __init__(self, certificate: tuple[Path, Path]) -> None:
        self.room = Mailroom()
        self._key, self.ca = certificate
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "audience": "support",
            "to": ["desk@example.com"],
            "sender": "kaeru@example.com",
            "host": "127.0.0.1",
            "port": self.port,
            "user": "kaeru",
            "password": PASSWORD,
            "ca_file": str(self.ca),
        }

    @property
    def described(self) -> dict[str, Any]:
        """What kaeru.yml says of it."""
        return {"kind": "email", **self.settings}

    async def start(self) -> None:
        trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trust.load_cert_chain(self.ca, self._key)
        loop = asyncio.get_running_loop()

        def session() -> SMTP:
            return SMTP(
                self.room,
                hostname="mail.test",
                ident="test",
                tls_context=trust,
                require_starttls=True,
                authenticator=self.room.authenticate,
                auth_required=True,
                loop=loop,
            )

        self._server = await loop.create_server(session, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    def notifier(self, **changes: Any) -> EmailNotifier:
        usual = self.settings | {"timeout": "3s"}
        return EmailNotifier(EmailSettings.model_validate(usual | changes))

    @property
    def fault(self) -> str:
        return self.room.fault

    @fault.setter
    def fault(self, fault: str) -> None:
        self.room.fault = fault

    @property
    def told(self) -> list[str]:
        return [str(message["Message-ID"]) for message in self.messages]

    @property
    def messages(self) -> list[EmailMessage]:
        parsed = [message_from_bytes(content, policy=default) for _, content in self.room.messages]
        return cast("list[EmailMessage]", parsed)


# Webhooks.


class WebhookWorld:
    """A receiver that keeps to Standard Webhooks: it checks the signature, and takes an id once."""

    secrets = (SECRET, base64.b64encode(KEY).decode(), PATH)

    def __init__(self) -> None:
        self.fault = ""
        self.answer: tuple[int, dict[str, str]] | None = None
        self.bodies: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.problems: list[str] = []
        self.port = 0
        self._server: ThreadingHTTPServer | None = None

    async def start(self) -> None:
        world = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None: ...

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                world._received(self, body)

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        server.daemon_threads, server.block_on_close = True, False
        self._server, self.port = server, server.server_address[1]
        threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True).start()

    async def stop(self) -> None:
        if self._server is not None:
            await asyncio.to_thread(self._server.shutdown)
            self._server.server_close()
            self._server = None

    def _received(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append((request.path, headers, body))
        fault, self.fault = self.fault, ""
        if fault == "cut":
            request.close_connection = True
            return
        if self.answer is not None:
            self._say(request, *self.answer)
        elif fault == "stranger" or not self._is_genuine(headers, body):
            self._say(request, 401, {})
        elif fault == "declined":
            self._say(request, 422, {})
        elif fault == "busy":
            self._say(request, 429, {"Retry-After": "7"})
        else:
            self._take(request, headers, body, lost=fault == "lost")

    def _take(
        self, request: BaseHTTPRequestHandler, headers: dict[str, str], body: bytes, *, lost: bool
    ) -> None:
        if headers["webhook-id"] not in self.bodies:
            self.bodies[headers["webhook-id"]] = json.loads(body)
        if lost:
            request.close_connection = True
        else:
            self._say(request, 204, {})

    def _is_genuine(self, headers: dict[str, str], body: bytes) -> bool:
        message_id, at = headers["webhook-id"], headers["webhook-timestamp"]
        if abs(time.time() - int(at)) > 300 or headers["idempotency-key"] != message_id:
            self.problems.append("not now, or not this id")
        signed = f"{message_id}.{at}.".encode() + body
        expected = base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
        return hmac.compare_digest(f"v1,{expected}", headers["webhook-signature"])

    @staticmethod
    def _say(request: BaseHTTPRequestHandler, status: int, headers: dict[str, str]) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", "0")
        request.end_headers()

    def notifier(self, **changes: Any) -> WebhookNotifier:
        usual = {
            "audience": "support",
            "url": f"http://127.0.0.1:{self.port}{PATH}",
            "secret": SECRET,
            "recognises_ids": True,
            "timeout": "3s",
        }
        return WebhookNotifier(WebhookSettings.model_validate(usual | changes))

    @property
    def told(self) -> list[str]:
        return list(self.bodies)


# A status page.

_STATUSES = ["investigating", "identified", "monitoring", "resolved"]
_COMPONENTS = ["operational", "degraded_performance", "partial_outage", "major_outage"]
_FIELDS: dict[str, Any] = {
    "name": {"type": "string", "minLength": 1, "maxLength": 255},
    "status": {"enum": _STATUSES},
    "body": {"type": "string", "maxLength": 25000},
    "impact_override": {"enum": ["none", "minor", "major", "critical"]},
    "deliver_notifications": {"type": "boolean"},
    # "All top-level values in the object must also be objects."
    "metadata": {"type": "object", "additionalProperties": {"type": "object"}},
    "component_ids": {"type": "array", "items": {"type": "string"}},
    "components": {"type": "object", "additionalProperties": {"enum": _COMPONENTS}},
}
_MADE = closed({"incident": closed(_FIELDS, "name", "status", "metadata")}, "incident")
_CHANGED = closed({"incident": closed(_FIELDS, "status")}, "incident")


class StatuspageApi(Api):
    """Of one page, `p4g3`. An incident's updates are its own; metadata are replaced as a whole."""

    def __init__(self) -> None:
        super().__init__(f"OAuth {TOKEN}")
        self.incidents: list[dict[str, Any]] = []

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        base = "/v1/pages/p4g3/incidents"
        if not path.startswith(base):
            return 404, {"error": "Could not find page"}
        if method == "GET":
            limit, page = int(query["limit"]), int(query["page"])
            newest = self.incidents[::-1]
            return 200, newest[(page - 1) * limit : page * limit]
        self.check(body, _MADE if method == "POST" else _CHANGED, f"{method} {path}")
        change = dict(body["incident"])
        if method == "POST":
            number = len(self.incidents) + 1
            made = {"id": f"i{number}", "shortlink": f"http://stspg.test/i{number}", "incident_updates": []}
            self.incidents.append(made)
            return 201, _updated(made, change)
        wanted = path.removeprefix(f"{base}/")
        found = [one for one in self.incidents if one["id"] == wanted]
        return (200, _updated(found[0], change)) if found else (404, {"error": "Could not find incident"})


def _updated(incident: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    incident["incident_updates"].insert(0, {k: change.get(k) for k in ("status", "body", "components")})
    incident.update({k: v for k, v in change.items() if k not in ("body", "components", "component_ids")})
    return incident


class StatuspageWorld:
    """The page, and others' incidents on it."""

    secrets = (TOKEN,)

    def __init__(self) -> None:
        self.api = StatuspageApi()
        self._serving: Any = None
        self._port = 0

    @property
    def described(self) -> dict[str, Any]:
        """What kaeru.yml says of it."""
        return {"kind": "statuspage", "audience": "customers", **self.settings}

    @property
    def settings(self) -> dict[str, Any]:
        return {"page": "p4g3", "url": f"{self.api.base}/v1", "token": TOKEN}

    async def start(self) -> None:
        self._serving = serving(self.api, self._port)
        self._serving.__enter__()
        self._port = int(self.api.base.rpartition(":")[2])

    async def stop(self) -> None:
        if self._serving is not None:
            served, self._serving = self._serving, None
            await asyncio.to_thread(served.__exit__, None, None, None)

    def others(self, count: int) -> None:
        """Incidents that people have made by hand."""
        self.api.incidents += [
            {
                "id": f"x{n}",
                "name": f"Other {n}",
                "status": "resolved",
                "metadata": {},
                "incident_updates": [],
            }
            for n in range(count)
        ]

    def notifier(self, **changes: Any) -> StatuspageNotifier:
        usual = self.settings | {"audience": "support", "timeout": "3s"}
        return StatuspageNotifier(StatuspageSettings.model_validate(usual | changes))

    @property
    def fault(self) -> str:
        return ""

    @fault.setter
    def fault(self, fault: str) -> None:
        if fault == "stranger":
            self.api.authorization = "OAuth another"
        else:
            faults: dict[str, Any] = {"declined": (422, {}), "busy": (429, {"Retry-After": "7"})}
            self.api.fault = faults.get(fault, fault)

    @property
    def incidents(self) -> list[dict[str, Any]]:
        """Those of kaeru."""
        return [one for one in self.api.incidents if one["metadata"]]

    @property
    def told(self) -> list[str]:
        return [str(update["body"]) for one in self.incidents for update in reversed(one["incident_updates"])]


@contextmanager
def certificate(folder: Path) -> Iterator[tuple[Path, Path]]:
    """A key, and a certificate for 127.0.0.1 that is its own authority."""
    key, public = folder / "key.pem", folder / "certificate.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
            "-keyout", str(key), "-out", str(public)]  # fmt: skip
    subprocess.run(argv, check=True, capture_output=True)
    yield key, public


@asynccontextmanager
async def open_world(world: World) -> AsyncIterator[World]:
    await world.start()
    try:
        yield world
    finally:
        await world.stop()
