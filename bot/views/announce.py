"""What deserves a message of its own, once, when it happens. Everything that a card shows anyway does not."""

from bot.domain import events as e
from bot.domain.afterwards import is_suspension
from bot.domain.base import BOT, Version
from bot.domain.evidence import Outcome
from bot.domain.incident import Incident, PlanState, Status
from bot.domain.notices import taken_up_again
from bot.domain.policy import Policy
from bot.domain.releases import spoken
from bot.views.alert_card import alert_card
from bot.views.blocks import Card, note
from bot.views.data_facts import decided_note
from bot.views.mrkdwn import because, clock, code, ended, length, line, said, who
from bot.views.notices_said import notice_trouble
from bot.views.page_card import page_note
from bot.views.reports import report_note
from bot.views.verdict_table import verdict_card
from bot.views.wording import SEVERITY_EMOJI, approval_missing, from_whom, standing


def announce(incident: Incident, event: e.Event, policy: Policy) -> Card | None:  # noqa: C901, PLR0911, PLR0912 - one sentence per event, a table in match form
    """The one-off message in the incident's channel about `event`; `incident` is the state after it."""
    by = who(event.by)
    match event:
        case e.SomeoneJoined():
            return note(f":wave: {by} asked for a rollback of {line(incident.service)} too, and joins here.")
        case e.SeveritySet():
            return note(_severity(event))
        case e.RoleAssigned():
            given = "" if event.by == event.user else f", says {by}"
            return note(f":bust_in_silhouette: {who(event.user)} is *{said(event.role, 60)}* now{given}.")
        case e.NoteAdded() if event.slack_ts is None:
            return note(f":memo: *Note* by {by}: {said(event.text, 2500)}")
        case e.ActionAdded() if incident.is_open:
            owner = who(event.owner) if event.owner else "nobody yet"
            return note(f":clipboard: *To do*: {said(event.text, 2000)}  –  owner: {owner}")
        case e.PlanExpired() if incident.status is Status.DECIDING:
            again = from_whom(incident, policy)
            return note(
                f":hourglass: Plan {event.number} expired without enough approvals, and nothing was changed. "
                f"Press *Refresh* on its card for a new one; {again} can approve it."
            )
        case e.PlanRejected():
            return note(f":no_entry_sign: {by} rejected plan {event.number}{because(said(event.reason))}")
        case e.WayChosen():
            return note(decided_note(event.database, event.way, event.by, event.why, event.loses))
        case e.ApprovalGiven():
            return _approval(incident, event, policy)
        case e.HoldPlaced():
            reason = because(said(event.reason))
            return note(
                f":double_vertical_bar: {by} put this on hold{reason} "
                "Nothing new begins until it is released, on the card or with `/incident hold off`."
            )
        case e.HoldReleased():
            return note(f":arrow_forward: {by} released the hold; it goes on.")
        case e.RollbackChosen():
            return note(f":leftwards_arrow_with_hook: {by} chose to roll back after all. The plan is below.")
        case e.DebtTakenOver():
            what = next((o.debt.text for o in incident.debts if o.debt.id == event.debt_id), event.debt_id)
            kind = "suspended" if is_suspension(event.debt_id) else "owed"
            return note(f":raising_hand: {by} sees to what is {kind}: {ended(line(what, 400))}")
        case e.DebtKept():
            return note(f":warning: It could not be given back: {ended(line(event.reason, 1000))}")
        case e.DebtRepaid():
            kind = "suspended" if is_suspension(event.debt_id) else "owed"
            how = "Found given back" if event.by == BOT else f"{by} gave back what was {kind}"
            return note(f":electric_plug: {how}: {ended(line(event.text or event.debt_id, 400))}")
        case e.BackupAccepted():
            return note(
                f":floppy_disk: {by} relies on the backup of {code(event.database)} in spite of what is said against it."
            )
        case e.BackupSkipped():
            return note(
                f":warning: {by} decided that the rollback does not wait for a backup of {code(event.database)}."
            )
        case e.PageFailed() | e.PageAcknowledged():
            return page_note(event)
        case e.AlertReceived():
            return alert_card(incident, event)
        case e.UserReported() | e.UserReportWithdrawn():
            return report_note(incident, event)
        case e.IncidentDeclared(exercise=True):
            return note(":dart: This is an exercise: nobody is paged, and nobody outside is told of it.")
        case e.ExerciseMarked():
            how = "is an exercise" if event.exercise else "is no exercise but an incident"
            return note(f":dart: This {how}, says {by}.")
        case e.NoticeSent() | e.NoticeFailed():
            return notice_trouble(event)
        case e.IncidentVerified():
            return note(
                f":white_check_mark: *Verified.* {line(incident.service)} stayed well for the whole watch window. "
                "Close the incident with `/incident close`."
            )
        case e.VerdictReached():
            return verdict_card(event.table, incident.service)
        case e.IncidentLeftUnverified():
            return note(
                f":grey_question: *Not verified.* Nothing was seen ill, and this could not be known: "
                f"{ended(line(event.reason, 1500))} Look at it, and close the incident with `/incident close unverified`."
            )
        case e.RollbackFailed():
            return note(
                f":rotating_light: The rollback did not succeed. *What serves now:* {ended(line(event.safe_state, 1500)) or 'not known.'}"
            )
        case _:
            return None


