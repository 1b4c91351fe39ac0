"""What users report."""

from datetime import datetime
from typing import Literal

from bot.domain.base import UserId
from bot.domain.events.base import Happened
from bot.domain.reports import Standing


class UserReported(Happened):
    """Users say how it is. With a `slack_ts` a message of the channel was marked, which counts once.

    `users` is how many it speaks of, `said_at` when that was, if before this, `seen_since` since when users see it.
    """

    type: Literal["user_reported"] = "user_reported"
    report_id: str
    text: str = ""
    users: int = 1
    standing: Standing = "still"
    said_at: datetime | None = None
    seen_since: datetime | None = None
    slack_ts: str | None = None
    author: UserId | None = None


class UserReportWithdrawn(Happened):
    """It does not count any more: a slip, or nobody marks the message now."""

    type: Literal["user_report_withdrawn"] = "user_report_withdrawn"
    report_id: str
    slack_ts: str | None = None
    text: str = ""
