"""What users reported, one sentence per event, in Slack's text form (see `bot.domain.prose`)."""

from datetime import UTC
from typing import assert_never

from bot.domain import events as e
from bot.domain.lifecycle_reports import ReportEvent
from bot.domain.prose import person, typed
from bot.domain.reports import Standing

WORDS: dict[Standing, str] = {
    "still": "it is broken",
    "again": "it is broken again",
    "gone": "it is gone",
}


def narrate_report(event: ReportEvent) -> str:
    """One sentence."""
    match event:
        case e.UserReported():
            many = "Users report" if event.users == 1 else f"Users ({event.users}) report"
            seen = f", since {event.seen_since.astimezone(UTC):%H:%M} UTC" if event.seen_since else ""
            message = f", in a message of {person(event.author)}" if event.author else ""
            text = f": {typed(event.text)}" if event.text.strip() else ""
            return f"{many} that {WORDS[event.standing]}{seen}, says {person(event.by)}{message} ({typed(event.report_id)}){text}"
        case e.UserReportWithdrawn():
            text = f": {typed(event.text)}" if event.text.strip() else ""
            return f"User report {typed(event.report_id)} withdrawn by {person(event.by)}{text}"
        case _:
            assert_never(event)
