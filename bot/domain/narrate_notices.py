"""What people outside were told, one sentence per event, in Slack's text form (see `bot.domain.prose`)."""

from typing import assert_never

from bot.domain import events as e
from bot.domain.audiences import Telling
from bot.domain.lifecycle_notices import NoticeEvent
from bot.domain.prose import listed, person, typed


def narrate_notice(event: NoticeEvent | e.UpdateWritten) -> str:
    """One sentence."""
    match event:
        case e.UpdateWritten():
            return f"Update for {event.audience} by {person(event.by)}: {typed(event.text)}"
        case e.NoticesDue():
            names = listed([typed(one.name) for one in event.addressees])
            return f"Notice due ({event.moment}) for {names}"
        case e.NoticeSent():
            again = " earlier" if event.already else ""
            left_out = "".join(f"; not told: {typed(one)}" for one in event.declined)
            note = f"; {typed(event.note)}" if event.note.strip() else ""
            return f"Told{again} {_whom(event)}: “{typed(event.subject)}”{left_out}{note}"
        case e.NoticeFailed():
            return f"{_failed(event)} ({event.moment}): {typed(event.reason)}"
        case _:
            assert_never(event)


def _whom(event: e.NoticeSent | e.NoticeFailed) -> str:
    who = f"{event.audience} ({typed(event.name)}"
    return f"{who}, {typed(event.whom)})" if event.whom.strip() else f"{who})"


def _failed(event: e.NoticeFailed) -> str:
    if event.state is Telling.UNKNOWN:
        return f"Nobody knows whether {_whom(event)} were told"
    return f"{'Not told any more' if event.state is Telling.OUTDATED else 'Not told'}: {_whom(event)}"
