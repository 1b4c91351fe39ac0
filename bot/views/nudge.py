"""Friendly reminders in the incident's channel."""

from bot.domain.incident import Incident, Status
from bot.views.blocks import Card, actions, button, card, section
from bot.views.ids import Action, Ref
from bot.views.mrkdwn import line, who
from bot.views.wording import lead


def nudge_card(incident: Incident) -> Card:
    """What is still missing, for whoever leads it."""
    ref = Ref(incident_id=incident.id)
    person, service = who(lead(incident)), line(incident.service)
    if incident.status is Status.CLOSED:
        text = f"{person}, the postmortem of {service} has no root cause yet. A few sentences are enough."
        button_ = button("Root cause and lessons", Action.LESSONS_OPEN, ref, style="primary")
    else:
        text = f"{person}, {service} has been well for a while. Close the incident, and the postmortem is written."
        button_ = button("Close the incident", Action.CLOSE_OPEN, ref, style="primary")
    return card(text, [section(text), actions(button_)])
