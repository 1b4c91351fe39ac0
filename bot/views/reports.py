"""What users report: on the incident's first card, the form that asks for it, and the list of what counts."""

from bot.domain import events as e
from bot.domain.incident import Incident
from bot.domain.narrate_reports import WORDS
from bot.domain.reports import Report, broken, counted, since
from bot.views.blocks import (
    Block,
    Card,
    actions,
    button,
    card,
    context,
    entry,
    header,
    modal,
    note,
    option,
    radio,
    sections,
    text_input,
)
from bot.views.ids import Action, Field, Modal, Ref
from bot.views.limits import INPUT_TEXT
from bot.views.mrkdwn import clock, code, line, said, when, who

_SHOWN = 20
_TEXT = 300
_STANDINGS = (
    option("It is still broken", "still"),
    option("It is broken again", "again"),
    option("It is gone", "gone"),
)


def reports_row(incident: Incident) -> list[Block]:
    """What users report so far, and the button; nothing where there is neither."""
    blocks = [context(f":loudspeaker: {_summary(incident)}")] if incident.reports else []
    if incident.is_open:
        blocks.append(actions(button("Users report it", Action.REPORT_OPEN, Ref(incident_id=incident.id))))
    return blocks


def _summary(incident: Incident) -> str:
    ailing = broken(incident.reports)
    gone = tuple(one for one in incident.reports if not one.is_broken)
    parts = []
    if ailing:
        parts.append(f"{counted(ailing)} that it is broken, the last {clock(ailing[-1].at)}")
    if ailing and incident.mitigated_at is not None:
        late = since(ailing, incident.mitigated_at)
        parts.append(f"{len(late) or 'none'} of them since it was mitigated")
    if gone:
        parts.append(f"{counted(gone)} that it is gone")
    return f"*From users*: {'; '.join(parts)}."


def report_form(incident: Incident) -> Block:
    """`Users report it`: what they say, how many, since when, and whether it is still so."""
    usual = _STANDINGS[1] if incident.mitigated_at is not None else _STANDINGS[0]
    blocks = [
        entry(
            Field.REPORT,
            "What do they say?",
            text_input(lines=2, placeholder="Checkout ends with an error page", most=1000),
        ),
        entry(Field.STANDING, "How is it?", radio(_STANDINGS, initial=usual)),
        entry(
            Field.HOW_MANY,
            "How many users?",
            text_input(placeholder="1", most=12),
            hint="As far as you know. Left empty: one.",
            optional=True,
        ),
        entry(
            Field.SEEN_SINCE,
            "Since when do they see it?",
            {"type": "datetimepicker"},
            optional=True,
        ),
    ]
    metadata = Ref(incident_id=incident.id).encode()
    return modal(
        "Users report it",
        blocks,
        callback=Modal.REPORT.value,
        submit="Report",
        metadata=metadata[:INPUT_TEXT],
    )


def report_note(incident: Incident, event: e.UserReported | e.UserReportWithdrawn) -> Card | None:
    """A message of its own. A marked message stands in the channel itself, and is told of only after the mitigation."""
    by = who(event.by)
    match event:
        case e.UserReported(slack_ts=None):
            emoji = ":seedling:" if event.standing == "gone" else ":loudspeaker:"
            many = "Users report" if event.users == 1 else f"*{event.users} users* report"
            seen = f", since {clock(event.seen_since)}" if event.seen_since else ""
            text = f": {said(event.text, 1000)}" if event.text.strip() else "."
            return note(
                f"{emoji} {many} that {WORDS[event.standing]}{seen} ({by}, {code(event.report_id)}){text}"
            )
        case e.UserReported() if incident.mitigated_at is not None:
            quoted = said(event.text, 300)
            return note(f":loudspeaker: Reported by users since it was mitigated, says {by}: {quoted}")
        case e.UserReportWithdrawn(slack_ts=None):
            return note(f":wastebasket: {by} took back the report {code(event.report_id)}.")
        case _:
            return None


def reports_card(incident: Incident) -> Card:
    """All that counts, newest first, with the name by which it is taken back."""
    if not incident.reports:
        return note(
            "Users have reported nothing so far. *Users report it* on the first card, "
            "`/incident report` or a reaction on a message changes that."
        )
    newest = sorted(incident.reports, key=lambda one: one.at, reverse=True)
    lines = [_listed(one) for one in newest[:_SHOWN]]
    if len(newest) > _SHOWN:
        lines.append(f"and {len(newest) - _SHOWN} older ones")
    small = "`/incident report withdraw ID` takes one back; a message is taken back by its reaction."
    blocks = [
        header(f"User reports of {incident.service}"),
        *sections([_summary(incident), *lines]),
        context(small),
    ]
    return card(_summary(incident), blocks)


def _listed(one: Report) -> str:
    users = "" if one.users == 1 else f", {one.users} users"
    name = "a message" if one.slack_ts else code(one.id)
    return f"{when(one.at)} {name} ({who(one.by)}{users}): *{one.standing}* {line(one.text, _TEXT)}".rstrip()
