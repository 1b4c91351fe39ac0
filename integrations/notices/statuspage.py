"""Notices on a status page: an incident there for each incident here, with an update for each notice.

What was told stands in the incident's own metadata, in the request that tells it: looked for first, it is told once.
"""

import contextlib
import hashlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from bot.domain.audiences import Audience, Moment
from bot.domain.notices import Effect, Notice
from bot.ports.errors import Refused
from bot.ports.notices import Sent
from integrations.json_api import JsonApi
from integrations.notices.settings import StatuspageSettings

_RIGHTS = "an API key of somebody who may manage incidents of the page"
_PAGES, _PER_PAGE = 5, 100
_MARK = "kaeru"
_RESOLVED = ("resolved", "postmortem")

_STATUS = {
    Moment.BEGUN: "investigating",
    Moment.ASSESSED: "investigating",
    Moment.ROLLING_BACK: "identified",
    Moment.MITIGATED: "monitoring",
    Moment.RELAPSED: "identified",
    Moment.VERIFIED: "resolved",
    Moment.CLOSED: "resolved",
    Moment.EXERCISE: "resolved",
}
_COMPONENT = {
    None: "degraded_performance",
    Effect.MINOR: "degraded_performance",
    Effect.MAJOR: "partial_outage",
    Effect.CRITICAL: "major_outage",
}
_OVER = (Moment.VERIFIED, Moment.CLOSED, Moment.EXERCISE)
_WELL = (Moment.MITIGATED, *_OVER)


class StatuspageNotifier:
    """Tells one page."""

    recognises = True

    def __init__(self, settings: StatuspageSettings) -> None:
        self._settings = settings
        self._incidents = f"/pages/{settings.page}/incidents"

    @property
    def identity(self) -> str:
        return f"status page {self._settings.page}"

    @property
    def audience(self) -> Audience:
        return self._settings.audience

    @property
    def moments(self) -> frozenset[Moment]:
        return self._settings.moments

    async def send(self, notice: Notice, key: str) -> Sent:
        known, told = notice.known, hashlib.sha256(key.encode()).hexdigest()[:16]
        async with self._api() as api:
            there = await self._find(api, known.thread)
            before = _told(there)
            if there is not None and told in before:
                return _sent(there, already=True)
            if there is None and known.moment in _OVER:
                return Sent(note="The page knows nothing of the problem, so nothing was written there.")
            if there is not None and known.moment is Moment.CLOSED and there.get("status") in _RESOLVED:
                return _sent(there, note="It was resolved there already, so nothing was written.")
            change = self._change(notice, there, (*before, told))
            if there is None:
                made = await api.write(
                    "POST", self._incidents, {"incident": {"name": notice.subject, **change}}
                )
            else:
                path = f"{self._incidents}/{there['id']}"
                made = await api.write("PATCH", path, {"incident": change})
        return _sent(_as_incident(made))

    async def check(self) -> str:
        async with self._api() as api:
            await api.read(self._incidents, {"limit": 1, "page": 1})
        return f"the incidents of page {self._settings.page} can be read; nothing was written"

    async def aclose(self) -> None:
        """Nothing stays open."""

    @contextlib.asynccontextmanager
    async def _api(self) -> AsyncIterator[JsonApi]:
        """A connection for one notice: there are few, and the key may have been renewed."""
        access = self._settings.access()
        token = access.token.get_secret_value()
        api = JsonApi(
            access,
            self._settings.url,
            name="The status page",
            rights=_RIGHTS,
            headers={"Authorization": f"OAuth {token}"},
        )
        try:
            yield api
        finally:
            await api.aclose()

    async def _find(self, api: JsonApi, thread: str) -> Mapping[str, Any] | None:
        """The incident there that was made for this one, among the newest."""
        for page in range(1, _PAGES + 1):
            found = await api.read(self._incidents, {"limit": _PER_PAGE, "page": page})
            if not isinstance(found, list):
                raise Refused(
                    "The status page answers with something that is no list of incidents.",
                    remedy="Check its url.",
                )
            for one in found:
                if isinstance(one, dict) and _mark(one).get("thread") == thread:
                    return one
            if len(found) < _PER_PAGE:
                return None
        return None

    def _change(
        self, notice: Notice, there: Mapping[str, Any] | None, told: tuple[str, ...]
    ) -> dict[str, Any]:
        known = notice.known
        unsolved = known.moment is Moment.CLOSED and known.unsolved
        if known.moment is Moment.UPDATE or unsolved:
            status = str(there["status"]) if there is not None else "investigating"
        else:
            status = _STATUS[known.moment]
        change: dict[str, Any] = {
            "status": status,
            "body": notice.text,
            "deliver_notifications": self._settings.tells_subscribers,
            "metadata": {_MARK: {"thread": known.thread, "told": list(told)}},
        }
        if known.effect is not None:
            change["impact_override"] = known.effect.value
        if self._settings.components and known.moment is not Moment.UPDATE and not unsolved:
            state = "operational" if known.moment in _WELL else _COMPONENT[known.effect]
            change["components"] = dict.fromkeys(self._settings.components, state)
            change["component_ids"] = list(self._settings.components)
        return change


def _mark(incident: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = incident.get("metadata")
    mark = metadata.get(_MARK) if isinstance(metadata, dict) else None
    return mark if isinstance(mark, dict) else {}


def _told(incident: Mapping[str, Any] | None) -> tuple[str, ...]:
    told = _mark(incident).get("told") if incident is not None else None
    return tuple(str(one) for one in told) if isinstance(told, list) else ()


def _as_incident(answer: Any) -> Mapping[str, Any]:
    return answer if isinstance(answer, dict) else {}


def _sent(incident: Mapping[str, Any], *, already: bool = False, note: str = "") -> Sent:
    return Sent(
        reference=str(incident.get("id") or ""),
        url=str(incident.get("shortlink") or ""),
        already=already,
        note=note,
    )
