"""Every place at which a whole story can be cut short. `test_places.py` compares them with a recorded story."""

STEPS = ("arm", "begin", "apply:0", "prove", "mitigated", "watch", "postmortem")
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
    "decisions": (
        "commit:incident_declared",
        "start:arm.v1",
        "started:arm.v1",
        "commit:channel_opened",
        "commit:plan_ready",
        "commit:severity_set",
        "commit:approval_given",
        "start:rollback.v1",
        "started:rollback.v1",
        "commit:debt_accepted",
        "start:close.v1",
        "started:close.v1",
        "commit:postmortem_posted",
    ),
    "run": (
        "commit:step_started:apply:shop",
        "applied:shop",
        "commit:step_finished:apply:shop",
        "commit:step_started:prove",
        "commit:step_finished:prove",
        "commit:incident_mitigated",
        "commit:step_started:watch",
        "commit:verdict_reached",
        "commit:step_finished:watch",
    ),
    "first messages": (
        "sent:channel",
        "sent:severity",
        "edited:severity",
        "sent:note:incident",
        "sent:plan-1",
        "edited:plan-1",
    ),
    "later messages": (
        "sent:run-1",
        "edited:run-1",
        "sent:outcome-1",
        "edited:outcome-1",
    ),
    "last messages": (
        "sent:closed",
        "edited:closed",
        "sent:postmortem-1",
        "sent:postmortem-1-picture",
        "sent:postmortem-1-text",
    ),
    "set-up": (
        "sent:describe",
        "sent:bookmark-1",
        "sent:invite",
    ),
    "the answer": (
        "sent:source",
        "edited:source",
    ),
    "stakeholders": (
        "sent:declared",
        "commit:stakeholders_told",
        "edited:declared",
        "sent:note:stakeholders",
    ),
}
"""In these stories the bot is killed at one place after the other.

What is sent side by side has stories of its own: a kill at one message may be the end of another on its way.
"""

FAILURES = (
    "before:give-up",
    "after:give-up",
    "commit:step_added",
    "reverted:shop",
    "commit:step_finished:revert:shop",
    "commit:rollback_failed",
)
"""What only a rollback that fails passes."""

DEBTS = (
    "inbox:action:debt_give_back",
    "commit:repayment_asked",
    "start:repay.v1",
    "started:repay.v1",
    "before:repay",
    "repaid:shop",
    "commit:debt_repaid",
    "after:repay",
)
"""What only a suspension that is given back passes, one after the other in one story."""
