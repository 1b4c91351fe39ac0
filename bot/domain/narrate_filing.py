"""What became of an incident's actions and papers, and what it left open; see `bot.domain.narrate`."""

from datetime import UTC, datetime
from typing import assert_never

from bot.domain import events as e
from bot.domain.lifecycle_filing import FilingEvent
from bot.domain.prose import person, typed


def narrate_filing(event: FilingEvent) -> str:  # noqa: PLR0911 - one sentence per event, a table in match form
    """One sentence."""
    who = person(event.by)
    match event:
        case e.ActionFiled():
            where = f"{typed(event.reference)} of {typed(event.where)}"
            return f"Action filed as {where}{_at(event.url)}: {typed(event.text)}{_noted(event.note)}"
        case e.ActionNotFiled():
            told = f"Action not filed with {typed(event.where)} ({typed(event.text)})"
            return f"{told}: {typed(event.reason)}{_again(event.again_at)}"
        case e.PostmortemPublished():
            where = f"{typed(event.paper)} as {typed(event.reference)}{_at(event.url)}"
            return f"Postmortem published, revision {event.revision}, to {where}{_noted(event.note)}"
        case e.PostmortemNotPublished():
            told = f"Postmortem, revision {event.revision}, not published to {typed(event.paper)}"
            return f"{told}: {typed(event.reason)}{_again(event.again_at)}"
        case e.FilingAsked():
            return f"{who} asked for another try with what was not filed or published yet"
        case e.DebtAccepted():
            told = f": {typed(event.text)}" if event.text.strip() else ""
            return f"{who} accepts that this stays open ({typed(event.debt_id)}){told}"
        case e.QuarantineLifted():
            return f"{who} vouches for {typed(event.version)} again; it is quarantined no longer"
        case e.ChannelArchived():
            return "Channel archived"
        case _:
            assert_never(event)


def _at(url: str) -> str:
    return f", {typed(url)}" if url else ""


def _noted(note: str) -> str:
    return f" {typed(note)}" if note.strip() else ""


def _again(at: datetime | None) -> str:
    if at is None:
        return " It is not tried again until somebody asks for that."
    return f" The next try is at {at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC."
