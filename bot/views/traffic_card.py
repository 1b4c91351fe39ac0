"""Users who come back in stages: what can be pressed while they do, and the card that asks whether they go on."""

from bot.domain.afterwards import UNSEEN
from bot.domain.base import UserId
from bot.domain.decide import is_coming_back
from bot.domain.incident import Incident
from bot.domain.run import RAMP, Run
from bot.domain.served import percent
from bot.views.blocks import Block, Card, actions, button, card, confirm, context, section
from bot.views.hold import held, hold_button
from bot.views.ids import Action, Ref
from bot.views.mrkdwn import ended, line, who

_WHY = 1500


def asks_now(incident: Incident, run: Run) -> bool:
    """Whether people are asked about this run's traffic at the moment."""
    return run == incident.run and is_coming_back(incident) and bool(run.traffic.asked)


def traffic_card(incident: Incident, run: Run) -> Card:
    """The question, with its two answers."""
    share = run.traffic.share
    at = (
        "Traffic is where it was" if share is None else f"{percent(share)} of the traffic reaches the service"
    )
    if share is not None and UNSEEN in run.traffic.asked:
        at = f"It was {percent(share)} when it was last seen"
    service, why = line(incident.service), ended(line(run.traffic.asked, _WHY))
    called = " ".join(map(who, asked_people(incident, run)))
    text = f":vertical_traffic_light: {called} *Shall users come back to {service} any further?* {at}.\n{why}"
    blocks = [
        section(text),
        *held(incident),
        actions(
            None if incident.held_by else _continue(incident),
            stop_button(incident),
            hold_button(incident) if incident.held_by else None,
        ),
        context(
            "Continue stands for what could not be verified, and does not overrule what fails: that steps back again. "
            "Stop leaves traffic as it is, and ends the run."
        ),
    ]
    return card(f"Shall users come back to {service} any further? {why}", blocks)


def asked_people(incident: Incident, run: Run) -> tuple[UserId, ...]:
    """Who is called by the question: whoever approved the run, has a role, or acknowledged the page."""
    on_it = (page.acknowledged_by for page in incident.pages if page.acknowledged_by is not None)
    return tuple(dict.fromkeys((*run.approved_by, *incident.roles.values(), *on_it)))


def traffic_nudge(incident: Incident, run: Run) -> Card:
    """The question once more, for those who have not seen it."""
    called, service = " ".join(map(who, asked_people(incident, run))), line(incident.service)
    why = ended(line(run.traffic.asked, _WHY))
    text = f":vertical_traffic_light: {called} kaeru still waits: shall users come back to {service} any further? {why}"
    return card(text, [section(text), actions(_continue(incident), stop_button(incident))])


def stop_button(incident: Incident) -> Block:
    asked = confirm(
        "Leave traffic as it is?",
        "The run ends with that, and does not count as a success. Whoever is kept from the service stays so until somebody brings them back.",
        yes="Stop",
        no="Not yet",
        style="danger",
    )
    return button("Stop", Action.TRAFFIC_STOP, Ref(incident_id=incident.id), style="danger", confirm=asked)


def _continue(incident: Incident) -> Block:
    return button("Continue", Action.TRAFFIC_CONTINUE, Ref(incident_id=incident.id), style="primary")


def whose_move(incident: Incident) -> str:
    """What a rollback waits for where users come back; empty where they do not."""
    run = incident.run
    if run is None or not is_coming_back(incident):
        return ""
    if asks_now(incident, run):
        return (
            f"Somebody has to say whether users come back any further: {ended(line(run.traffic.asked, 300))}"
        )
    if UNSEEN in (detail := run.step(RAMP).detail):
        return f"Look at the balancer: {ended(line(detail, 300))}"
    return "Users are being brought back in stages; nothing to do but watch it."
