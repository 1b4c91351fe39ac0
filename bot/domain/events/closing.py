"""The end of an incident, and what leaves it."""

from datetime import datetime
from typing import Literal

from bot.domain.base import Version
from bot.domain.events.base import Happened


class LessonsRecorded(Happened):
    type: Literal["lessons_recorded"] = "lessons_recorded"
    root_cause: str
    lessons: str
    impact: str = ""


class IncidentClosed(Happened):
    type: Literal["incident_closed"] = "incident_closed"
    summary: str = ""


class PostmortemPosted(Happened):
    """`sha256` is of the Markdown that was posted; `revision` counts from 1."""

    type: Literal["postmortem_posted"] = "postmortem_posted"
    revision: int
    sha256: str


class QuarantineLifted(Happened):
    """Somebody vouches for this version again."""

    type: Literal["quarantine_lifted"] = "quarantine_lifted"
    version: Version


class ActionFiled(Happened):
    """An open action is an issue of the tracker `where`; `action` is its `action_id`, `text` what it says."""

    type: Literal["action_filed"] = "action_filed"
    action: str
    text: str
    where: str
    reference: str
    url: str = ""
    note: str = ""


class ActionNotFiled(Happened):
    """One try failed; `reason` is a sentence. Without `again_at` kaeru does not try again by itself."""

    type: Literal["action_not_filed"] = "action_not_filed"
    action: str
    text: str
    where: str
    reason: str
    again_at: datetime | None = None


class PostmortemPublished(Happened):
    """This revision is among the papers called `paper` in kaeru.yml."""

    type: Literal["postmortem_published"] = "postmortem_published"
    revision: int
    paper: str
    reference: str
    url: str = ""
    note: str = ""


class PostmortemNotPublished(Happened):
    """One try failed; `reason` is a sentence. Without `again_at` kaeru does not try again by itself."""

    type: Literal["postmortem_not_published"] = "postmortem_not_published"
    revision: int
    paper: str
    reason: str
    again_at: datetime | None = None


class FilingAsked(Happened):
    """Somebody wants what has not left yet to be tried again at once."""

    type: Literal["filing_asked"] = "filing_asked"


class ChannelArchived(Happened):
    type: Literal["channel_archived"] = "channel_archived"
    channel_id: str
