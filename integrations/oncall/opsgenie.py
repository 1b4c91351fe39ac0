"""Opsgenie: alerts that call people, and the schedule that says who is on call."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from bot.domain.severity import Severity
from bot.ports.errors import Gone, OutcomeUnknown, PortError, Refused
from bot.ports.oncall import OnCallPerson, Page, Paged
from integrations.json_api import JsonApi
from integrations.oncall.settings import OpsgenieSettings

MESSAGE, DESCRIPTION, ALIAS, USER = 130, 15_000, 512, 100
POLL_S = 0.1
LONGEST_POLL_S = 2.0
DEEPEST = 8

_PRIORITIES = {Severity.CRITICAL: "P1", Severity.HIGH: "P2", Severity.MEDIUM: "P3", Severity.LOW: "P4"}
_CLOSED = "closed"


class Opsgenie:
    """`bot.ports.oncall.OnCall` on the Alert API v2. The alias is the incident: one open alert for each.

    Everything is taken first (202) and worked on later: its request is asked what came of it.
    """

    def __init__(self, settings: OpsgenieSettings) -> None:
        self._settings = settings
        self._api = JsonApi(
            settings,
            settings.url,
            name="Opsgenie",
            rights="Read, and Create and Update, for the team of the schedule",
            headers={"Authorization": f"GenieKey {settings.token.get_secret_value()}"},
        )

    @property
    def identity(self) -> str:
        return f"Opsgenie {urlsplit(self._settings.url).hostname}/{self._settings.schedule}"

    async def who(self) -> tuple[OnCallPerson, ...]:
        """See the port. The levels are the steps of the escalations that the schedule names."""
        answer = await self._api.read(
            f"/v2/schedules/{quote(self._settings.schedule, safe='')}/on-calls",
            {"scheduleIdentifierType": "name", "flat": "false"},
        )
        data = answer.get("data") if isinstance(answer, dict) else None
        listed = data.get("onCallParticipants") if isinstance(data, dict) else None
        if not isinstance(listed, list):
            raise Refused(
                "Opsgenie answers with something that is no list of who is on call.",
                remedy="Check that `url` is the address of its API.",
            )
        earliest: dict[str, float] = {}
        for name, minutes in sorted(_users(listed), key=lambda found: found[1]):
            earliest.setdefault(name, minutes)
        steps = sorted(set(earliest.values()))
        return tuple(
            OnCallPerson(name=name, email=name if "@" in name else "", level=steps.index(minutes) + 1)
            for name, minutes in earliest.items()
        )

    async def page(self, page: Page) -> Paged:
        said = f"{page.summary}\n\n{page.link}".strip()
        body: dict[str, Any] = {
            "message": page.summary[:MESSAGE],
            "alias": page.incident_id[:ALIAS],
            "description": said[:DESCRIPTION],
            "details": {**page.details, "incident": page.incident_id},
            "entity": page.service[:ALIAS],
            "source": "kaeru",
            "priority": _PRIORITIES[page.severity] if page.severity else "P2",
        }
        if self._settings.team is not None:
            body["responders"] = [{"name": self._settings.team, "type": "team"}]
        request, status = await self._done("/v2/alerts", body)
        if not _succeeded(status):
            raise Refused(
                f"Opsgenie did not make the alert: {_told(status)}.",
                remedy="Look at the integration's settings and its log in Opsgenie.",
            )
        return Paged(reference=str(status.get("alertId") or request))

    async def acknowledge(self, incident_id: str, *, by: str) -> Paged:
        return await self._close_or_acknowledge("acknowledge", incident_id, by)

    async def resolve(self, incident_id: str, *, by: str) -> Paged:
        return await self._close_or_acknowledge("close", incident_id, by)

    async def _close_or_acknowledge(self, action: str, incident_id: str, by: str) -> Paged:
        alias = quote(incident_id[:ALIAS], safe="")
        body = {"user": by[:USER], "source": "kaeru"}
        request, status = await self._done(f"/v2/alerts/{alias}/{action}?identifierType=alias", body)
        if _succeeded(status):
            return Paged(reference=str(status.get("alertId") or request))
        alert = await self._alert(alias)
        settled = alert is None or alert.get("status") == _CLOSED
        if settled or (action == "acknowledge" and alert is not None and alert.get("acknowledged") is True):
            return Paged(reference="" if alert is None else str(alert.get("id") or ""), note=_told(status))
        raise Refused(
            f"Opsgenie did not {action} the alert: {_told(status)}.",
            remedy="Do it there, and look at the integration's rights.",
        )

    async def _alert(self, alias: str) -> Mapping[str, Any] | None:
        try:
            answer = await self._api.read(f"/v2/alerts/{alias}", {"identifierType": "alias"})
        except Gone:
            return None
        data = answer.get("data") if isinstance(answer, dict) else None
        return data if isinstance(data, dict) else None

    async def _done(self, path: str, body: dict[str, Any]) -> tuple[str, Mapping[str, Any]]:
        """The id of the request and what came of it. Raises OutcomeUnknown where Opsgenie does not say in time."""
        answer = await self._api.write("POST", path, body)
        request = answer.get("requestId") if isinstance(answer, dict) else None
        if not isinstance(request, str) or not request:
            raise OutcomeUnknown("Opsgenie took it and did not say under which request.")
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + self._settings.settles.total_seconds(), POLL_S
        while True:
            status = await self._status(request)
            if status is not None:
                return request, status
            if loop.time() + pause > deadline:
                raise OutcomeUnknown("Opsgenie took it and has not worked on it yet.")
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_POLL_S)

    async def _status(self, request: str) -> Mapping[str, Any] | None:
        """None while it is not worked on. Raises OutcomeUnknown where it cannot be asked."""
        try:
            answer = await self._api.read(f"/v2/alerts/requests/{quote(request, safe='')}")
        except Gone:
            return None
        except PortError as error:
            # The request itself was taken: what is wrong with asking says nothing about it.
            raise OutcomeUnknown(f"Opsgenie took it; what came of it is not known: {error}") from error
        data = answer.get("data") if isinstance(answer, dict) else None
        return data if isinstance(data, dict) else None

    async def aclose(self) -> None:
        await self._api.aclose()


def _succeeded(status: Mapping[str, Any]) -> bool:
    return bool(status.get("isSuccess", status.get("success")))


def _told(status: Mapping[str, Any]) -> str:
    return " ".join(str(status.get("status") or "it does not say why").split())[:300].rstrip(".")


def _users(listed: list[Any], after: float = 0.0, depth: int = 0) -> Iterator[tuple[str, float]]:
    """Every person of it, and after how many minutes they are called."""
    for one in listed:
        if not isinstance(one, dict):
            continue
        wait = one.get("escalationTime")
        minutes = after + (float(wait) if isinstance(wait, int | float) else 0.0)
        inner = one.get("onCallParticipants")
        if one.get("type") == "user":
            yield str(one.get("name") or one.get("id") or "somebody"), minutes
        elif isinstance(inner, list) and depth < DEEPEST:
            yield from _users(inner, minutes, depth + 1)
