"""What stands in the services file for everything: the workspace, the people, clocks and reminders."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from bot.catalog.alerts import AlertsSpec
from bot.catalog.base import Spec, expected
from bot.catalog.durations import Duration
from bot.catalog.people import SLACK_USER
from bot.catalog.problems import did_you_mean
from bot.catalog.reports import UserReportsSpec
from bot.catalog.texts import Channel, Label

NoticeSpec = Annotated[dict[str, Any], WithJsonSchema({"$kaeru": "notice"})]


def _archival(written: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """A length of an hour at least, or never; one sentence where it is neither."""
    try:
        length = read(written)
    except ValidationError:
        length = timedelta(0)
    if length != "never" and length < timedelta(hours=1):
        raise expected("a duration of at least 1h such as 14d, or never")
    return length


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        near = did_you_mean(name, sorted(available_timezones())) if len(name) > 2 else ""
        hint = f" {near}" if near.startswith("Did") else ""
        sentence = f"{name!r} is not a time zone; expected one such as UTC or Europe/Berlin.{hint}"
        raise PydanticCustomError("sentence", "{sentence}", {"sentence": sentence}) from error
    return name


class WorkspaceSpec(Spec):
    """What holds for everything."""

    stakeholders: Channel | None = Field(default=None, examples=["incidents"])
    """The channel that is told when an incident begins, is mitigated, and ends. Name or id."""
    timezone: Annotated[str, AfterValidator(_timezone)] = Field(default="UTC", examples=["Europe/Berlin"])
    """The time zone of documents for people, such as the postmortem. IANA name."""
    notices: dict[Label, NoticeSpec] = Field(
        default_factory=dict, max_length=20, examples=[{"management": {"kind": "email"}}]
    )
    """Who is told outside of Slack about every service's incidents."""
    notice_templates: Path | None = Field(default=None, examples=["templates/notices"])
    """A folder with templates of your own, `AUDIENCE.txt.j2`, for notices. A path from this file's folder."""
    user_reports: UserReportsSpec = UserReportsSpec()
    """Which messages of an incident's channel count as a report of users."""
    alerts: AlertsSpec = AlertsSpec()
    """How a monitoring system's alerts are read, where they may open incidents."""
    archive_after: Annotated[Duration | Literal["never"], WrapValidator(_archival)] = Field(
        default=timedelta(days=7), examples=["14d"]
    )
    """How long after the close, and after the last message of a person, an incident's channel is archived: an hour at least; or never."""
    channel_prefix: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,19}$")] = Field(
        default="inc", examples=["inc"]
    )
    """How the names of incident channels begin: inc-20261124-shop-1."""

    @property
    def archives_after(self) -> timedelta | None:
        """The same; None for never."""
        return None if self.archive_after == "never" else self.archive_after


class PersonSpec(Spec):
    """Somebody who is named elsewhere in this file."""

    slack: Annotated[str, StringConstraints(pattern=rf"^{SLACK_USER.pattern}$")] = Field(
        examples=["U0123ABCD"]
    )
    """The Slack member id: in Slack, the person's profile, the three dots, Copy member ID."""
    name: str | None = Field(default=None, min_length=1, max_length=80, examples=["Alice"])
    """The name in documents. Left out: the one in Slack."""
    email: Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)] | None = Field(
        default=None, examples=["alice@example.com"]
    )
    """The address by which an on-call system knows them, so that they are invited when they are called."""


class ForwardFixSpec(Spec):
    """How long a forward fix may take before kaeru asks about it."""

    medium: Duration = Field(default=timedelta(minutes=30), examples=["30m"])
    """For Medium incidents."""
    low: Duration = Field(default=timedelta(hours=4), examples=["4h"])
    """For Low incidents."""
    remind_every: Duration = Field(default=timedelta(minutes=30), examples=["30m"])
    """How often kaeru asks again after that."""


class NudgesSpec(Spec):
    """Friendly reminders."""

    postmortem_after: Duration = Field(default=timedelta(hours=24), examples=["24h"])
    """When to remind of an incident that is verified but not closed, so that it has no postmortem yet."""
