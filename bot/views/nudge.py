"""Friendly reminders in the incident's channel."""

from bot.domain.decide.leaving import filing_of
from bot.domain.incident import Action as OpenAction
from bot.domain.incident import Incident, Status
from bot.domain.prose import listed
from bot.views.blocks import Card, actions, button, card, section, sections
from bot.views.ids import Action, Ref
from bot.views.mrkdwn import bullets, counted, line, said, who
from bot.views.wording import lead_words

_MOST = 5


def unwritten(incident: Incident) -> tuple[str, ...]:
    """What people have not written of the postmortem yet."""
    parts = (
        ("root cause", incident.root_cause),
        ("lessons", incident.lessons),
        ("impact", incident.impact),
    )
    return tuple(what for what, text in parts if not text.strip())


def unfiled(incident: Incident) -> tuple[OpenAction, ...]:
    """The open actions that nobody but this incident knows of: what is in a tracker is reminded of there."""
    return tuple(action for action in incident.actions if not filing_of(incident, action.text).reference)


def nudge_card(incident: Incident) -> Card:
    """What is still missing, for whoever leads it."""
    ref = Ref(incident_id=incident.id)
    person, service = lead_words(incident, "Somebody here"), line(incident.service)
    if incident.status is Status.CLOSED:
        return _of_the_papers(incident, person, service)
    text = (
        f"{person}, {service} was watched and could not be verified. Look at it; if users are well, close the incident."
        if incident.left_unverified
        else f"{person}, {service} has been well for a while. Close the incident, and the postmortem is written."
    )
    return card(
        text,
        [
            section(text),
            actions(button("Close the incident", Action.CLOSE_OPEN, ref, style="primary")),
        ],
    )


def _of_the_papers(incident: Incident, person: str, service: str) -> Card:
    missing, still_open = unwritten(incident), unfiled(incident)
    sentences = []
    if missing:
        what = ", ".join(missing[:-1]) + (" or " if len(missing) > 1 else "") + missing[-1]
        sentences.append(f"the postmortem of {service} has no {what} yet. A few sentences are enough.")
    if still_open:
        owners = listed(list(dict.fromkeys(who(a.owner) for a in still_open if a.owner)))
        whose = f" (with {owners})" if owners != "nobody" else ""
        count = counted(len(still_open), "action")
        sentences.append(f"{count} of the incident of {service} {_are(still_open)} still open{whose}.")
    sentences[1:] = [sentence[0].upper() + sentence[1:] for sentence in sentences[1:]]
    text = f"{person}, {' '.join(sentences)}"
    told = bullets((said(action.text, 200) for action in still_open), most=_MOST)
    edit = button(
        "Root cause and lessons", Action.LESSONS_OPEN, Ref(incident_id=incident.id), style="primary"
    )
    return card(text, [section(text), *sections(told), actions(edit)])


def _are(still_open: tuple[OpenAction, ...]) -> str:
    return "is" if len(still_open) == 1 else "are"
