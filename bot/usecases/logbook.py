"""The one line in the log for what the operator of kaeru wants to find there: what was decided, and how it went.

The timeline has all of it; the log says which incident to look at.
"""

import logging

from bot.domain import events as e
from bot.domain.decide import failed_checks
from bot.domain.evidence import Outcome
from bot.domain.incident import Incident
from bot.domain.narrate_backups import taken_in_words

_LONGEST = 500


def entry(incident: Incident, event: e.Event) -> tuple[int, str] | None:  # noqa: C901, PLR0911, PLR0912 - one line per event, a table in match form
    """The level and the text, in one line; None for what is of no interest to an operator."""
    match event:
        case e.IncidentDeclared():
            return logging.INFO, _line(incident, f"declared for {event.service} by {event.by}")
        case e.PlanReady():
            plan = event.plan
            way = f"plan {plan.number} is ready: {plan.from_version} to {plan.to_version}"
            if failed := failed_checks(plan):
                why = "; ".join(f"{check.name}, {check.detail}" for check in failed)
                return logging.WARNING, _line(incident, f"{way}, but it cannot be approved: {why}")
            return logging.INFO, _line(incident, way)
        case e.PlanBlocked():
            return logging.WARNING, _line(incident, f"plan {event.number} could not be made: {event.reason}")
        case e.RollbackApproved():
            return logging.INFO, _line(
                incident, f"plan {event.number} is approved by {', '.join(event.approved_by)}"
            )
        case e.IncidentMitigated():
            return logging.INFO, _line(incident, "mitigated")
        case e.IncidentVerified():
            return logging.INFO, _line(incident, "verified")
        case e.RollbackFailed():
            said = f"the rollback {event.outcome.value}: {event.reason} What serves now: {event.safe_state}"
            return logging.ERROR, _line(incident, said)
        case e.IncidentRelapsed():
            return logging.WARNING, _line(incident, f"it is ill again: {event.reason}")
        case e.IncidentLeftUnverified():
            return logging.WARNING, _line(incident, f"not verified: {event.reason}")
        case e.BackupFinished():
            told = f"the backup of {event.database} is taken: {taken_in_words(event.backup)}"
            return logging.WARNING if event.backup.dangers else logging.INFO, _line(incident, told)
        case e.BackupFailed():
            return logging.ERROR, _line(incident, f"the backup of {event.database} failed: {event.reason}")
        case e.RestoreBegun():
            return logging.INFO, _line(incident, f"restore {event.number} begins")
        case e.RestoreEnded():
            level = logging.INFO if event.outcome is Outcome.SUCCEEDED else logging.ERROR
            return level, _line(incident, f"restore {event.number} {event.outcome.value}: {event.detail}")
        case e.IncidentClosed():
            return logging.INFO, _line(incident, f"closed by {event.by}")
        case _:
            return None


def _line(incident: Incident, text: str) -> str:
    """People's texts may have several lines; the log has one for each event."""
    flat = " ".join(text.split())
    return f"{incident.id}: {flat if len(flat) <= _LONGEST else f'{flat[:_LONGEST]}…'}"
