"""What has happened, in the past tense. The incident is the fold of these; the timeline keeps them for good.

Every event carries `at` (UTC) and `by` (who caused it). `Event` is the closed union of them all, told apart
by `type`; `parse` reads one back from JSON.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from bot.domain.alerts import Alert, Suspect
from bot.domain.audiences import Addressee, Audience, Moment, Telling
from bot.domain.backups import Taken
from bot.domain.base import BOT, UserId, Value, Version
from bot.domain.databases import ChosenWay
from bot.domain.debts import Debt
from bot.domain.evidence import Finding, Outcome
from bot.domain.paging import OnCallName, PagerAction, Why
from bot.domain.plan import Plan
from bot.domain.reports import Standing
from bot.domain.restores import RestorePlan, Shelved
from bot.domain.run import Step
from bot.domain.severity import Severity
from bot.domain.verdict import VerdictTable
from bot.domain.ways_back import Way


class Happened(Value):
    """What every event has."""

    at: datetime
    by: UserId = BOT


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


class PlanRequested(Happened):
    """`wanted` None means: let kaeru choose. `ways` are what was decided about databases and still is to hold."""

    type: Literal["plan_requested"] = "plan_requested"
    number: int
    wanted: Version | None = None
    reason: str = ""
    ways: tuple[ChosenWay, ...] = ()


class PlanReady(Happened):
    type: Literal["plan_ready"] = "plan_ready"
    plan: Plan


class PlanBlocked(Happened):
    """No plan could be made; `reason` is a sentence with what to do next."""

    type: Literal["plan_blocked"] = "plan_blocked"
    number: int
    reason: str


class PlanSuperseded(Happened):
    """The card died: the world or the wish moved on. Always followed by PlanRequested."""

    type: Literal["plan_superseded"] = "plan_superseded"
    number: int
    reason: str


class WayChosen(Happened):
    """Somebody decided about a database within plan `number`.

    With FORWARD_FIX nothing goes back: `owner` fixes forward until `forward_fix_due_at`. Any other way is followed by
    a fresh plan that goes it.
    """

    type: Literal["way_chosen"] = "way_chosen"
    number: int
    database: str
    way: Way
    why: str = ""
    loses: tuple[str, ...] = ()
    owner: UserId | None = None
    forward_fix_due_at: datetime | None = None


class PlanExpired(Happened):
    type: Literal["plan_expired"] = "plan_expired"
    number: int


class PlanRejected(Happened):
    type: Literal["plan_rejected"] = "plan_rejected"
    number: int
    reason: str


class ApprovalGiven(Happened):
    type: Literal["approval_given"] = "approval_given"
    number: int
    digest: str


class GlassBroken(Happened):
    """A Critical incident went ahead on one approval, for a stated reason."""

    type: Literal["glass_broken"] = "glass_broken"
    number: int
    digest: str
    reason: str


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


class RollbackApproved(Happened):
    """The policy is satisfied; the run exists from here on."""

    type: Literal["rollback_approved"] = "rollback_approved"
    run_id: str
    number: int
    digest: str
    approved_by: tuple[UserId, ...]
    steps: tuple[Step, ...]
    break_glass_reason: str = ""


class StepAdded(Happened):
    """A step joins the checklist of a run that goes on."""

    type: Literal["step_added"] = "step_added"
    run_id: str
    step_id: str
    title: str


class StepStarted(Happened):
    """Its beginning; again with another `detail`, where it stands by now."""

    type: Literal["step_started"] = "step_started"
    run_id: str
    step_id: str
    detail: str = ""


class StepPrinted(Happened):
    """What a step has printed, its newest lines; `left_out` is how many came before them since the last such event."""

    type: Literal["step_printed"] = "step_printed"
    run_id: str
    step_id: str
    lines: tuple[str, ...]
    left_out: int = 0


class StepFinished(Happened):
    """`untouched` says of a step that failed that it had changed nothing, `blameless` that not the version was what failed."""

    type: Literal["step_finished"] = "step_finished"
    run_id: str
    step_id: str
    outcome: Outcome
    detail: str
    untouched: bool = False
    blameless: bool = False
    findings: tuple[Finding, ...] = ()


class IncidentMitigated(Happened):
    """The bad version serves nobody any more, and that was observed."""

    type: Literal["incident_mitigated"] = "incident_mitigated"
    run_id: str
    findings: tuple[Finding, ...] = ()


class IncidentVerified(Happened):
    """It stayed well for the whole watch window."""

    type: Literal["incident_verified"] = "incident_verified"
    run_id: str
    findings: tuple[Finding, ...] = ()


class RollbackFailed(Happened):
    """The run ended without success. `outcome` is failed or unknown; `safe_state` says what serves now.

    `took_place` is false where the target was never given its chance: nothing was changed, or somebody else
    changed it meanwhile. Nothing was learned of the target then.
    """

    type: Literal["rollback_failed"] = "rollback_failed"
    run_id: str
    outcome: Outcome
    reason: str
    safe_state: str
    findings: tuple[Finding, ...] = ()
    took_place: bool = True


class IncidentRelapsed(Happened):
    """It became ill again within the watch window."""

    type: Literal["incident_relapsed"] = "incident_relapsed"
    run_id: str
    reason: str
    findings: tuple[Finding, ...] = ()


class VerdictReached(Happened):
    """All evidence in one table, with its raw numbers."""

    type: Literal["verdict_reached"] = "verdict_reached"
    run_id: str
    table: VerdictTable


class IncidentLeftUnverified(Happened):
    """The watch has ended; nothing was seen to be ill, and not everything that has to be well could be measured."""

    type: Literal["incident_left_unverified"] = "incident_left_unverified"
    run_id: str
    reason: str
    findings: tuple[Finding, ...] = ()


class DebtTaken(Happened):
    """Something was suspended in the world so that the rollback lasts."""

    type: Literal["debt_taken"] = "debt_taken"
    debt: Debt


class DebtTakenOver(Happened):
    """Somebody sees to it outside kaeru that it is given back."""

    type: Literal["debt_taken_over"] = "debt_taken_over"
    debt_id: str


class RepaymentAsked(Happened):
    """Somebody asked kaeru to give it back; that is under way from here on."""

    type: Literal["repayment_asked"] = "repayment_asked"
    debt_id: str


class DebtKept(Happened):
    """It could not be given back and is suspended still; `reason` is a sentence with what to do next."""

    type: Literal["debt_kept"] = "debt_kept"
    debt_id: str
    reason: str


class DebtRepaid(Happened):
    """It is not suspended any more. By kaeru where it was found so; `text` is what was said of it."""

    type: Literal["debt_repaid"] = "debt_repaid"
    debt_id: str
    text: str = ""


class BackupBegun(Happened):
    """A backup of a database is under way from here on, for whoever asked. `number` counts its tries from 1."""

    type: Literal["backup_begun"] = "backup_begun"
    database: str
    number: int


class BackupFinished(Happened):
    """It is there, and was proven as far as `backup` says."""

    type: Literal["backup_finished"] = "backup_finished"
    database: str
    number: int
    backup: Taken


class BackupFailed(Happened):
    """There is none; `reason` is a sentence with what to do next."""

    type: Literal["backup_failed"] = "backup_failed"
    database: str
    number: int
    reason: str


class BackupAccepted(Happened):
    """Somebody relies on it in spite of the dangers that it has."""

    type: Literal["backup_accepted"] = "backup_accepted"
    database: str
    number: int


class BackupSkipped(Happened):
    """Somebody decided that the rollback does not wait for it."""

    type: Literal["backup_skipped"] = "backup_skipped"
    database: str
    number: int


class TrafficShifted(Happened):
    """`share` of the users' traffic, 0 to 1, reaches the service from now on, and that was observed.

    `before` is what was found before kaeru set anything, None: not known. `back` says that it was a step back.
    """

    type: Literal["traffic_shifted"] = "traffic_shifted"
    run_id: str
    share: float
    sentence: str
    before: float | None = None
    back: bool = False


class TrafficAsked(Happened):
    """Whether users come back any further is for people to say; `sentence` has the reason."""

    type: Literal["traffic_asked"] = "traffic_asked"
    run_id: str
    sentence: str


class TrafficContinued(Happened):
    """Somebody let it go on, and stands for what could not be verified."""

    type: Literal["traffic_continued"] = "traffic_continued"
    run_id: str


class TrafficStopped(Happened):
    """Somebody leaves traffic as it is; the run ends with that."""

    type: Literal["traffic_stopped"] = "traffic_stopped"
    run_id: str


class RestoreAsked(Happened):
    """Somebody wants a backup brought back; the fields are as in `Restore`. Its plan is made from here on."""

    type: Literal["restore_asked"] = "restore_asked"
    number: int
    database: str
    backup: str = ""
    into: str = ""
    replace: bool = False


class RestorePlanned(Happened):
    """What the restore would do. `taken` is the backup that it brings back, `others` could be taken instead."""

    type: Literal["restore_planned"] = "restore_planned"
    number: int
    plan: RestorePlan
    taken: Shelved | None = None
    others: tuple[Shelved, ...] = ()


class RestoreBlocked(Happened):
    """It cannot be planned; `reason` is a sentence with what to do next."""

    type: Literal["restore_blocked"] = "restore_blocked"
    number: int
    reason: str


class RestoreApproved(Happened):
    type: Literal["restore_approved"] = "restore_approved"
    number: int
    digest: str


class RestoreRejected(Happened):
    """Set aside; so is one that another wish takes the place of."""

    type: Literal["restore_rejected"] = "restore_rejected"
    number: int
    reason: str = ""


class RestoreBegun(Happened):
    """Enough people have agreed; it is under way from here on."""

    type: Literal["restore_begun"] = "restore_begun"
    number: int


class RestoreEnded(Happened):
    """`detail` says what is there now, in sentences."""

    type: Literal["restore_ended"] = "restore_ended"
    number: int
    outcome: Outcome
    detail: str


class PageBegun(Happened):
    """Whoever is on call is called from here on. `number` counts the pages of the incident from 1.

    `severity` is that of an alert which is worse than the incident's own.
    """

    type: Literal["page_begun"] = "page_begun"
    number: int
    why: Why = "declared"
    severity: Severity | None = None


class Paged(Happened):
    """The pager has taken it; `people` are those it names as on call, `through` is whose on-call it is."""

    type: Literal["paged"] = "paged"
    number: int
    through: str
    people: tuple[OnCallName, ...] = ()
    note: str = ""


class PageFailed(Happened):
    """The pager could not be told; `reason` is in sentences with what to do. With `unknown` it may have been."""

    type: Literal["page_failed"] = "page_failed"
    number: int
    action: PagerAction = "page"
    through: str = ""
    reason: str
    unknown: bool = False


class PageSpared(Happened):
    """Nobody had to be called any more; with `unknown` somebody may have been, and the pager is told what follows."""

    type: Literal["page_spared"] = "page_spared"
    number: int
    reason: str
    unknown: bool = False


class PageAcknowledged(Happened):
    """Somebody is on it."""

    type: Literal["page_acknowledged"] = "page_acknowledged"
    number: int


class PagerTold(Happened):
    """The pager knows that somebody is on it, or that it is over."""

    type: Literal["pager_told"] = "pager_told"
    number: int
    action: PagerAction
    through: str = ""


class AlertReceived(Happened):
    """A monitoring system said something. `opened` is whether the incident began by it; `suspects` come newest first.

    `worse` is how bad it is by the alert, where people have chosen a severity that is milder.
    """

    type: Literal["alert_received"] = "alert_received"
    alert: Alert
    opened: bool = False
    suspects: tuple[Suspect, ...] = ()
    worse: Severity | None = None


class UserReported(Happened):
    """Users say how it is. With a `slack_ts` a message of the channel was marked, which counts once.

    `users` is how many it speaks of, `said_at` when that was, if before this, `seen_since` since when users see it.
    """

    type: Literal["user_reported"] = "user_reported"
    report_id: str
    text: str = ""
    users: int = 1
    standing: Standing = "still"
    said_at: datetime | None = None
    seen_since: datetime | None = None
    slack_ts: str | None = None
    author: UserId | None = None


class UserReportWithdrawn(Happened):
    """It does not count any more: a slip, or nobody marks the message now."""

    type: Literal["user_report_withdrawn"] = "user_report_withdrawn"
    report_id: str
    slack_ts: str | None = None
    text: str = ""


class ExerciseMarked(Happened):
    """It is an exercise or a test and no incident of users, or with `exercise` false is one after all."""

    type: Literal["exercise_marked"] = "exercise_marked"
    exercise: bool = True


class StakeholdersTold(Happened):
    type: Literal["stakeholders_told"] = "stakeholders_told"
    channel_id: str
    text: str


class UpdateWritten(Happened):
    """Somebody of the team wants an audience to know this, in these words."""

    type: Literal["update_written"] = "update_written"
    audience: Audience
    text: str


class NoticesDue(Happened):
    """The event before this one is one that people outside are told of; it is number `number` of the incident."""

    type: Literal["notices_due"] = "notices_due"
    number: int
    moment: Moment
    addressees: tuple[Addressee, ...]


class NoticeSent(Happened):
    """`name` (of kaeru.yml) was told. `already`: that had been before. `declined` are those who were not told, and why.

    `whom` is shown to people; it has no secrets. `text` is plain.
    """

    type: Literal["notice_sent"] = "notice_sent"
    number: int
    moment: Moment
    name: str
    audience: Audience
    whom: str
    subject: str
    text: str
    reference: str = ""
    url: str = ""
    already: bool = False
    declined: tuple[str, ...] = ()
    note: str = ""


class NoticeFailed(Happened):
    """`name` was not told; with the state `unknown` nobody knows. `reason` says what to do."""

    type: Literal["notice_failed"] = "notice_failed"
    number: int
    moment: Moment
    name: str
    audience: Audience
    whom: str
    reason: str
    state: Literal[Telling.FAILED, Telling.UNKNOWN, Telling.OUTDATED] = Telling.FAILED
    subject: str = ""


class DeliveryFailed(Happened):
    """Something meant for Slack could not be delivered; the incident goes on without it."""

    type: Literal["delivery_failed"] = "delivery_failed"
    what: str
    reason: str


class LessonsRecorded(Happened):
    type: Literal["lessons_recorded"] = "lessons_recorded"
    root_cause: str
    lessons: str
    impact: str = ""


class IncidentClosed(Happened):
    type: Literal["incident_closed"] = "incident_closed"
    summary: str = ""


class PostmortemPosted(Happened):
    """`sha256` is of the Markdown that was posted; `revision` counts from 1."""

    type: Literal["postmortem_posted"] = "postmortem_posted"
    revision: int
    sha256: str


class DebtAccepted(Happened):
    """Somebody accepts that this stays open when the incident is closed; `text` says what it is."""

    type: Literal["debt_accepted"] = "debt_accepted"
    debt_id: str
    text: str = ""


class QuarantineLifted(Happened):
    """Somebody vouches for this version again."""

    type: Literal["quarantine_lifted"] = "quarantine_lifted"
    version: Version


class ActionFiled(Happened):
    """An open action is an issue of the tracker `where`; `action` is its `action_id`, `text` what it says."""

    type: Literal["action_filed"] = "action_filed"
    action: str
    text: str
    where: str
    reference: str
    url: str = ""
    note: str = ""


class ActionNotFiled(Happened):
    """One try failed; `reason` is a sentence. Without `again_at` kaeru does not try again by itself."""

    type: Literal["action_not_filed"] = "action_not_filed"
    action: str
    text: str
    where: str
    reason: str
    again_at: datetime | None = None


class PostmortemPublished(Happened):
    """This revision is among the papers called `paper` in kaeru.yml."""

    type: Literal["postmortem_published"] = "postmortem_published"
    revision: int
    paper: str
    reference: str
    url: str = ""
    note: str = ""


class PostmortemNotPublished(Happened):
    """One try failed; `reason` is a sentence. Without `again_at` kaeru does not try again by itself."""

    type: Literal["postmortem_not_published"] = "postmortem_not_published"
    revision: int
    paper: str
    reason: str
    again_at: datetime | None = None


class FilingAsked(Happened):
    """Somebody wants what has not left yet to be tried again at once."""

    type: Literal["filing_asked"] = "filing_asked"


class ChannelArchived(Happened):
    type: Literal["channel_archived"] = "channel_archived"
    channel_id: str


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
