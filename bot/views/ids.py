"""Every identifier that Slack sends back to us, and what a button carries.

An action id that is drawn several times on one surface gets a suffix after a colon
(`severity_pick:high`, `lessons_open:2`); `pattern` matches it with and without.
"""

import re
from enum import StrEnum

from pydantic import Field as PydanticField
from pydantic import ValidationError

from bot.domain.base import Refusal, Value

MAX_REF = 255
"""Characters of an encoded `Ref`; Slack would take 2000."""


class Action(StrEnum):
    """Buttons. Their value is a `Ref`, encoded."""

    SEVERITY_PICK = "severity_pick"
    SEVERITY_CHANGE = "severity_change"
    ROLLBACK_APPROVE = "rollback_approve"
    ROLLBACK_REJECT = "rollback_reject"
    ROLLBACK_CHOOSE = "rollback_choose"
    ROLLBACK_HOLD = "rollback_hold"
    ROLLBACK_RELEASE = "rollback_release"
    ROLLBACK_BREAK_GLASS = "rollback_break_glass"
    ROLLBACK_REFRESH = "rollback_refresh"
    ROLLBACK_AFTER_ALL = "rollback_after_all"
    WAY_CHOOSE = "way_choose"
    NEXT_VERSION = "next_version"
    DEBT_GIVE_BACK = "debt_give_back"
    DEBT_TAKE_OVER = "debt_take_over"
    DEBT_DONE = "debt_done"
    RESTORE_OPEN = "restore_open"
    RESTORE_APPROVE = "restore_approve"
    RESTORE_REJECT = "restore_reject"
    RESTORE_AGAIN = "restore_again"
    RESTORE_OTHER = "restore_other"
    BACKUP_AGAIN = "backup_again"
    BACKUP_USE = "backup_use"
    BACKUP_SKIP = "backup_skip"
    TRAFFIC_CONTINUE = "traffic_continue"
    TRAFFIC_STOP = "traffic_stop"
    LEFT_ACCEPT = "left_accept"
    FILE_AGAIN = "file_again"
    PAGE_ACKNOWLEDGE = "page_acknowledge"
    REPORT_OPEN = "report_open"
    CLOSE_OPEN = "close_open"
    LESSONS_OPEN = "lessons_open"
    PICKER_OPEN = "picker_open"


class Modal(StrEnum):
    """Callback ids of modals. Their private metadata is a `Ref`, encoded; the picker's is a channel id or empty."""

    PICKER = "picker"
    CHOOSE_VERSION = "choose_version"
    REJECT = "reject"
    BREAK_GLASS = "break_glass"
    HOLD = "hold"
    SEVERITY = "severity"
    NOTE = "note"
    ROLE = "role"
    RESTORE = "restore"
    OTHER_BACKUP = "other_backup"
    REPORT = "report"
    CLOSE = "close"
    LESSONS = "lessons"
    TIMELINE = "timeline"


class Shortcut(StrEnum):
    TIMELINE_ADD = "timeline_add"


class Field(StrEnum):
    """Inputs of modals: both the block id and the action id within it."""

    SERVICE = "service"
    VERSION = "version"
    DRY_RUN = "dry_run"
    EXERCISE = "exercise"
    REASON = "reason"
    SEVERITY = "severity"
    NOTE = "note"
    ROLE = "role"
    USER = "user"
    DATABASE = "database"
    BACKUP = "backup"
    INTO = "into"
    INTO_NAME = "into_name"
    REPORT = "report"
    STANDING = "standing"
    HOW_MANY = "how_many"
    SEEN_SINCE = "seen_since"
    SUMMARY = "summary"
    UNVERIFIED = "unverified"
    ACCEPTED = "accepted"
    ROOT_CAUSE = "root_cause"
    LESSONS = "lessons"
    IMPACT = "impact"
    ACTIONS = "actions"
    TIME = "time"


AUTO = "@auto"
"""The choice "let kaeru choose" among versions; no version can have this name."""

YES = "yes"
"""The value of a single checkbox."""


def pattern(action: Action) -> re.Pattern[str]:
    """What a listener matches an action id with."""
    return re.compile(rf"^{re.escape(action.value)}(?::|$)")


class Ref(Value):
    """What a button is about: an incident, and where it matters the plan's number and digest.

    `arg` is the one thing more that some buttons carry: a severity, a version, a message's timestamp.
    """

    incident_id: str = PydanticField(pattern=r"^[^|\s]{1,80}$")
    number: int = PydanticField(default=0, ge=0, le=99_999)
    digest: str = PydanticField(default="", pattern=r"^[0-9a-f]{0,16}$")
    arg: str = PydanticField(default="", max_length=150)

    def encode(self) -> str:
        """At most `MAX_REF` characters."""
        return f"{self.incident_id}|{self.number}|{self.digest}|{self.arg}"

    @classmethod
    def decode(cls, value: str) -> "Ref":
        """Raises Refusal for anything that `encode` did not make."""
        parts = value.split("|", 3)
        try:
            incident_id, number, digest, arg = parts
            return cls(incident_id=incident_id, number=int(number), digest=digest, arg=arg)
        except (ValueError, ValidationError) as error:
            sentence = (
                "This button is from another version of kaeru. Use the newest card, or `/incident status`."
            )
            raise Refusal(sentence) from error
