"""What happened to users' traffic, one sentence per event, in Slack's text form (see `bot.domain.prose`)."""

from typing import assert_never

from bot.domain import events as e
from bot.domain.lifecycle_traffic import TrafficEvent
from bot.domain.prose import person, typed
from bot.domain.served import percent


def narrate_traffic(event: TrafficEvent) -> str:
    """One sentence."""
    who = person(event.by)
    match event:
        case e.TrafficShifted():
            because = f": {typed(event.sentence)}" if event.sentence.strip() else ""
            return f"Traffic at {percent(event.share)}{because}"
        case e.TrafficAsked():
            return f"People are asked whether users come back any further: {typed(event.sentence)}"
        case e.TrafficContinued():
            return f"{who} let users come back further"
        case e.TrafficStopped():
            return f"{who} stopped bringing users back"
        case _:
            assert_never(event)
