"""What happened to a restore, one sentence per event, in Slack's text form (see `bot.domain.prose`)."""

from typing import assert_never

from bot.domain import events as e
from bot.domain.events.databases import RestoreEvent
from bot.domain.prose import person, typed


def narrate_restore(event: RestoreEvent) -> str:  # noqa: PLR0911 - one sentence per event, a table in match form
    """One sentence."""
    which, who = f"Restore {event.number}", person(event.by)
    match event:
        case e.RestoreAsked():
            backup = f"backup {typed(event.backup)}" if event.backup else "the newest proven backup"
            into = "a new database beside it" if not event.into else typed(event.into)
            where = "to replace it" if event.replace else f"into {into}"
            return f"{which} asked for by {who}: {backup} of {typed(event.database)}, {where}"
        case e.RestorePlanned():
            return f"{which} planned, with backup {typed(event.plan.backup)}: {typed(' '.join(event.plan.actions))}"
        case e.RestoreBlocked():
            return f"{which} cannot be planned: {typed(event.reason)}"
        case e.RestoreApproved():
            return f"{which} agreed to by {who} (digest {event.digest})"
        case e.RestoreRejected():
            why = f": {typed(event.reason)}" if event.reason.strip() else ""
            return f"{which} set aside by {who}{why}"
        case e.RestoreBegun():
            return f"{which} begun"
        case e.RestoreEnded():
            return f"{which} {event.outcome.value}: {typed(event.detail)}"
        case _:
            assert_never(event)
