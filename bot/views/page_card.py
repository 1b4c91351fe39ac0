"""Who was called because of an incident: one small message, edited from the call to its end."""

from collections.abc import Sequence

from bot.domain import events as e
from bot.domain.decide import is_over
from bot.domain.incident import Incident
from bot.domain.paging import OnCallName, PageRecord, PageState
from bot.views.blocks import Card, actions, button, card, context, note, section
from bot.views.ids import Action, Ref
from bot.views.mrkdwn import ended, line, said, when, who

_REASON = 1500
_SHOWN = 12


def page_card(incident: Incident, record: PageRecord, trouble: str = "") -> Card:
    """`trouble` is what keeps the page from going out by now, in plain text; kept nowhere."""
    text = _text(incident, record, trouble)
    blocks = [section(text), context(_small(record))]
    if _may_acknowledge(incident, record):
        ref = Ref(incident_id=incident.id, number=record.number)
        blocks.append(actions(button("Acknowledge", Action.PAGE_ACKNOWLEDGE, ref, style="primary")))
    return card(text, blocks)


def _text(incident: Incident, record: PageRecord, trouble: str) -> str:
    service, again = line(incident.service), " again" if record.why == "relapsed" else ""
    match record.state:
        case PageState.CALLING if trouble:
            return (
                f":rotating_light: *Nobody could be paged yet*: {ended(line(trouble, _REASON))} "
                "kaeru keeps trying; call them yourself if you can."
            )
        case PageState.CALLING:
            return f":pager: *Calling whoever is on call* for {service}{again}…"
        case PageState.SPARED:
            how = "It is not known whether anybody was paged" if record.unknown else "Nobody was paged"
            return f":pager: {how}{again}: {ended(said(record.reason, _REASON))}"
        case PageState.FAILED:
            how = "It is not known whether anybody was paged" if record.unknown else "Nobody could be paged"
            return f":rotating_light: *{how}{again}*: {ended(line(record.reason, _REASON))}"
        case PageState.CALLED:
            return f":pager: *Paged{again}* ({line(record.through, 100)}): {called(record.people)}."


def _small(record: PageRecord) -> str:
    parts = [f"{when(record.called_at or record.begun_at)}."]
    if record.acknowledged_by is not None:
        parts.append(f"{who(record.acknowledged_by)} is on it.")
    elif record.state is PageState.CALLED and not record.resolved:
        parts.append("Nobody has acknowledged it yet.")
    if record.trouble:
        parts.append(f":warning: The pager could not be told: {ended(line(record.trouble, 600))}")
    elif record.resolved:
        parts.append("The pager knows that it is over.")
    elif record.told:
        parts.append("The pager is stopped.")
    if record.note.strip():
        parts.append(ended(said(record.note, 600)))
    return " ".join(parts)


def _may_acknowledge(incident: Incident, record: PageRecord) -> bool:
    waits = record.state is not PageState.SPARED and record.acknowledged_by is None and not record.resolved
    return waits and record == incident.page and not is_over(incident)


def called(people: Sequence[OnCallName]) -> str:
    """`@alice (level 1), Ben (level 2)`."""
    if not people:
        return "the pager does not say whom"
    named = [
        f"{who(one.user) if one.user else line(one.name, 60)} (level {one.level})" for one in people[:_SHOWN]
    ]
    more = f" and {len(people) - _SHOWN} more" if len(people) > _SHOWN else ""
    return f"{', '.join(named)}{more}"


def paged_in_short(incident: Incident) -> list[str]:
    """The newest call in one line; nothing where nobody was to be called."""
    record = incident.page
    return [] if record is None else [f"{_text(incident, record, '')} {_small(record)}"]


def late_note(incident: Incident) -> Card:
    """While the pager cannot be reached."""
    return note(
        f":rotating_light: Nobody could be paged for {line(incident.service)} yet. Call whoever is on call yourself "
        "if you can; kaeru keeps trying, and the card above says what is in the way."
    )


def page_note(event: e.PageFailed | e.PageAcknowledged) -> Card:
    """A message of its own: an edit of the card tells nobody."""
    match event:
        case e.PageAcknowledged():
            return note(f":raising_hand: {who(event.by)} acknowledged the page and is on it.")
        case e.PageFailed(action="page"):
            how = "It is not known whether anybody was paged" if event.unknown else "Nobody could be paged"
            return note(f":rotating_light: *{how}*: {ended(line(event.reason, _REASON))}")
        case e.PageFailed():
            what = "be stopped" if event.action == "acknowledge" else "be told that it is over"
            return note(f":warning: The pager could not {what}: {ended(line(event.reason, _REASON))}")
