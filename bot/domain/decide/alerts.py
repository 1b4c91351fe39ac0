"""What follows where a monitoring system says something of a service that has an open incident."""

from datetime import datetime

from bot.domain import events as e
from bot.domain.alerts import Alert
from bot.domain.base import BOT
from bot.domain.decide.planning import replan
from bot.domain.decide.state import Events
from bot.domain.incident import Incident, Status


def alert_heard(incident: Incident, alert: Alert, *, fresh: bool, now: datetime) -> Events:
    """One more entry of its timeline. With `fresh` the alert has not been heard of before.

    A fresh one that fires after everything was verified takes the incident up again.
    """
    heard = e.AlertReceived(at=now, alert=alert)
    if not fresh or alert.state != "firing" or incident.status is not Status.VERIFIED:
        return (heard,)
    reason = f"an alert fires again: {alert.title}"
    return (heard, *replan(incident, wanted=None, by=BOT, now=now, reason=reason))
