"""The end: how long it took, what remains to be done, and the door to the lessons."""

from datetime import datetime

from bot.domain.evidence import Outcome
from bot.domain.incident import Incident
from bot.views.blocks import Card, Style, actions, button, card, context, fields, header, section, sections
from bot.views.debts import owed
from bot.views.ids import Action, Ref
from bot.views.left import accepted_lines, action_lines, paper_lines, trouble
from bot.views.mrkdwn import code, length, line, said, when, who
from bot.views.wording import severity_words

_ACTIONS = 15


def closed_card(incident: Incident) -> Card:
    service = line(incident.service)
    by = who(incident.closed_by) if incident.closed_by else "kaeru"
    at = f", {when(incident.closed_at)}" if incident.closed_at else ""
    blocks = [
        header(f"{incident.service}: the incident is closed"),
        section(f"Closed by {by}{at}. {_result(incident)}"),
    ]
    if incident.summary.strip():
        blocks.append(section(said(incident.summary, 2000)))
    blocks.append(fields(*_facts(incident)))
    if incident.actions:
        blocks += sections(["*Still to do*", *action_lines(incident, most=_ACTIONS)])
    blocks += [*owed(incident), *sections(accepted_lines(incident)), *trouble(incident)]
    learned = bool(incident.root_cause.strip() or incident.lessons.strip())
    if incident.root_cause.strip():
        blocks.append(section(f"*Root cause*: {said(incident.root_cause, 1000)}"))
    label = "Edit root cause and lessons" if learned else "Root cause and lessons"
    style: Style | None = None if learned else "primary"
    blocks += [
        actions(button(label, Action.LESSONS_OPEN, Ref(incident_id=incident.id), style=style)),
        context(" ".join((_postmortem(incident), *paper_lines(incident)))),
    ]
    return card(f"{service}: the incident is closed. {_result(incident)}", blocks)


def _result(incident: Incident) -> str:
    run = incident.run
    if run is None:
        return "No rollback was carried out."
    if incident.verified_at is not None:
        return f"Back on {code(run.to_version)}, verified."
    if run.outcome is Outcome.SUCCEEDED:
        return f"Back on {code(run.to_version)}, mitigated but not verified."
    return f"The last rollback, to {code(run.to_version)}, did not succeed."


def _facts(incident: Incident) -> list[str]:
    facts = [
        f"*Severity*\n{severity_words(incident.severity)}",
        f"*Lasted*\n{_between(incident.declared_at, incident.closed_at)}",
    ]
    if incident.run is not None:
        facts.append(f"*Declared to mitigated*\n{_between(incident.declared_at, incident.mitigated_at)}")
        facts.append(f"*Rollbacks*\n{len(incident.runs)}")
    return facts


def _between(since: datetime, until: datetime | None) -> str:
    return length(max(until, since) - since) if until else "not reached"


def _postmortem(incident: Incident) -> str:
    revision = incident.postmortem_revision
    if incident.postmortem_wanted > revision:
        return "The postmortem is being written and will be posted here."
    return (
        f"The postmortem is posted in this channel (revision {revision})."
        if revision
        else "The postmortem follows."
    )
