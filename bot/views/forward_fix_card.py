"""The forward fix: who is on it, until when, and the way back to a rollback."""

from bot.domain.incident import ForwardFix, Incident, PlanState, Status
from bot.views.blocks import Card, actions, button, card, confirm, context, header, section
from bot.views.debts import close_button
from bot.views.hold import held, hold_button
from bot.views.ids import Action, Ref
from bot.views.mrkdwn import clock, code, counted, line, when, who


def forward_fix_card(incident: Incident, fix: ForwardFix, number: int) -> Card:
    """Card `number` counts the reminders; only the newest can be pressed, the others are a line."""
    if incident.status is not Status.FIXING_FORWARD:
        after = "a rollback was chosen after all" if incident.deciding_since else "the incident is closed"
        text = f":hammer_and_wrench: {who(fix.owner)} was fixing forward; {after}."
        return card(text, [context(text)])
    if number < fix.reminders:
        text = f":hammer_and_wrench: {who(fix.owner)} is fixing forward; a newer reminder is below."
        return card(text, [context(text)])
    return _live(incident, fix)


def _why(fix: ForwardFix, severity: str) -> str:
    if fix.database is not None and fix.chosen_by is not None:
        return f"{who(fix.chosen_by)} decided so, because of the database {line(fix.database, 60)}."
    return f"{severity} severity: a fix forward disturbs fewer people than a rollback."


def _live(incident: Incident, fix: ForwardFix) -> Card:
    service, owner = line(incident.service), who(fix.owner)
    severity = incident.severity.label if incident.severity else ""
    if fix.reminders:
        times = counted(fix.reminders, "reminder")
        text = f"{owner}, is the fix for {service} out? The next reminder comes at {clock(fix.due_at)}."
        title = f"Is {incident.service} fixed?"
        said = f"{owner}, the time for the forward fix is over ({times} so far). I ask again at {clock(fix.due_at)}."
    else:
        text = f"Fix forward: {owner} owns the fix for {service}, due {clock(fix.due_at)}."
        title = f"Fix {incident.service} forward"
        said = f"{_why(fix, severity)}\n*Owner* {owner}   *Due* {when(fix.due_at)}, when I ask how it stands."
    record = incident.record
    if record is not None and record.state is PlanState.READY and record.to_version:
        ready = f"A rollback to {code(record.to_version)} is prepared, should it be needed."
    else:
        ready = "A rollback can be started at any time."
    blocks = [
        header(title),
        section(said),
        *held(incident),
        actions(
            button(
                "Roll back after all",
                Action.ROLLBACK_AFTER_ALL,
                Ref(incident_id=incident.id),
                confirm=confirm(
                    f"Roll {incident.service} back after all?",
                    "The plan is shown for approval; nothing is changed before that.",
                    yes="Show the plan",
                    no="Not yet",
                ),
            ),
            close_button(incident, "It is fixed: close"),
            hold_button(incident) if incident.held_by else None,
        ),
        context(ready),
    ]
    return card(text, blocks)
