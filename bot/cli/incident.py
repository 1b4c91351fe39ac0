"""`kaeru incident`: what `/incident` and the buttons do in chat."""

from bot.cli.lazy import LazyGroup

incident = LazyGroup(
    name="incident",
    help="""Follow an incident and decide in it.

INCIDENT is an id such as inc-20261124-shop-1 or the name of a service that has one open; where only one is
open it may be left out, except before other words.""",
    lazy={
        "list": ("bot.cli.incident_read:list_", "List the open incidents, newest first."),
        "show": ("bot.cli.incident_read:show", "Show where an incident stands and whose move it is."),
        "follow": (
            "bot.cli.incident_follow:follow",
            "Print the timeline as it grows, until the incident is closed.",
        ),
        "severity": ("bot.cli.incident_decide:severity", "Say how bad it is."),
        "approve": ("bot.cli.incident_approve:approve", "Show the plan and approve it."),
        "reject": ("bot.cli.incident_decide:reject", "Reject the plan."),
        "choose": ("bot.cli.incident_plan:choose", "Choose another version to go back to."),
        "way": ("bot.cli.incident_way:way", "Decide which way a database goes that migrations have changed."),
        "refresh": ("bot.cli.incident_plan:refresh", "Ask for a fresh plan where none is open any more."),
        "rollback": (
            "bot.cli.incident_plan:rollback",
            "Roll back after all: leave the forward fix and decide on the plan.",
        ),
        "hold": ("bot.cli.incident_decide:hold", "Let nothing new begin until it is released."),
        "release": ("bot.cli.incident_decide:release", "Release the hold."),
        "ack": ("bot.cli.incident_ack:ack", "Be on it: stop the pager."),
        "traffic": (
            "bot.cli.incident_traffic:traffic",
            "Let users come back further where kaeru asks, or leave traffic as it is.",
        ),
        "give-back": (
            "bot.cli.incident_debts:give_back",
            "Let kaeru switch on again what it suspended for the rollback.",
        ),
        "given-back": ("bot.cli.incident_debts:given_back", "Say that it was switched on again by hand."),
        "take-over": ("bot.cli.incident_debts:take_over", "See to what is suspended outside kaeru."),
        "back-up": ("bot.cli.incident_backups:back_up", "Back the database up once more."),
        "use-backup": (
            "bot.cli.incident_backups:use_backup",
            "Rely on a backup in spite of what is said against it.",
        ),
        "skip-backup": (
            "bot.cli.incident_backups:skip_backup",
            "Let the rollback not wait for a backup.",
        ),
        "agree": (
            "bot.cli.incident_restore:agree",
            "Show the plan of the restore that waits, and agree to it.",
        ),
        "set-aside": (
            "bot.cli.incident_restore:set_aside",
            "Set the restore aside that waits for a decision.",
        ),
        "note": ("bot.cli.incident_note:note", "Keep a line in the timeline."),
        "report": ("bot.cli.incident_report:report", "Pass on what users say, as evidence."),
        "exercise": (
            "bot.cli.incident_exercise:exercise",
            "Say that it is an exercise or a test.",
        ),
        "notices": ("bot.cli.incident_notices:notices", "Show what was told to whom."),
        "tell": ("bot.cli.incident_notices:tell", "Let an audience know something, in your words."),
        "mark": ("bot.cli.incident_note:mark", "Mark a message as belonging in the short timeline."),
        "action": ("bot.cli.incident_note:action", "Keep something that remains to be done."),
        "role": ("bot.cli.incident_note:role", "Say who does what."),
        "close": ("bot.cli.incident_decide:close", "Close it; the postmortem follows."),
        "accept": (
            "bot.cli.incident_left:accept",
            "Accept by name that something stays open when the incident is closed.",
        ),
        "actions": (
            "bot.cli.incident_left:actions",
            "List the open actions, and where each of them was filed.",
        ),
        "file": (
            "bot.cli.incident_left:file",
            "Try at once what has not become an issue, or is not among the papers, yet.",
        ),
        "lessons": ("bot.cli.incident_note:lessons", "Record root cause and lessons, also after the close."),
    },
)
