"""Which decision of the domain answers which command."""

from datetime import datetime, timedelta

from bot.domain import decide
from bot.domain import events as e
from bot.domain.base import Refusal, Value
from bot.domain.incident import Incident
from bot.domain.policy import Policy
from bot.domain.run import Step
from bot.usecases import commands as c


class Facts(Value):
    """What decisions need besides the incident: the policy that applies, the run that would follow, the time.

    Where the command sets a severity, `policy` is that of the new one.
    """

    policy: Policy
    policy_so_far: Policy
    forward_fix_after: timedelta
    steps: tuple[Step, ...]
    now: datetime


def decision_on(  # noqa: C901, PLR0911, PLR0912 - a table in match form
    incident: Incident, command: c.IncidentCommand, facts: Facts
) -> decide.Events:
    """The events that `command` leads to. Raises Refusal."""
    by, now, policy, steps = command.by, facts.now, facts.policy, facts.steps
    match command:
        case c.SetSeverity(severity=severity):
            return decide.set_severity(
                incident,
                severity,
                by=by,
                policy=policy,
                policy_so_far=facts.policy_so_far,
                forward_fix_after=facts.forward_fix_after,
                steps=steps,
                now=now,
            )
        case c.Approve(number=number, digest=digest):
            return decide.approve(
                incident, number=number, digest=digest, by=by, policy=policy, steps=steps, now=now
            )
        case c.BreakGlass(number=number, digest=digest, reason=reason):
            return decide.break_glass(
                incident,
                number=number,
                digest=digest,
                by=by,
                reason=reason,
                policy=policy,
                steps=steps,
                now=now,
            )
        case c.Reject(number=number, reason=reason):
            return decide.reject(incident, number=number, by=by, reason=reason, policy=policy, now=now)
        case c.ChooseVersion(version=version):
            reason = f"{version} was chosen" if version else "another choice was asked for"
            return decide.choose_version(
                incident, wanted=version, by=by, now=now, reason=reason, policy=policy
            )
        case c.ChooseWay(number=number, digest=digest, database=database, way=way):
            return decide.choose_way(
                incident,
                number=number,
                digest=digest,
                database=database,
                way=way,
                by=by,
                policy=policy,
                forward_fix_after=facts.forward_fix_after,
                now=now,
            )
        case c.AcknowledgePage():
            return decide.acknowledge_page(incident, by=by, now=now)
        case c.ReportUsers(text=text, users=users, standing=standing, seen_since=seen_since):
            return decide.report_users(
                incident, by=by, text=text, users=users, standing=standing, seen_since=seen_since, now=now
            )
        case c.WithdrawReport(report=report):
            return decide.withdraw_report(incident, report, by=by, now=now)
        case c.MarkExercise(exercise=exercise):
            return decide.mark_exercise(incident, exercise=exercise, by=by, now=now)
        case c.Refresh():
            return decide.request_plan(incident, by=by, now=now)
        case c.RollBackAfterAll():
            return decide.roll_back_after_all(incident, by=by, now=now)
        case c.Hold(reason=reason):
            return decide.hold(incident, by=by, reason=reason, policy=policy, now=now)
        case c.Release():
            return decide.release(incident, by=by, policy=policy, steps=steps, now=now)
        case c.DebtCommand():
            return _on_debts(incident, command, policy, now)
        case c.BackupCommand():
            return _on_backups(incident, command, policy, now)
        case c.ContinueTraffic():
            return decide.continue_traffic(incident, by=by, policy=policy, now=now)
        case c.StopTraffic():
            return decide.stop_traffic(incident, by=by, policy=policy, now=now)
        case c.AskRestore() | c.RestoreCommand():
            return _on_restores(incident, command, policy, now)
        case c.Close(summary=summary, unverified=unverified, accept=accept):
            return decide.close(
                incident,
                by=by,
                summary=summary,
                unverified=unverified,
                accept=accept,
                policy=policy,
                now=now,
            )
        case c.AcceptLeft(accept=accept):
            return decide.accept_left(incident, accept, by=by, now=now)
        case c.FileAgain():
            return decide.file_again(incident, by=by, now=now)
        case _:
            return _record_keeping(incident, command, now)


