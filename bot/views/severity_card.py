"""How bad is it? The question, and the one line that it becomes."""

from bot.domain.base import BOT
from bot.domain.decide import backups_in_the_way, failed_checks
from bot.domain.incident import Incident, PlanRecord, PlanState
from bot.domain.severity import Severity
from bot.views.blocks import Block, Card, Style, actions, button, card, context, header, section
from bot.views.hold import held, hold_button
from bot.views.ids import Action, Ref
from bot.views.mrkdwn import code, line, said, when, who
from bot.views.reports import reports_row
from bot.views.wording import SEVERITY_EMOJI, in_the_way, severity_words


def severity_card(incident: Incident) -> Card:
    """The prompt until somebody has chosen; afterwards a record with a way to change it."""
    if incident.severity is not None:
        return _record(incident, incident.severity)
    if not incident.is_open:
        closed = [context("Closed without a severity."), *reports_row(incident)]
        return card("Closed without a severity.", closed)
    asked = "Somebody here" if incident.declared_by == BOT else who(incident.declared_by)
    meanings = "\n".join(f"{SEVERITY_EMOJI[s]}  *{s.label}* – {s.meaning}" for s in Severity)
    blocks = [
        header(f"How bad is it for {incident.service}?"),
        section(f"{asked}, choose one. Critical and High roll back; Medium and Low suggest a forward fix."),
        section(meanings),
        actions(*(severity_button(incident, severity) for severity in Severity)),
        context(_meanwhile(incident, incident.record)),
    ]
    if incident.held_by is not None:
        blocks += [*held(incident), actions(hold_button(incident))]
    blocks += reports_row(incident)
    return card(f"How bad is it? {asked}, choose a severity for {line(incident.service)}.", blocks)


def severity_button(incident: Incident, severity: Severity) -> Block:
    """Chooses that severity at once."""
    ref = Ref(incident_id=incident.id, arg=severity.value)
    style: Style | None = "danger" if severity is Severity.CRITICAL else None
    return button(severity.label, Action.SEVERITY_PICK, ref, suffix=severity.value, style=style)


def _record(incident: Incident, severity: Severity) -> Card:
    since = f" · {when(incident.severity_at)}" if incident.severity_at else ""
    text = f"{severity_words(severity)}: {severity.meaning}"
    shown = f"{SEVERITY_EMOJI[severity]} Severity *{severity.label}* – {severity.meaning}{since}"
    change = (
        button("Change", Action.SEVERITY_CHANGE, Ref(incident_id=incident.id)) if incident.is_open else None
    )
    return card(f"Severity {text}", [section(shown, accessory=change), *reports_row(incident)])


def _meanwhile(incident: Incident, record: PlanRecord | None) -> str:
    """What the plan is doing while people still look at the prompt."""
    match record.state if record else PlanState.ARMING:
        case PlanState.READY if (
            record
            and record.plan
            and (failed := failed_checks(record.plan) or backups_in_the_way(incident, record.plan))
        ):
            way, why = f"back to {code(record.plan.to_version)}", in_the_way(failed)
            return f":no_entry: The plan is ready meanwhile, {way}, but it cannot be approved yet: {why}"
        case PlanState.READY if record and record.to_version:
            return f":white_check_mark: The plan is ready meanwhile: back to {code(record.to_version)}."
        case PlanState.BLOCKED if record:
            return f":warning: No plan could be made so far: {said(record.note, 300)}"
        case _:
            return ":hourglass_flowing_sand: Meanwhile the plan is being prepared: checking the target, comparing versions, measuring."
