"""That an incident is on hold, on whichever card is in use."""

from bot.domain.incident import Incident
from bot.views.blocks import Block, button, section
from bot.views.ids import Action, Ref
from bot.views.mrkdwn import because, said, who


def held(incident: Incident) -> list[Block]:
    """One line about the hold; nothing where there is none."""
    if incident.held_by is None:
        return []
    text = f":double_vertical_bar: *On hold* by {who(incident.held_by)}{because(said(incident.hold_reason))}"
    return [section(f"{text}\nNothing new begins until it is released.")]


def hold_button(incident: Incident, *, label: str = "Hold") -> Block:
    """Hold, or where it is held, Release."""
    ref = Ref(incident_id=incident.id)
    if incident.held_by is not None:
        return button("Release hold", Action.ROLLBACK_RELEASE, ref, style="primary")
    return button(label, Action.ROLLBACK_HOLD, ref)
