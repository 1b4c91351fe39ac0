"""Where the work that an incident leaves behind goes: actions into a tracker, the postmortem among other papers."""

import hashlib
from datetime import datetime, timedelta
from typing import Protocol

from bot.domain.base import Value


class Task(Value):
    """An open action. Title and text are plain; `since` is when the incident was declared, nothing older is it.

    `owner` is a display name and may be empty.
    """

    incident_id: str
    action: str
    title: str
    text: str
    since: datetime
    owner: str = ""

    @property
    def marker(self) -> str:
        """What is looked for in the tracker, of letters, digits and dashes only."""
        return f"kaeru-{hashlib.sha256(f'{self.incident_id}/{self.action}'.encode()).hexdigest()[:20]}"


class Filed(Value):
    """Where a task or a paper is. `already`: it was there before, now nothing was written."""

    reference: str
    url: str = ""
    already: bool = False
    note: str = ""


class Paper(Value):
    """A postmortem. `name` is a file's name without its ending: letters, digits and dashes.

    `known` is the reference of an earlier revision, where there is one: it is looked for there first.
    """

    incident_id: str
    name: str
    title: str
    markdown: str
    revision: int
    known: str = ""


class Tracker(Protocol):
    """All methods may raise Unavailable, Refused, AuthFailed."""

    @property
    def identity(self) -> str:
        """Which tracker and project, for people and for keys, without secrets."""
        ...

    @property
    def settles(self) -> timedelta:
        """How long an issue that was just made may not be found yet. `file` is not repeated before that."""
        ...

    async def file(self, task: Task) -> Filed:
        """Make an issue of it, unless there is one: it is looked for first, so this may be repeated.

        What people have made of the issue since, closing it included, stays.
        Raises OutcomeUnknown where the issue may or may not have been made.
        """
        ...

    async def check(self) -> str:
        """Look, without writing anything, whether it can be used; what was seen, as a sentence."""
        ...

    async def aclose(self) -> None:
        """Close the connections. Nothing is called afterwards."""
        ...


class Papers(Protocol):
    """All methods may raise Unavailable, Refused, AuthFailed."""

    @property
    def identity(self) -> str:
        """Where the papers go, for people and for keys, without secrets."""
        ...

    async def publish(self, paper: Paper) -> Filed:
        """Put it there, or in the place of kaeru's own earlier revision of it. May be repeated.

        Raises Conflict where somebody else has changed it meanwhile: people's words are not written over.
        Raises OutcomeUnknown where it may or may not be there now.
        """
        ...

    async def check(self) -> str:
        """Look, without writing anything, whether it can be used; what was seen, as a sentence."""
        ...

    async def aclose(self) -> None:
        """Close the connections. Nothing is called afterwards."""
        ...
