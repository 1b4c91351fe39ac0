"""What has happened, in the past tense. The incident is the fold of these; the timeline keeps them for good.

Every event carries `at` (UTC) and `by` (who caused it). `Event` is the closed union of them all, told apart
by `type`; `parse` reads one back from JSON.
"""

from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from bot.domain.events.base import Happened
from bot.domain.events.closing import (
    ActionFiled,
    ActionNotFiled,
    ChannelArchived,
    FilingAsked,
    IncidentClosed,
    LessonsRecorded,
    PostmortemNotPublished,
    PostmortemPosted,
    PostmortemPublished,
    QuarantineLifted,
)
from bot.domain.events.databases import (
    BackupAccepted,
    BackupBegun,
    BackupFailed,
    BackupFinished,
    BackupSkipped,
    RestoreApproved,
    RestoreAsked,
    RestoreBegun,
    RestoreBlocked,
    RestoreEnded,
    RestorePlanned,
    RestoreRejected,
)
from bot.domain.events.debts import (
    DebtAccepted,
    DebtKept,
    DebtRepaid,
    DebtTaken,
    DebtTakenOver,
    RepaymentAsked,
)
from bot.domain.events.incident import (
    ActionAdded,
    ChannelOpened,
    DeliveryFailed,
    ExerciseMarked,
    ForwardFixReminded,
    HoldPlaced,
    HoldReleased,
    IncidentDeclared,
    NoteAdded,
    RoleAssigned,
    RollbackChosen,
    SeveritySet,
    SomeoneJoined,
    StakeholdersTold,
)
from bot.domain.events.notices import NoticeFailed, NoticesDue, NoticeSent, UpdateWritten
from bot.domain.events.paging import (
    AlertReceived,
    PageAcknowledged,
    PageBegun,
    Paged,
    PageFailed,
    PagerTold,
    PageSpared,
)
from bot.domain.events.plans import (
    ApprovalGiven,
    GlassBroken,
    PlanBlocked,
    PlanExpired,
    PlanReady,
    PlanRejected,
    PlanRequested,
    PlanSuperseded,
    RollbackApproved,
    WayChosen,
)
from bot.domain.events.reports import UserReported, UserReportWithdrawn
from bot.domain.events.runs import (
    IncidentLeftUnverified,
    IncidentMitigated,
    IncidentRelapsed,
    IncidentVerified,
    RollbackFailed,
    StepAdded,
    StepFinished,
    StepPrinted,
    StepStarted,
    VerdictReached,
)
from bot.domain.events.traffic import TrafficAsked, TrafficContinued, TrafficShifted, TrafficStopped

__all__ = [
    "ActionAdded",
    "ActionFiled",
    "ActionNotFiled",
    "AlertReceived",
    "ApprovalGiven",
    "BackupAccepted",
    "BackupBegun",
    "BackupFailed",
    "BackupFinished",
    "BackupSkipped",
    "ChannelArchived",
    "ChannelOpened",
    "DebtAccepted",
    "DebtKept",
    "DebtRepaid",
    "DebtTaken",
    "DebtTakenOver",
    "DeliveryFailed",
    "Event",
    "ExerciseMarked",
    "FilingAsked",
    "ForwardFixReminded",
    "GlassBroken",
    "Happened",
    "HoldPlaced",
    "HoldReleased",
    "IncidentClosed",
    "IncidentDeclared",
    "IncidentLeftUnverified",
    "IncidentMitigated",
    "IncidentRelapsed",
    "IncidentVerified",
    "LessonsRecorded",
    "NoteAdded",
    "NoticeFailed",
    "NoticeSent",
    "NoticesDue",
    "PageAcknowledged",
    "PageBegun",
    "PageFailed",
    "PageSpared",
    "Paged",
    "PagerTold",
    "PlanBlocked",
    "PlanExpired",
    "PlanReady",
    "PlanRejected",
    "PlanRequested",
    "PlanSuperseded",
    "PostmortemNotPublished",
    "PostmortemPosted",
    "PostmortemPublished",
    "QuarantineLifted",
    "RepaymentAsked",
    "RestoreApproved",
    "RestoreAsked",
    "RestoreBegun",
    "RestoreBlocked",
    "RestoreEnded",
    "RestorePlanned",
    "RestoreRejected",
    "RoleAssigned",
    "RollbackApproved",
    "RollbackChosen",
    "RollbackFailed",
    "SeveritySet",
    "SomeoneJoined",
    "StakeholdersTold",
    "StepAdded",
    "StepFinished",
    "StepPrinted",
    "StepStarted",
    "TrafficAsked",
    "TrafficContinued",
    "TrafficShifted",
    "TrafficStopped",
    "UpdateWritten",
    "UserReportWithdrawn",
    "UserReported",
    "VerdictReached",
    "WayChosen",
    "parse",
]

Event = Annotated[
    IncidentDeclared
    | ChannelOpened
    | SomeoneJoined
    | SeveritySet
    | RoleAssigned
    | NoteAdded
    | ActionAdded
    | PlanRequested
    | PlanReady
    | PlanBlocked
    | PlanSuperseded
    | WayChosen
    | PlanExpired
    | PlanRejected
    | ApprovalGiven
    | GlassBroken
    | HoldPlaced
    | HoldReleased
    | RollbackChosen
    | ForwardFixReminded
    | RollbackApproved
    | StepAdded
    | StepStarted
    | StepPrinted
    | StepFinished
    | IncidentMitigated
    | IncidentVerified
    | RollbackFailed
    | IncidentRelapsed
    | VerdictReached
    | IncidentLeftUnverified
    | DebtTaken
    | DebtTakenOver
    | RepaymentAsked
    | DebtKept
    | DebtRepaid
    | BackupBegun
    | BackupFinished
    | BackupFailed
    | BackupAccepted
    | BackupSkipped
    | TrafficShifted
    | TrafficAsked
    | TrafficContinued
    | TrafficStopped
    | RestoreAsked
    | RestorePlanned
    | RestoreBlocked
    | RestoreApproved
    | RestoreRejected
    | RestoreBegun
    | RestoreEnded
    | PageBegun
    | Paged
    | PageFailed
    | PageSpared
    | PageAcknowledged
    | PagerTold
    | AlertReceived
    | UserReported
    | UserReportWithdrawn
    | ExerciseMarked
    | StakeholdersTold
    | UpdateWritten
    | NoticesDue
    | NoticeSent
    | NoticeFailed
    | DeliveryFailed
    | LessonsRecorded
    | IncidentClosed
    | PostmortemPosted
    | DebtAccepted
    | QuarantineLifted
    | ActionFiled
    | ActionNotFiled
    | PostmortemPublished
    | PostmortemNotPublished
    | FilingAsked
    | ChannelArchived,
    Field(discriminator="type"),
]


_ADAPTER: TypeAdapter[Event] = TypeAdapter(Event)


def parse(data: dict[str, Any]) -> Event:
    """Read one event back from its JSON form. Raises pydantic.ValidationError."""
    return _ADAPTER.validate_python(data)
