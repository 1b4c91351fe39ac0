"""An alert that is sent again while nothing has changed: counted on the message that it has, and no event."""

from datetime import datetime

from bot.domain import events as e
from bot.domain.alerts import Alert
from bot.domain.incident import Incident
from bot.domain.timeline import Kind
from bot.ports.chat import INCIDENT_CHANNEL, Post
from bot.store import UnitOfWork
from bot.views.alert_card import alert_card, repeated

AGAIN = "alert-again:"
"""Facts: how often it was sent again since entry `SEQ` of the timeline, by `INCIDENT/SEQ`."""


def last_heard(uow: UnitOfWork, incident_id: str, group: str) -> tuple[int, e.AlertReceived] | None:
    """The newest entry of that group of alerts, and its number in the timeline."""
    for entry in reversed(uow.timeline.entries(incident_id, kinds=(Kind.EVENT,))):
        if entry.body.get("type") == "alert_received":
            event = e.parse(entry.body)
            if isinstance(event, e.AlertReceived) and event.alert.group == group:
                return entry.seq, event
    return None


def is_same(before: Alert, now_it_is: Alert) -> bool:
    """Whether it says nothing new. Its text may have numbers in it that change every time."""
    return (before.state, before.title, before.firing) == (now_it_is.state, now_it_is.title, now_it_is.firing)


def count_again(uow: UnitOfWork, incident: Incident, seq: int, event: e.AlertReceived, at: datetime) -> None:
    """Count it, and say so on its message."""
    fact = f"{AGAIN}{incident.id}/{seq}"
    times = int(uow.facts.get(fact) or 0) + 1
    uow.facts.set(fact, times)
    if incident.archived_at is None:
        text, blocks = repeated(alert_card(incident, event), times, at)
        post = Post(channel=INCIDENT_CHANNEL, text=text, blocks=blocks)
        uow.outbox.put(f"incident:{incident.id}", f"event-{seq}", post, incident_id=incident.id)
