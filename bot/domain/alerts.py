"""What a monitoring system said of a service, and which deploy is likely behind it."""

from datetime import datetime, timedelta
from typing import Literal

from bot.domain.base import Value, Version

RECENT = timedelta(hours=6)
"""A deploy that is older than this is not suspected."""

AlertState = Literal["firing", "resolved"]


class Suspect(Value):
    """A version that came recently. `component` is empty for the whole service; `before` is what served until then.

    `commits` and `subjects` (a few of them) are what it has beyond that; None and empty where that is not known.
    """

    component: str = ""
    version: Version
    since: datetime
    before: Version | None = None
    commits: int | None = None
    subjects: tuple[str, ...] = ()
    migrations: int = 0


class Alert(Value):
    """One notification about a group of alerts. `group` names the group for good.

    `title` and `text` are what its rule says, `firing` how many alerts of the group fire; `link` leads to the
    alert's own page. `at` is when the oldest of them began.
    """

    group: str
    state: AlertState
    title: str
    text: str = ""
    firing: int = 1
    at: datetime | None = None
    link: str = ""
