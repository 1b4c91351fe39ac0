"""What happened, one sentence per event, in Slack's text form (see `bot.domain.prose`)."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import assert_never

from bot.domain import events as e
from bot.domain.afterwards import is_suspension
from bot.domain.base import BOT
from bot.domain.durations import human
from bot.domain.evidence import Finding, Outcome
from bot.domain.incident import Incident
from bot.domain.narrate_alerts import narrate_alert
from bot.domain.narrate_backups import narrate_backup
from bot.domain.narrate_evidence import narrate_evidence
from bot.domain.narrate_filing import narrate_filing
from bot.domain.narrate_notices import narrate_notice
from bot.domain.narrate_paging import narrate_paging
from bot.domain.narrate_reports import narrate_report
from bot.domain.narrate_restores import narrate_restore
from bot.domain.narrate_traffic import narrate_traffic
from bot.domain.plan import Plan
from bot.domain.prose import people, person, typed, undecorated


class Weight(StrEnum):
    """Where an event belongs: a milestone in every timeline, a detail only in the full one."""

    MILESTONE = "milestone"
    DETAIL = "detail"


_DETAILS = (
    e.ChannelOpened,
    e.SomeoneJoined,
    e.PlanRequested,
    e.PlanSuperseded,
    e.ForwardFixReminded,
    e.StepAdded,
    e.StepStarted,
    e.StepPrinted,
    e.RepaymentAsked,
    e.BackupBegun,
    e.RestorePlanned,
    e.NoticesDue,
    e.PageBegun,
    e.PagerTold,
    e.DeliveryFailed,
    e.PostmortemPosted,
    e.ActionFiled,
    e.ActionNotFiled,
    e.PostmortemPublished,
    e.PostmortemNotPublished,
    e.FilingAsked,
    e.ChannelArchived,
)


def weight(event: e.Event) -> Weight:
    """A step that failed or is unknown is a milestone, one that succeeded a detail."""
    if isinstance(event, e.StepFinished):
        return Weight.DETAIL if event.outcome is Outcome.SUCCEEDED else Weight.MILESTONE
    return Weight.DETAIL if isinstance(event, _DETAILS) else Weight.MILESTONE


def narrate(event: e.Event, incident: Incident | None = None) -> str:  # noqa: C901, PLR0911, PLR0912, PLR0915 - one sentence per event, a table in match form
    """One sentence. With the `incident` it belongs to, steps have their titles and how long they took."""
    who = person(event.by)
    match event:
        case e.IncidentDeclared():
            return _declared(event)
        case e.ChannelOpened():
            return f"Channel <#{event.channel_id}> opened as {typed(event.name)}"
        case e.SomeoneJoined():
            return f"{who} asked for a rollback too{_from(event.source_channel)}, and joined"
        case e.SeveritySet():
            return _severity(event)
        case e.RoleAssigned():
            return f"Role {typed(event.role)} given to {person(event.user)} by {who}"
        case e.NoteAdded():
            return f"Note by {who}: {typed(event.text)}"
        case e.ActionAdded():
            owner = f"owner {person(event.owner)}" if event.owner else "no owner yet"
            return f"Action added by {who} ({owner}): {typed(event.text)}"
        case e.PlanRequested():
            target = f"back to {event.wanted}" if event.wanted else "with the version left to kaeru"
            return f"Plan {event.number} asked for by {who}, {target}{_because(event.reason)}"
        case e.PlanReady():
            return _planned(event.plan)
        case e.PlanBlocked():
            return f"No plan {event.number} could be made: {typed(event.reason)}"
        case e.PlanSuperseded():
            return f"Plan {event.number} superseded by {who}{_because(event.reason)}"
        case e.WayChosen():
            return _way(event)
        case e.PlanExpired():
            return f"Plan {event.number} expired without enough approvals"
        case e.PlanRejected():
            return f"Plan {event.number} rejected by {who}{_because(event.reason)}"
        case e.ApprovalGiven():
            return f"Plan {event.number} approved by {who} (digest {event.digest})"
        case e.GlassBroken():
            return f"Glass broken by {who} for plan {event.number} (digest {event.digest}): {typed(event.reason)}"
        case e.HoldPlaced():
            return f"Put on hold by {who}{_because(event.reason)}"
        case e.HoldReleased():
            return f"Hold released by {who}"
        case e.RollbackChosen():
            return f"{who} chose to roll back after all"
        case e.ForwardFixReminded():
            return f"Reminded of the forward fix; next reminder {_moment(event.due_at)}"
        case e.RollbackApproved():
            return _approved(event)
        case e.StepAdded():
            return f"Step “{typed(event.title)}” added to the checklist"
        case e.StepStarted():
            return _started(event, incident)
        case e.StepPrinted():
            return _printed(event, incident)
        case e.StepFinished():
            return _finished(event, incident)
        case e.VerdictReached() | e.IncidentLeftUnverified():
            return narrate_evidence(event)
        case e.DebtTaken():
            told = f"{_ended(typed(event.debt.text))} {typed(event.debt.until)}".strip()
            what = "Suspended" if is_suspension(event.debt.id) else "Owed"
            return f"{what} ({typed(event.debt.id)}): {told}"
        case e.DebtTakenOver():
            what = "suspended" if is_suspension(event.debt_id) else "owed"
            return f"{who} sees to what is {what} outside kaeru ({typed(event.debt_id)})"
        case e.RepaymentAsked():
            what = "suspended" if is_suspension(event.debt_id) else "owed"
            return f"{who} asked kaeru to give back what is {what} ({typed(event.debt_id)})"
        case e.DebtKept():
            return f"Could not be given back ({typed(event.debt_id)}){_because(event.reason)}"
        case e.DebtRepaid():
            how = "Found given back" if event.by == BOT else f"Given back by {who}"
            return f"{how} ({typed(event.debt_id)}){_because(event.text)}"
        case e.BackupBegun() | e.BackupFinished() | e.BackupFailed() | e.BackupAccepted() | e.BackupSkipped():
            return narrate_backup(event)
        case e.TrafficShifted() | e.TrafficAsked() | e.TrafficContinued() | e.TrafficStopped():
            return narrate_traffic(event)
        case e.IncidentMitigated():
            return f"Mitigated: the bad version serves nobody any more{_findings(event.findings)}"
        case e.IncidentVerified():
            return f"Verified: it stayed well for the whole watch window{_findings(event.findings)}"
        case e.RollbackFailed():
            how = "has an unknown outcome" if event.outcome is Outcome.UNKNOWN else "failed"
            told = f"{_ended(typed(event.reason))} {typed(event.safe_state)}".strip()
            return f"Rollback {how}: {told}{_findings(event.findings)}"
        case e.IncidentRelapsed():
            return f"Relapsed within the watch window: {typed(event.reason)}{_findings(event.findings)}"
        case (
            e.RestoreAsked()
            | e.RestorePlanned()
            | e.RestoreBlocked()
            | e.RestoreApproved()
            | e.RestoreRejected()
            | e.RestoreBegun()
            | e.RestoreEnded()
        ):
            return narrate_restore(event)
        case (
            e.PageBegun() | e.Paged() | e.PageFailed() | e.PageSpared() | e.PageAcknowledged() | e.PagerTold()
        ):
            return narrate_paging(event)
        case e.AlertReceived():
            return narrate_alert(event)
        case e.UserReported() | e.UserReportWithdrawn():
            return narrate_report(event)
        case e.ExerciseMarked():
            return f"Called {'an exercise' if event.exercise else 'no exercise but an incident'} by {who}"
        case e.StakeholdersTold():
            return f"Stakeholders told in <#{event.channel_id}>: {typed(undecorated(event.text))}"
        case e.UpdateWritten() | e.NoticesDue() | e.NoticeSent() | e.NoticeFailed():
            return narrate_notice(event)
        case e.DeliveryFailed():
            return f"Not delivered to Slack: {typed(event.what)}{_because(event.reason)}"
        case e.LessonsRecorded():
            return _lessons(event)
        case e.IncidentClosed():
            return f"Incident closed by {who}{_because(event.summary)}"
        case e.PostmortemPosted():
            return f"Postmortem posted, revision {event.revision} (SHA-256 {event.sha256})"
        case (
            e.ActionFiled()
            | e.ActionNotFiled()
            | e.PostmortemPublished()
            | e.PostmortemNotPublished()
            | e.FilingAsked()
            | e.DebtAccepted()
            | e.QuarantineLifted()
            | e.ChannelArchived()
        ):
            return narrate_filing(event)
        case _:
            assert_never(event)


def _declared(event: e.IncidentDeclared) -> str:
    wanted = f", back to {event.wanted}" if event.wanted else ""
    seen = f"; ill since {_moment(event.detected_at)}" if event.detected_at else ""
    where = _from(event.source_channel)
    how = "declared as an exercise" if event.exercise else "declared"
    return f"Incident {event.incident_id} of {typed(event.service)} {how} by {person(event.by)}{where}{wanted}{seen}"


def _severity(event: e.SeveritySet) -> str:
    told = f"Severity set to {event.severity.label} by {person(event.by)}"
    if event.forward_fix_due_at is None:
        return told
    owner = f" by {person(event.owner)}" if event.owner else ""
    return f"{told}; a forward fix{owner} is due {_moment(event.forward_fix_due_at)}"


def _planned(plan: Plan) -> str:
    change = f"{plan.from_version} → {plan.to_version}"
    return f"Plan {plan.number} ready: {change} ({typed(plan.why)})"


def _way(event: e.WayChosen) -> str:
    told = f"{person(event.by)} decided about the database {typed(event.database)}: {event.way}"
    if event.owner is not None and event.forward_fix_due_at is not None:
        told += f"; nothing goes back, {person(event.owner)} fixes forward until {_moment(event.forward_fix_due_at)}"
    lost = f"; it loses {typed('; '.join(event.loses))}" if event.loses else ""
    return f"{told}{lost}{_because(event.why)}"


def _approved(event: e.RollbackApproved) -> str:
    alone = f" with broken glass ({typed(event.break_glass_reason)})" if event.break_glass_reason else ""
    return f"Rollback by plan {event.number} approved by {people(event.approved_by)}{alone}; it begins"


def _title(event: e.StepStarted | e.StepPrinted | e.StepFinished, incident: Incident | None) -> str:
    steps = [s for run in (incident.runs if incident else ()) if run.id == event.run_id for s in run.steps]
    return f"“{next((typed(s.title) for s in steps if s.id == event.step_id), typed(event.step_id))}”"


def _started(event: e.StepStarted, incident: Incident | None) -> str:
    """Its beginning, or where it stands: that is told by the same event, again."""
    steps = [s for run in (incident.runs if incident else ()) if run.id == event.run_id for s in run.steps]
    began = next((s.started_at for s in steps if s.id == event.step_id), None)
    under_way = began is not None and began < event.at
    how = "under way" if under_way else "started"
    return f"Step {_title(event, incident)} {how}{_because(event.detail)}"


def _printed(event: e.StepPrinted, incident: Incident | None) -> str:
    """How much, and the last line; all that was kept is in the entry itself."""
    count = len(event.lines) + event.left_out
    last = event.lines[-1] if event.lines else ""
    return f"Step {_title(event, incident)} printed {count} {'line' if count == 1 else 'lines'}, the last{_because(last)}"


def _finished(event: e.StepFinished, incident: Incident | None) -> str:
    steps = [s for run in (incident.runs if incident else ()) if run.id == event.run_id for s in run.steps]
    started = next((s.started_at for s in steps if s.id == event.step_id), None)
    after = f" after {human(event.at - started)}" if started is not None else ""
    how = "has an unknown outcome" if event.outcome is Outcome.UNKNOWN else event.outcome.value
    # What failed is in the detail already.
    findings = "" if event.detail and event.outcome is Outcome.FAILED else _findings(event.findings)
    return f"Step {_title(event, incident)} {how}{after}{_because(event.detail)}{findings}"


def _ended(sentence: str) -> str:
    return sentence if not sentence or sentence.endswith((".", "!", "?")) else f"{sentence}."


def _lessons(event: e.LessonsRecorded) -> str:
    parts = (("Root cause", event.root_cause), ("lessons", event.lessons), ("impact", event.impact))
    told = "; ".join(f"{what}: {typed(text)}" for what, text in parts if text.strip())
    return f"Recorded by {person(event.by)}. {told or 'Root cause and lessons left empty'}"


def _findings(findings: tuple[Finding, ...]) -> str:
    """Only what is not well; with everything well, how much was looked at."""
    if not findings:
        return ""
    bad = [
        f"{typed(f.endpoint)}: {typed(f.sentence)}" for f in findings if f.verdict is not Outcome.SUCCEEDED
    ]
    if bad:
        return f" ({'; '.join(bad)})"
    count = sum(f.stats.count for f in findings)
    return f" ({count} probes of {len(findings)} endpoints within their limits)"


def _from(channel: str | None) -> str:
    return f" from <#{channel}>" if channel else ""


def _because(reason: str) -> str:
    return f": {typed(reason)}" if reason.strip() else ""


def _moment(at: datetime) -> str:
    """A moment inside a sentence, in UTC; the views show their own zone beside the sentence."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
