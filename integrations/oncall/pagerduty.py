"""PagerDuty: events that call people, and its list of who is on call."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from bot.domain.severity import Severity
from bot.ports.errors import AuthFailed, OutcomeUnknown, Refused
from bot.ports.oncall import OnCallPerson, Page, Paged
from integrations.json_api import JsonApi
from integrations.oncall.settings import PagerDutySettings

SUMMARY = 1024
KEY = 255
LIMIT = 100
MOST_PAGES = 20

_SEVERITIES = {
    Severity.CRITICAL: "critical",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "info",
}


class PagerDuty:
    """`bot.ports.oncall.OnCall` on the Events API v2 and on `GET /oncalls` of the REST API v2.

    The events are taken and worked on later; those about an alert that is not open are ignored there.
    """

    def __init__(self, settings: PagerDutySettings) -> None:
        self._settings = settings
        self._events = JsonApi(
            settings.with_token(settings.routing_key),
            settings.events_url,
            name="PagerDuty",
            rights="an integration key of the type Events API v2",
            headers={},
        )
        self._rest = JsonApi(
            settings,
            settings.url,
            name="PagerDuty",
            rights="a REST API key, read-only is enough",
            headers={
                "Accept": "application/vnd.pagerduty+json;version=2",
                "Authorization": f"Token token={settings.token.get_secret_value()}",
            },
        )

    @property
    def identity(self) -> str:
        return f"PagerDuty {urlsplit(self._settings.url).hostname}/{self._settings.escalation_policy}"

    async def who(self) -> tuple[OnCallPerson, ...]:
        """See the port. Whoever stands on several levels is named once, with the one that is called first."""
        found: dict[str, OnCallPerson] = {}
        for entry in sorted(await self._entries(), key=_level):
            user = entry.get("user") or {}
            person = OnCallPerson(
                name=str(user.get("name") or user.get("summary") or user.get("id") or "somebody"),
                email=str(user.get("email") or ""),
                level=_level(entry),
                until=_moment(entry.get("end")),
            )
            found.setdefault(str(user.get("id") or person.name), person)
        return tuple(found.values())

    async def _entries(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for page in range(MOST_PAGES):
            answer = await self._rest.read(
                "/oncalls",
                {
                    "escalation_policy_ids[]": self._settings.escalation_policy,
                    "include[]": "users",
                    "limit": LIMIT,
                    "offset": page * LIMIT,
                },
            )
            listed = answer.get("oncalls") if isinstance(answer, dict) else None
            if not isinstance(listed, list):
                raise Refused(
                    "PagerDuty answers with something that is no list of who is on call.",
                    remedy="Check that `url` is the address of its REST API.",
                )
            found += [entry for entry in listed if isinstance(entry, dict)]
            if not answer.get("more"):
                break
        return found

    async def page(self, page: Page) -> Paged:
        details = {**page.details, "service": page.service, "incident": page.incident_id}
        body: dict[str, Any] = {
            "client": "kaeru",
            "payload": {
                "summary": page.summary[:SUMMARY],
                "source": page.service,
                "component": page.service,
                "severity": _SEVERITIES[page.severity] if page.severity else "error",
                "timestamp": page.at.astimezone(UTC).isoformat(),
                "custom_details": details,
            },
        }
        if page.link:
            body |= {
                "client_url": page.link,
                "links": [{"href": page.link, "text": "The incident's channel"}],
            }
        return await self._send("trigger", page.incident_id, body)

    async def acknowledge(self, incident_id: str, *, by: str) -> Paged:
        done = await self._send("acknowledge", incident_id, {})
        return done.model_copy(update={"note": f"PagerDuty cannot be told that it was {by}."})

    async def resolve(self, incident_id: str, *, by: str) -> Paged:  # noqa: ARG002 - an event has no place for it
        return await self._send("resolve", incident_id, {})

    async def _send(self, action: str, incident_id: str, more: dict[str, Any]) -> Paged:
        body = {
            "routing_key": self._settings.routing_key.get_secret_value(),
            "event_action": action,
            "dedup_key": incident_id[:KEY],
            **more,
        }
        try:
            answer = await self._events.write("POST", "/v2/enqueue", body)
        except AuthFailed:
            raise
        except Refused as error:
            if "routing" not in str(error).lower():
                raise
            raise AuthFailed(
                str(error), remedy="Give the integration key of an Events API v2 integration as routing_key."
            ) from error
        if not isinstance(answer, dict) or answer.get("status") != "success":
            raise OutcomeUnknown("PagerDuty took the event and did not say what came of it.")
        return Paged(reference=str(answer.get("dedup_key") or incident_id))

    async def aclose(self) -> None:
        await self._events.aclose()
        await self._rest.aclose()


def _level(entry: dict[str, Any]) -> int:
    level = entry.get("escalation_level")
    return level if isinstance(level, int) and level > 0 else 1


def _moment(text: Any) -> datetime | None:
    """None for somebody who is on call always."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return None if moment is None else moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
