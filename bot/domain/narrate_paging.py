"""What happened to a page, one sentence per event, in Slack's text form (see `bot.domain.prose`)."""

from collections.abc import Sequence
from typing import assert_never

from bot.domain import events as e
from bot.domain.lifecycle_paging import PagingEvent
from bot.domain.paging import OnCallName
from bot.domain.prose import person, typed


def narrate_paging(event: PagingEvent) -> str:  # noqa: C901, PLR0911 - one sentence per event, a table in match form
    """One sentence."""
    match event:
        case e.PageBegun(why="relapsed"):
            return "Whoever is on call is called again: it relapsed"
        case e.PageBegun(why="worse"):
            return "Whoever is on call is called: an alert is worse than the severity that was chosen"
        case e.PageBegun():
            return "Whoever is on call is called"
        case e.Paged():
            note = f". {typed(event.note)}" if event.note.strip() else ""
            return f"Paged through {typed(event.through)}: {named(event.people)}{note}"
        case e.PageFailed(action="page"):
            how = "It is not known whether anybody was paged" if event.unknown else "Nobody could be paged"
            return f"{how}: {typed(event.reason)}"
        case e.PageFailed(action="acknowledge"):
            return f"The pager could not be stopped: {typed(event.reason)}"
        case e.PageFailed():
            return f"The pager could not be told that it is over: {typed(event.reason)}"
        case e.PageSpared():
            how = "It is not known whether anybody was paged" if event.unknown else "Nobody was paged"
            return f"{how}: {typed(event.reason)}"
        case e.PageAcknowledged():
            return f"Page acknowledged by {person(event.by)}"
        case e.PagerTold(action="acknowledge"):
            return f"Pager stopped ({typed(event.through)})"
        case e.PagerTold():
            return f"Pager told that it is over ({typed(event.through)})"
        case _:
            assert_never(event)


def named(people: Sequence[OnCallName]) -> str:
    """`Alice (level 1), Ben (level 2)`; mentions of those who are known in Slack."""
    if not people:
        return "it does not say whom"
    return ", ".join(
        f"{person(one.user) if one.user else typed(one.name)} (level {one.level})" for one in people
    )
