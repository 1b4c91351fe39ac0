"""Where a monitoring system says what is ill: Alertmanager's webhook, version 4, over HTTP.

Like everything else that comes in, a notification is in the inbox before it is answered. Alertmanager sends again
what is answered with a 5xx, and gives up what is answered with a 4xx: so those say what to correct.
"""

import asyncio
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Literal

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from bot.catalog import Catalog
from bot.domain.alerts import Alert
from bot.store import StoreError
from bot.usecases.alerts import KIND, Notification
from handlers.intake import Intake

_log = logging.getLogger(__name__)

PATH = "/alerts"
MOST_BYTES = 2**20
READ_S = 20.0
SAME_S = 60
"""The same content within so many seconds is the same notification, sent again."""
MOST_ALERTS = 1000
_SHOWN = 20
_GROUP, _TITLE, _TEXT, _LINK = 500, 200, 800, 500


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class WireAlert(_Wire):
    """One alert, as the documentation has it."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    starts_at: AwareDatetime = Field(alias="startsAt")
    generator_url: str = Field(default="", alias="generatorURL")
    fingerprint: str = ""

    @property
    def outbreak(self) -> str:
        """This alert, from this beginning on."""
        named = self.fingerprint or json.dumps(self.labels, sort_keys=True)
        return f"{named[:200]}@{self.starts_at.astimezone(UTC).isoformat()}"


class WireMessage(_Wire):
    """A notification about one group of alerts."""

    version: Literal["4"]
    group_key: str = Field(alias="groupKey", min_length=1)
    status: Literal["firing", "resolved"]
    alerts: tuple[WireAlert, ...] = Field(min_length=1, max_length=MOST_ALERTS)
    external_url: str = Field(default="", alias="externalURL")


class AlertsListener:
    """Serves until `close`. `heard` is called after something was put into the inbox."""

    def __init__(
        self, catalog: Catalog, intake: Intake, token: SecretStr, *, heard: Callable[[], None]
    ) -> None:
        self._catalog = catalog
        self._intake = intake
        self._token = token
        self._heard = heard
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def open(self, host: str, port: int) -> None:
        """Listen; port 0 takes a free one. Raises OSError."""
        app = web.Application(client_max_size=MOST_BYTES)
        app.router.add_post(PATH, self._receive)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=5.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        self.port = int(runner.addresses[0][1])
        _log.info("alerts are taken at http://%s:%d%s", host, self.port, PATH)

    async def close(self) -> None:
        """Take no more; what is under way is answered."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _receive(self, request: web.Request) -> web.Response:
        if not self._is_known(request):
            return _said(
                401,
                "The token is missing or wrong: send the one of KAERU_ALERTS_TOKEN as Authorization: Bearer.",
                {"WWW-Authenticate": "Bearer"},
            )
        try:
            async with asyncio.timeout(READ_S):
                raw = await request.read()
        except TimeoutError:
            return _said(408, f"The notification did not arrive within {READ_S:g} s. Send it again.")
        except web.HTTPRequestEntityTooLarge:
            return _said(
                413, f"More than {MOST_BYTES} bytes: set max_alerts in Alertmanager's webhook_config."
            )
        try:
            message = WireMessage.model_validate_json(raw)
        except ValidationError as error:
            return _said(400, f"This is no notification of Alertmanager, version 4: {_wrong(error)}")
        return await self._keep(raw, message)

    def _is_known(self, request: web.Request) -> bool:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        expected = self._token.get_secret_value().encode()
        # What is no UTF-8 came in with surrogates, and is compared as the bytes that it was.
        sent = given.strip().encode("utf-8", "surrogateescape")
        return scheme.lower() == "bearer" and hmac.compare_digest(sent, expected)

    async def _keep(self, raw: bytes, message: WireMessage) -> web.Response:
        by_service, strangers = self._services(message)
        if not by_service:
            return _said(422, self._unknown(strangers))
        for service, alerts in by_service.items():
            said = self._notification(service, message, alerts)
            content = hashlib.sha256(f"{service}\n".encode() + raw).hexdigest()
            key = f"alert:{content}:{int(time.time()) // SAME_S}"
            try:
                await self._intake.receive(key, KIND, said.model_dump(mode="json"))
            except StoreError as error:
                _log.warning("an alert could not be kept: %s", error)
                return _said(503, "kaeru cannot write it down at the moment. Send it again.")
        self._heard()
        if strangers:
            _log.warning("alerts of services that kaeru does not know: %s", ", ".join(sorted(strangers)))
        return web.json_response({"taken": sorted(by_service), "ignored": sorted(strangers)})

    def _services(self, message: WireMessage) -> tuple[dict[str, list[WireAlert]], set[str]]:
        """The alerts by the service that their label names, and the names that nobody here has."""
        label = self._catalog.workspace.alerts.service_label
        found: dict[str, list[WireAlert]] = {}
        strangers: set[str] = set()
        for alert in message.alerts:
            name = alert.labels.get(label, "")
            if name in self._catalog.services:
                found.setdefault(name, []).append(alert)
            else:
                strangers.add(name[:80])
        return found, strangers

    def _unknown(self, strangers: set[str]) -> str:
        label, known = self._catalog.workspace.alerts.service_label, ", ".join(sorted(self._catalog.services))
        named = ", ".join(sorted(name for name in strangers if name)[:_SHOWN])
        if not named:
            return f"No alert has the label {label!r}, which names the service. Known: {known}."
        return f"There is no service {named} (from the label {label!r}). Known: {known}."

    def _notification(self, service: str, message: WireMessage, alerts: list[WireAlert]) -> Notification:
        firing = [alert for alert in alerts if alert.status == "firing"]
        told = firing or alerts
        rules = self._catalog.workspace.alerts
        names = list(dict.fromkeys(alert.labels.get("alertname", "alert") for alert in told))
        texts = dict.fromkeys(text for alert in told if (text := _text(alert.annotations)))
        severities = [alert.labels.get(rules.severity_label, "") for alert in told]
        mapped = [severity for severity in severities if severity in rules.severities]
        worst = sorted(mapped, key=lambda severity: rules.severities[severity] != "critical")
        return Notification(
            service=service,
            severity=worst[0] if worst else "",
            outbreaks=tuple(dict.fromkeys(alert.outbreak for alert in firing)),
            alert=Alert(
                group=message.group_key[:_GROUP],
                state="firing" if firing else "resolved",
                title=", ".join(names[:_SHOWN])[:_TITLE],
                text="; ".join(list(texts)[:_SHOWN])[:_TEXT],
                firing=len(firing),
                at=_oldest(told),
                link=next((a.generator_url for a in told if a.generator_url), message.external_url)[:_LINK],
            ),
        )


def _oldest(alerts: list[WireAlert]) -> datetime:
    return min(alert.starts_at for alert in alerts).astimezone(UTC)


def _text(annotations: Mapping[str, str]) -> str:
    return annotations.get("summary") or annotations.get("description") or annotations.get("message") or ""


def _wrong(error: ValidationError) -> str:
    """The first mistakes, by their place; nothing of what was sent."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    places = (
        f"{'.'.join(str(part) for part in one['loc']) or 'the body'}: {one['msg']}" for one in found[:3]
    )
    return "; ".join(places)


def _said(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> web.Response:
    _log.warning("an alert is answered with %d: %s", status, sentence)
    return web.json_response({"error": sentence}, status=status, headers=headers)
