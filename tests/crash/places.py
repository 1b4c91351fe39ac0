"""Every place at which a whole story can be cut short. `test_places.py` compares them with a recorded story."""

STEPS = ("arm", "begin", "apply:shop", "prove", "mitigated", "watch", "postmortem")
BOUNDARIES = tuple(f"{side}:{step}" for step in STEPS for side in ("before", "after"))
"""Each is a story of its own."""

GAUNTLETS = {
    "requests": (
        "inbox:command:/rollback",
        "inbox:action:severity_pick",
        "inbox:action:rollback_approve",
        "inbox:action:close_open",
        "inbox:view:close",
    ),
    "starts": (
        "start:arm.v1",
        "started:arm.v1",
        "start:rollback.v1",
        "started:rollback.v1",
        "start:close.v1",
        "started:close.v1",
    ),
    "decisions": (
        "commit:incident_declared",
        "commit:channel_opened",
        "commit:severity_set",
        "commit:plan_ready",
        "commit:approval_given",
        "commit:incident_closed",
    ),
    "run": (
        "commit:step_started:apply:shop",
        "commit:step_finished:apply:shop",
        "commit:step_started:prove",
        "commit:step_finished:prove",
        "commit:incident_mitigated",
        "commit:step_started:watch",
        "commit:step_finished:watch",
        "commit:incident_verified",
    ),
    "first messages": (
        "sent:channel",
        "sent:severity",
        "sent:describe",
        "sent:bookmark-1",
        "sent:invite",
        "sent:source",
        "sent:declared",
        "commit:stakeholders_told",
    ),
    "cards": (
        "sent:plan-1",
        "edited:severity",
        "sent:note:incident",
        "sent:run-1",
        "edited:plan-1",
        "edited:run-1",
        "sent:outcome-1",
        "sent:note:stakeholders",
        "edited:outcome-1",
    ),
    "last messages": (
        "sent:closed",
        "edited:source",
        "edited:declared",
        "commit:postmortem_posted",
        "sent:postmortem-1",
        "sent:postmortem-1-picture",
        "sent:postmortem-1-text",
        "edited:closed",
    ),
}
"""In these stories the bot is killed at one place after the other."""

FAILED_STEPS = ("arm", "begin", "apply:shop", "give-up")
FAILED_BOUNDARIES = tuple(f"{side}:{step}" for step in FAILED_STEPS for side in ("before", "after"))
"""Those of a rollback that fails."""
