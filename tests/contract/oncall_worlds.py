"""PagerDuty and Opsgenie, as far as their documentation describes what kaeru uses of them; and Slack's user groups."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Protocol
from urllib.parse import unquote

from pydantic import SecretStr

from bot.domain.severity import Severity
from bot.ports.oncall import OnCall, Page
from integrations.oncall.opsgenie import Opsgenie
from integrations.oncall.pagerduty import PagerDuty
from integrations.oncall.settings import OpsgenieSettings, PagerDutySettings, SlackUsergroupSettings
from integrations.oncall.slack_usergroup import EVENT_TYPE, SlackUsergroup
from sandbox.workspace.local import LocalWorkspace
from tests.contract.api_servers import Answer, Api, closed, serving

SECRET = "sEcReT-token-of-the-on-call"
ROUTING = "r0ut1ngk3y0fth30nca11000000000ab"
INCIDENT = "inc-20261124-shop-1"
MANIFEST = Path(__file__).parents[2] / "manifest.yml"
TEXT = {"type": "string"}


def short(most: int) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": most}


@dataclass
class Alert:
    """What people are called for. `calls` is how often it was, which happens once while it is open."""

    key: str
    state: str = "open"
    by: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)


class World(Protocol):
    """An on-call, and what can be seen of it from outside."""

    def made(self, *, wrong: bool = False) -> OnCall:
        """A new adapter; with `wrong` its secret does not hold."""
        ...

    def alerts(self, incident: str = INCIDENT) -> list[str]:
        """The states of the alerts of that incident, oldest first: open, acknowledged, resolved."""
        ...

    def lose(self) -> None:
        """The next page is taken, and its answer gets lost."""
        ...

    def limit(self, seconds: int) -> None:
        """The next page is told to come back later."""
        ...

    def nobody(self) -> None:
        """Nobody is on call from now on."""
        ...

    @property
    def problems(self) -> list[str]:
        """Requests that the documentation does not allow."""
        ...


class PagerDutyWorld:
    """`POST /v2/enqueue` of the Events API v2, which asks for no header, and `GET /oncalls` of the REST API v2."""

    class Events(Api):
        _PAYLOAD = closed(
            {
                "summary": short(1024),
                "source": short(1024),
                "severity": {"enum": ["critical", "error", "warning", "info"]},
                "timestamp": {
                    "type": "string",
                    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)$",
                },
                "component": TEXT,
                "group": TEXT,
                "class": TEXT,
                "custom_details": {"type": "object"},
            },
            "summary",
            "source",
            "severity",
        )
        _LINK = closed({"href": {"type": "string", "pattern": "^https?://"}, "text": TEXT}, "href")
        _COMMON: ClassVar[dict[str, Any]] = {
            "routing_key": {"type": "string", "minLength": 32, "maxLength": 32},
            "dedup_key": short(255),
        }
        _TRIGGER = closed(
            {
                **_COMMON,
                "event_action": {"const": "trigger"},
                "client": TEXT,
                "client_url": {"type": "string", "pattern": "^https?://"},
                "links": {"type": "array", "items": _LINK},
                "images": {"type": "array"},
                "payload": _PAYLOAD,
            },
            "routing_key",
            "event_action",
            "payload",
        )
        _FOLLOW_UP = closed(
            {**_COMMON, "event_action": {"enum": ["acknowledge", "resolve"]}},
            "routing_key",
            "event_action",
            "dedup_key",
        )

        def __init__(self) -> None:
            super().__init__(None)
            self.all: list[Alert] = []

        def answer(self, method: str, path: str, _query: dict[str, str], body: Any) -> Answer:
            if (method, path) != ("POST", "/v2/enqueue"):
                return 404, {"message": "Not Found"}
            trigger = body.get("event_action") == "trigger"
            self.check(body, self._TRIGGER if trigger else self._FOLLOW_UP, "POST /v2/enqueue")
            if body["routing_key"] != ROUTING:
                return 400, {
                    "status": "invalid event",
                    "message": "Event object is invalid",
                    "errors": [f"Invalid routing key {body['routing_key']}"],
                }
            key = body["dedup_key"]
            alert = next((a for a in self.all if a.key == key and a.state != "resolved"), None)
            if trigger and alert is None:
                alert = Alert(key)
                self.all.append(alert)
            if alert is not None:
                alert.bodies.append(body)
                # What comes for an alert that is not open is ignored.
                if not trigger:
                    alert.state = "resolved" if body["event_action"] == "resolve" else "acknowledged"
            return 202, {"status": "success", "message": "Event processed", "dedup_key": key}

    class Rest(Api):
        _QUERY = closed(
            {
                "escalation_policy_ids[]": {"const": "PT20YPA"},
                "include[]": {"enum": ["escalation_policies", "users", "schedules"]},
                "limit": {"type": "string", "pattern": r"^([1-9]\d?|100)$"},
                "offset": {"type": "string", "pattern": r"^\d+$"},
            }
        )

        def __init__(self) -> None:
            super().__init__(f"Token token={SECRET}")
            self.entries = [
                self.entry("PBEN", "Ben", 2, None),
                self.entry("PANA", "Ana", 2, None),
                self.entry("PANA", "Ana", 1, "2030-01-01T08:00:00Z"),
            ]
            self.size = 2

        @staticmethod
        def entry(user: str, name: str, level: int, end: str | None) -> dict[str, Any]:
            return {
                "escalation_policy": {"id": "PT20YPA", "type": "escalation_policy_reference"},
                "escalation_level": level,
                "schedule": None,
                "user": {"id": user, "type": "user", "name": name, "email": f"{name.lower()}@example.com"},
                "start": None if end is None else "2026-01-01T08:00:00Z",
                "end": end,
            }

        def answer(self, method: str, path: str, query: dict[str, str], _body: Any) -> Answer:
            if (method, path) != ("GET", "/oncalls"):
                return 404, {"error": {"message": "Not Found", "code": 2100}}
            self.check(query, self._QUERY, "GET /oncalls")
            # Pages as large as asked for, but where they are, the rest is on the next one.
            start = int(query["offset"])
            return 200, {
                "oncalls": self.entries[start : start + int(query["limit"])],
                "limit": int(query["limit"]),
                "offset": start,
                "more": start + int(query["limit"]) < len(self.entries),
                "total": None,
            }

    def __init__(self, stack: ExitStack) -> None:
        self.events, self.rest = self.Events(), self.Rest()
        stack.enter_context(serving(self.events))
        stack.enter_context(serving(self.rest))

    def made(self, *, wrong: bool = False) -> OnCall:
        return PagerDuty(
            PagerDutySettings(
                token=SecretStr(SECRET[::-1] if wrong else SECRET),
                routing_key=SecretStr(ROUTING[::-1] if wrong else ROUTING),
                escalation_policy="PT20YPA",
                events_url=self.events.base,
                url=self.rest.base,
            )
        )

    def alerts(self, incident: str = INCIDENT) -> list[str]:
        return [alert.state for alert in self.events.all if alert.key == incident]

    def lose(self) -> None:
        self.events.fault = "lost"

    def limit(self, seconds: int) -> None:
        self.events.fault = (429, {"Retry-After": str(seconds)})

    def nobody(self) -> None:
        self.rest.entries = []

    @property
    def problems(self) -> list[str]:
        return self.events.problems + self.rest.problems


class OpsgenieWorld:
    """The Alert API v2, whose work is done after `delay` questions, and the on-calls of a schedule."""

    class Server(Api):
        _ALERT = closed(
            {
                "message": short(130),
                "alias": short(512),
                "description": {"type": "string", "maxLength": 15000},
                "responders": {
                    "type": "array",
                    "items": closed(
                        {"id": TEXT, "name": TEXT, "username": TEXT, "type": {"enum": ["team", "user"]}},
                        "type",
                    ),
                },
                "tags": {"type": "array"},
                "details": {"type": "object", "additionalProperties": TEXT},
                "entity": short(512),
                "source": short(100),
                "priority": {"enum": ["P1", "P2", "P3", "P4", "P5"]},
                "user": short(100),
                "note": short(25000),
            },
            "message",
        )
        _FOLLOW_UP = closed({"user": short(100), "source": short(100), "note": short(25000)})
        _IDENTIFIER = closed({"identifierType": {"enum": ["id", "tiny", "alias"]}}, "identifierType")
        _ON_CALLS = closed(
            {
                "scheduleIdentifierType": {"enum": ["id", "name"]},
                "flat": {"enum": ["true", "false"]},
                "date": TEXT,
            }
        )

        def __init__(self) -> None:
            super().__init__(f"GenieKey {SECRET}")
            self.all: list[Alert] = []
            self.requests: dict[str, dict[str, Any]] = {}
            self.delay = 1
            self.asked = 0
            self.participants: list[dict[str, Any]] = [
                {
                    "id": "e1",
                    "name": "shop escalation",
                    "type": "escalation",
                    "onCallParticipants": [
                        {
                            "id": "u2",
                            "name": "ben@example.com",
                            "type": "user",
                            "escalationTime": 5,
                            "notifyType": "default",
                        },
                        {
                            "id": "u1",
                            "name": "ana@example.com",
                            "type": "user",
                            "escalationTime": 0,
                            "notifyType": "default",
                        },
                    ],
                },
                {"id": "u1", "name": "ana@example.com", "type": "user"},
            ]

        def answer(  # noqa: PLR0911 - one answer for each route
            self, method: str, path: str, query: dict[str, str], body: Any
        ) -> Answer:
            parts = [unquote(part) for part in path.split("/")[2:]]
            match (method, parts):
                case ("GET", ["schedules", "shop team", "on-calls"]):
                    self.check(query, self._ON_CALLS, "GET on-calls")
                    parent = {"id": "s1", "name": "shop team", "enabled": True}
                    return 200, {"data": {"_parent": parent, "onCallParticipants": self.participants}}
                case ("POST", ["alerts"]):
                    self.check(body, self._ALERT, "POST alerts")
                    return self._taken(self._create(body))
                case ("POST", ["alerts", alias, "acknowledge" | "close" as action]):
                    self.check(query, self._IDENTIFIER, "POST alert")
                    self.check(body, self._FOLLOW_UP, f"POST {action}")
                    return self._taken(self._follow(alias, action, body))
                case ("GET", ["alerts", "requests", request]):
                    self.asked += 1
                    if request not in self.requests or self.asked <= self.delay:
                        return 404, {"message": "Request not found. It might not be processed, yet."}
                    return 200, {"data": self.requests[request], "took": 0.02, "requestId": request}
                case ("GET", ["alerts", alias]):
                    self.check(query, self._IDENTIFIER, "GET alert")
                    known = [alert for alert in self.all if alert.key == alias]
                    if not known:
                        return 404, {"message": f"Alert with alias [{alias}] does not exist"}
                    status = "closed" if known[-1].state == "resolved" else "open"
                    acknowledged = known[-1].state == "acknowledged"
                    return 200, {"data": {"id": "a1", "status": status, "acknowledged": acknowledged}}
            return 404, {"message": f"no such route: {method} {path}"}

        def _taken(self, came_of_it: dict[str, Any]) -> Answer:
            request = f"43a29c5c-{len(self.requests)}"
            self.requests[request], self.asked = came_of_it, 0
            return 202, {"result": "Request will be processed", "took": 0.3, "requestId": request}

        def _open(self, alias: str) -> Alert | None:
            return next((a for a in self.all if a.key == alias and a.state != "resolved"), None)

        def _create(self, body: dict[str, Any]) -> dict[str, Any]:
            alert = self._open(body["alias"])
            if alert is None:
                alert = Alert(body["alias"])
                self.all.append(alert)
            alert.bodies.append(body)
            return self._status("Create", "Created alert", alert, success=True)

        def _follow(self, alias: str, action: str, body: dict[str, Any]) -> dict[str, Any]:
            alert = self._open(alias)
            if alert is None:
                return self._status(action, "Alert does not exist", None, success=False)
            alert.state = "resolved" if action == "close" else "acknowledged"
            alert.by = body["user"]
            return self._status(action, "Done", alert, success=True)

        @staticmethod
        def _status(action: str, status: str, alert: Alert | None, *, success: bool) -> dict[str, Any]:
            return {
                "success": success,
                "isSuccess": success,
                "action": action,
                "processedAt": "2026-11-24T10:00:00.000Z",
                "integrationId": "i1",
                "status": status,
                "alertId": "" if alert is None else "a1",
                "alias": "" if alert is None else alert.key,
            }

    def __init__(self, stack: ExitStack) -> None:
        self.server = self.Server()
        stack.enter_context(serving(self.server))

    def made(self, *, wrong: bool = False, settles: str = "20s") -> OnCall:
        return Opsgenie(
            OpsgenieSettings.model_validate(
                {
                    "token": SECRET[::-1] if wrong else SECRET,
                    "schedule": "shop team",
                    "team": "shop",
                    "url": self.server.base,
                    "settles": settles,
                }
            )
        )

    def alerts(self, incident: str = INCIDENT) -> list[str]:
        return [alert.state for alert in self.server.all if alert.key == incident]

    def lose(self) -> None:
        self.server.fault = "lost"

    def limit(self, seconds: int) -> None:
        self.server.fault = (429, {"Retry-After": str(seconds)})

    def nobody(self) -> None:
        self.server.participants = []

    @property
    def problems(self) -> list[str]:
        return self.server.problems


class SlackWorld:
    """The local workspace, whose group `oncall` has Alice and Bob."""

    GROUP, ALICE, BOB = "S0ONCALL", "U0ALICE", "U0BOB"
    CHANNEL = "C0INCIDENTS"

    def __init__(self, ws: LocalWorkspace) -> None:
        self.ws = ws

    def made(self, *, wrong: bool = False) -> OnCall:
        return SlackUsergroup(
            SlackUsergroupSettings(
                token=SecretStr(f"xoxb-{SECRET}" if wrong else self.ws.bot_token),
                usergroup=self.GROUP,
                url=self.ws.api_url.rstrip("/"),
            )
        )

    def told(self, user: str, incident: str = INCIDENT) -> list[dict[str, Any]]:
        """The calls in the conversation of one person, oldest first."""
        room, _ = self.ws.state.open_im(self.ws.state.bot_user, user)
        marked = [room.messages[ts] for ts in room.order]
        return [
            message
            for message in marked
            if (message.get("metadata") or {}).get("event_type") == EVENT_TYPE
            and message["metadata"]["event_payload"]["incident"] == incident
        ]

    def alerts(self, incident: str = INCIDENT) -> list[str]:
        alice, bob = (
            [str(m["metadata"]["event_payload"]["state"]) for m in self.told(user, incident)]
            for user in (self.ALICE, self.BOB)
        )
        assert alice == bob, "all are told the same"
        return alice

    def mentions(self) -> list[str]:
        room = self.ws.channel(self.CHANNEL)
        texts = [str(room.messages[ts].get("text")) for ts in room.order]
        return [text for text in texts if f"<!subteam^{self.GROUP}>" in text]

    def lose(self) -> None:
        self.ws.fault("chat.postMessage", "drop_response", skip=2)

    def limit(self, seconds: int) -> None:
        self.ws.fault("chat.postMessage", "rate_limited", seconds=float(seconds))

    def nobody(self) -> None:
        self.ws.state.usergroups[self.GROUP].users.clear()

    @property
    def problems(self) -> list[str]:
        return []


@contextlib.contextmanager
def _served(kind: type[PagerDutyWorld] | type[OpsgenieWorld]) -> Iterator[PagerDutyWorld | OpsgenieWorld]:
    with ExitStack() as stack:
        yield kind(stack)


@asynccontextmanager
async def opened(kind: str) -> AsyncIterator[World]:
    """A world by its name: pagerduty, opsgenie, slack."""
    if kind == "slack":
        async with LocalWorkspace(manifest=MANIFEST, rate_limits=False) as ws:
            yield SlackWorld(ws)
        return
    with _served(PagerDutyWorld if kind == "pagerduty" else OpsgenieWorld) as world:
        yield world


def page(*, incident: str = INCIDENT, minute: int = 0, summary: str = "shop is ill") -> Page:
    return Page(
        incident_id=incident,
        service="shop",
        summary=summary,
        severity=Severity.CRITICAL,
        at=datetime(2026, 11, 24, 10, minute, tzinfo=UTC),
        link="https://slack.example.com/archives/C0INCIDENTS",
        channel=SlackWorld.CHANNEL,
        details={"version": "v1.3.0"},
    )
