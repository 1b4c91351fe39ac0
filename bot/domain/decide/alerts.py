"""What follows where a monitoring system says something of a service that has an open incident."""

from datetime import datetime

from bot.domain import events as e
from bot.domain.alerts import Alert
from bot.domain.base import BOT
from bot.domain.decide.planning import replan
from bot.domain.decide.state import Events
from bot.domain.incident import Incident, Status
from bot.domain.severity import Severity


def alert_heard(
    incident: Incident, alert: Alert, *, fresh: bool, now: datetime, severity: Severity | None = None
) -> Events:
    """One more entry of its timeline. With `fresh` the alert has not been heard of before.

    A fresh one that fires after the watch has ended takes the incident up again, whether everything could be verified
    or not. One whose `severity`, as kaeru.yml maps it, rolls back is said to be worse where people chose one that
    does not.
    """
    firing = fresh and alert.state == "firing"
    milder = incident.severity is not None and not incident.severity.rolls_back
    worse = severity if firing and milder and severity is not None and severity.rolls_back else None
    heard = e.AlertReceived(at=now, alert=alert, worse=worse)
    if not firing or not (incident.status is Status.VERIFIED or incident.left_unverified):
        return (heard,)
    reason = f"an alert fires again: {alert.title}"
    return (heard, *replan(incident, wanted=None, by=BOT, now=now, reason=reason))
