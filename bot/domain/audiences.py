"""Who outside of an incident is told, when, and what became of each notice."""

from datetime import datetime
from enum import StrEnum

from bot.domain.base import UserId, Value


class Moment(StrEnum):
    """When people are told something. An exercise takes back what they were told. An update is what somebody of the team wants them to know besides."""

    BEGUN = "begun"
    ASSESSED = "assessed"
    ROLLING_BACK = "rolling back"
    MITIGATED = "mitigated"
    RELAPSED = "relapsed"
    VERIFIED = "verified"
    CLOSED = "closed"
    EXERCISE = "exercise"
    UPDATE = "update"


class Audience(StrEnum):
    ENGINEERS = "engineers"
    SUPPORT = "support"
    EXECUTIVES = "executives"
    CUSTOMERS = "customers"


class Telling(StrEnum):
    """What became of telling somebody. `outdated`: a newer notice was due before this one could be sent."""

    PENDING = "pending"
    TOLD = "told"
    FAILED = "failed"
    UNKNOWN = "unknown"
    OUTDATED = "outdated"


class Addressee(Value):
    """Somebody to be told: `name` is the notice's in kaeru.yml.

    `whom` says who they are, `subject` what they were told, `detail` what went wrong or was left out, in plain text.
    """

    name: str
    audience: Audience
    state: Telling = Telling.PENDING
    at: datetime | None = None
    whom: str = ""
    subject: str = ""
    detail: str = ""
    url: str = ""


class NoticeRecord(Value):
    """A notice that is due, and whom it goes to. `number` is the place among the incident's events of what it tells."""

    number: int
    moment: Moment
    at: datetime
    by: UserId
    to: tuple[Addressee, ...]

    @property
    def pending(self) -> tuple[Addressee, ...]:
        return tuple(one for one in self.to if one.state is Telling.PENDING)

    @property
    def is_update(self) -> bool:
        """Whether it is somebody's own words, which nothing that happens later makes untrue."""
        return self.moment is Moment.UPDATE
