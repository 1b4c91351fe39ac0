"""Who is on call for a service, and how they are called."""

from datetime import datetime
from typing import Protocol

from pydantic import Field

from bot.domain.base import Value
from bot.domain.severity import Severity


class OnCallPerson(Value):
    """`level` 1 is called first. `email` and `slack` (an id) are empty and `until` None where they are not known."""

    name: str
    email: str = ""
    slack: str = ""
    level: int = 1
    until: datetime | None = None


class Page(Value):
    """Why somebody is called. `incident_id` is the deduplication key; `link` leads to where people talk about it.

    `at` is when this call was decided on: the same in every repetition of it. `channel` is the Slack id of the
    incident's channel, empty where there is none yet.
    """

    incident_id: str
    service: str
    summary: str
    severity: Severity | None
    at: datetime
    link: str = ""
    channel: str = ""
    details: dict[str, str] = Field(default_factory=dict)


class Paged(Value):
    """What came of a page, an acknowledgement or a resolution.

    The other side takes it and works on it later; `reference` is what it calls it. `note` is a sentence where
    something was left out.
    """

    reference: str
    note: str = ""


class OnCall(Protocol):
    """The on-call of one service. All methods may raise Unavailable, Refused, AuthFailed.

    The writing ones may raise OutcomeUnknown. All of them can be repeated: the key is the incident, and the other side
    makes one alert of all pages with the same key that is not resolved.
    """

    @property
    def identity(self) -> str:
        """Whose on-call this is, for people and for keys, without secrets."""
        ...

    async def who(self) -> tuple[OnCallPerson, ...]:
        """Who is on call now, whoever is called first in front. Read-only; empty where nobody is."""
        ...

    async def page(self, page: Page) -> Paged:
        """Call whoever is on call. A page for an alert that was resolved calls again: that is a relapse."""
        ...

    async def acknowledge(self, incident_id: str, *, by: str) -> Paged:
        """Somebody is on it, `by` a display name: stop calling. Nothing happens where nobody was called."""
        ...

    async def resolve(self, incident_id: str, *, by: str) -> Paged:
        """It is over. Nothing happens where nobody was called."""
        ...

    async def aclose(self) -> None:
        """Close the connections. Nothing is called afterwards."""
        ...