def _on_debts(incident: Incident, command: c.DebtCommand, policy: Policy, now: datetime) -> decide.Events:
    match command:
        case c.GiveBack(by=by, debt=debt):
            return decide.give_back(incident, debt, by=by, policy=policy, now=now)
        case c.GivenBack(by=by, debt=debt):
            return decide.given_back_by_hand(incident, debt, by=by, policy=policy, now=now)
        case c.TakeOver(by=by, debt=debt):
            return decide.take_over_debt(incident, debt, by=by, now=now)
        case _:
            raise TypeError(f"no decision for {type(command).__name__}")


def _on_backups(incident: Incident, command: c.BackupCommand, policy: Policy, now: datetime) -> decide.Events:
    match command:
        case c.BackUpAgain(by=by, database=database):
            return decide.back_up_again(incident, database, by=by, now=now)
        case c.UseBackup(by=by, database=database, number=number):
            return decide.use_backup(incident, database, number=number, by=by, policy=policy, now=now)
        case c.SkipBackup(by=by, database=database, number=number):
            return decide.skip_backup(incident, database, number=number, by=by, policy=policy, now=now)
        case _:
            raise TypeError(f"no decision for {type(command).__name__}")


def _on_restores(
    incident: Incident, command: c.AskRestore | c.RestoreCommand, policy: Policy, now: datetime
) -> decide.Events:
    match command:
        case c.AskRestore(by=by):
            return decide.ask_restore(
                incident,
                database=command.database,
                backup=command.backup,
                into=command.into,
                replace=command.replace,
                by=by,
                policy=policy,
                now=now,
            )
        case c.AskRestoreAgain(by=by, number=number, backup=backup):
            return decide.ask_again(incident, number, backup=backup, by=by, policy=policy, now=now)
        case c.ApproveRestore(by=by, number=number, digest=digest):
            return decide.approve_restore(
                incident, number=number, digest=digest, by=by, policy=policy, now=now
            )
        case c.RejectRestore(by=by, number=number):
            return decide.reject_restore(incident, number=number, by=by, policy=policy, now=now)
        case _:
            raise TypeError(f"no decision for {type(command).__name__}")


def _record_keeping(incident: Incident, command: c.IncidentCommand, now: datetime) -> decide.Events:
    """The commands that are always allowed and only add to the record."""
    match command:
        case c.TellAudience(audience=audience, text=text):
            return decide.write_update(audience, text, by=command.by, now=now)
        case c.AddNote(text=text):
            return (e.NoteAdded(at=now, by=command.by, text=_said(text, "note cache was cold")),)
        case c.AddAction(text=text, owner=owner):
            return (
                e.ActionAdded(
                    at=now, by=command.by, text=_said(text, "action @bob add a timeout"), owner=owner
                ),
            )
        case c.AssignRole(role=role, user=user):
            if not incident.is_open:
                raise Refusal("This incident is closed; roles are fixed now.")
            return (e.RoleAssigned(at=now, by=command.by, role=role, user=user),)
        case c.RecordLessons():
            recorded = e.LessonsRecorded(
                at=now,
                by=command.by,
                root_cause=command.root_cause.strip(),
                lessons=command.lessons.strip(),
                impact=command.impact.strip(),
            )
            actions = (
                e.ActionAdded(at=now, by=command.by, text=a.text, owner=a.owner) for a in command.actions
            )
            return (recorded, *actions)
        case c.MarkMessage():
            return ()
        case _:
            raise TypeError(f"no decision for {type(command).__name__}")


def _said(text: str, example: str) -> str:
    stripped = text.strip()
    if not stripped:
        raise Refusal(f"There is no text. Write it after the command, such as `/incident {example}`.")
    return stripped