def _severity(event: e.SeveritySet) -> str:
    severity = event.severity
    text = f"{SEVERITY_EMOJI[severity]} {who(event.by)} set the severity to *{severity.label}*: {severity.meaning}."
    if event.forward_fix_due_at is not None and event.owner is not None:
        text += (
            f" A forward fix is suggested; {who(event.owner)} owns it, due {clock(event.forward_fix_due_at)}."
        )
    return text


def _approval(incident: Incident, event: e.ApprovalGiven, policy: Policy) -> Card | None:
    """Nothing for the last approval: the checklist appears with it and says who approved."""
    record = incident.record
    if record is None or record.number != event.number or record.state is not PlanState.READY:
        return None
    count = standing(incident, policy)
    if count.reached:
        return None
    return note(
        f":white_check_mark: {who(event.by)} approved plan {event.number} "
        f"({len(count.approvals)} of {count.needed}). {approval_missing(incident, policy)}."
    )


def stakeholder_note(incident: Incident, event: e.Event, *, watch_s: float) -> Card | None:  # noqa: PLR0911 - one sentence per event
    """What people outside of the incident are told: how users are, in plain words."""
    service, run = line(incident.service), incident.run
    if incident.exercise:
        taken_back = isinstance(event, e.ExerciseMarked)
        return (
            note(f":dart: *{service}*: that was an exercise. There was no problem.") if taken_back else None
        )
    version = f" on {_in_plain_words(run.to_version)}" if run else ""
    match event:
        case e.IncidentMitigated():
            return note(
                f":white_check_mark: *{service} works again*{version}, since {clock(event.at)}. "
                f"We keep watching it for {length(watch_s)}."
            )
        case e.IncidentVerified():
            return note(f":white_check_mark: *{service} has stayed well*{version}. We consider it solved.")
        case e.IncidentLeftUnverified():
            return note(
                f":grey_question: *{service}*{version}: nothing was seen wrong since, and not everything could be measured. "
                "The team looks at it."
            )
        case e.RollbackFailed():
            return note(
                f":warning: *{service}*: {_for_outsiders(incident, event)} "
                "The team is deciding on the next step; we tell you here."
            )
        case e.PlanRequested() if not taken_up_again(incident, event):
            return None
        case e.IncidentRelapsed() | e.PlanRequested():
            return note(f":warning: *{service}*: the problem is back. The team is on it; we tell you here.")
        case e.IncidentClosed():
            summary = f" {said(event.summary, 1000)}" if event.summary.strip() else ""
            return note(f":checkered_flag: *{service}*: this incident is closed.{summary}")
        case _:
            return None


def _for_outsiders(incident: Incident, event: e.RollbackFailed) -> str:
    if event.outcome is Outcome.UNKNOWN:
        return "we do not know yet whether going back to an earlier version worked."
    if not event.took_place and incident.run is not None and incident.run.stranded:
        return "an earlier version is in place, and not all users were brought back to it."
    if not event.took_place:
        return "going back to an earlier version did not work out: it could not be carried out."
    return "going back to an earlier version did not help."


def _in_plain_words(version: Version) -> str:
    """Without kaeru's own name for one set of settings, which means nothing to people outside."""
    plain = spoken(version)
    return code(version) if plain == version else f"{code(plain)} with its earlier settings"


def stakeholder_card(incident: Incident) -> Card:
    """The first word to people outside; it is edited as more becomes known."""
    service = line(incident.service)
    severity = incident.severity
    how_bad = f"{SEVERITY_EMOJI[severity]} {severity.label}: {severity.meaning}. " if severity else ""
    where = f" Follow it in <#{incident.channel_id}>." if incident.channel_id else ""
    if incident.exercise:
        return note(f":dart: *{service}: this is an exercise.* There is no problem.{where}")
    begun = f"{who(incident.declared_by)} raised it at {clock(incident.declared_at)}."
    if incident.status is Status.CLOSED and incident.run is not None and incident.mitigated_at is None:
        return note(
            f":rotating_light: *{service} had an incident*, closed without being verified. {how_bad}{begun}{where}"
        )
    if incident.status in (Status.MITIGATED, Status.VERIFIED, Status.CLOSED):
        return note(f":rotating_light: *{service} had a problem.* {how_bad}{begun}{where}")
    return note(f":rotating_light: *{service} has a problem*, and the team is on it. {how_bad}{begun}{where}")
