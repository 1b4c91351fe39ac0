"""What happens to an incident as a whole: declared, staffed, judged, told."""

from datetime import datetime
from typing import Literal

from bot.domain.base import UserId, Version
from bot.domain.events.base import Happened
from bot.domain.severity import Severity


class IncidentDeclared(Happened):
    type: Literal["incident_declared"] = "incident_declared"
    incident_id: str
    service: str
    source_channel: str | None
    wanted: Version | None = None
    detected_at: datetime | None = None
    exercise: bool = False


class ChannelOpened(Happened):
    type: Literal["channel_opened"] = "channel_opened"
    channel_id: str
    name: str


class SomeoneJoined(Happened):
    """A second `/rollback` for the same service led here."""

    type: Literal["someone_joined"] = "someone_joined"
    source_channel: str | None = None


class SeveritySet(Happened):
    """`forward_fix_due_at` and `owner` are set where this severity recommends a forward fix."""

    type: Literal["severity_set"] = "severity_set"
    severity: Severity
    owner: UserId | None = None
    forward_fix_due_at: datetime | None = None


class RoleAssigned(Happened):
    type: Literal["role_assigned"] = "role_assigned"
    role: str
    user: UserId


class NoteAdded(Happened):
    type: Literal["note_added"] = "note_added"
    text: str
    slack_ts: str | None = None


class ActionAdded(Happened):
    """Something that remains to be done after the incident."""

    type: Literal["action_added"] = "action_added"
    text: str
    owner: UserId | None = None


class HoldPlaced(Happened):
    type: Literal["hold_placed"] = "hold_placed"
    reason: str = ""


class HoldReleased(Happened):
    type: Literal["hold_released"] = "hold_released"


class RollbackChosen(Happened):
    """Rolled back after all, although a forward fix was recommended."""

    type: Literal["rollback_chosen"] = "rollback_chosen"


class ForwardFixReminded(Happened):
    type: Literal["forward_fix_reminded"] = "forward_fix_reminded"
    due_at: datetime


class ExerciseMarked(Happened):
    """It is an exercise or a test and no incident of users, or with `exercise` false is one after all."""

    type: Literal["exercise_marked"] = "exercise_marked"
    exercise: bool = True


class StakeholdersTold(Happened):
    type: Literal["stakeholders_told"] = "stakeholders_told"
    channel_id: str
    text: str


class DeliveryFailed(Happened):
    """Something meant for Slack could not be delivered; the incident goes on without it."""

    type: Literal["delivery_failed"] = "delivery_failed"
    what: str
    reason: str
