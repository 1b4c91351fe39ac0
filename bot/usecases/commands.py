"""What people ask of kaeru, as data: parsed by a handler or the command line, carried out by the Desk.

`by` is always the person the request came from. Refusals are raised as `bot.domain.base.Refusal`.
"""

from datetime import datetime

from bot.domain.alerts import Alert, Suspect
from bot.domain.audiences import Audience
from bot.domain.base import UserId, Value, Version
from bot.domain.reports import Standing
from bot.domain.severity import Severity
from bot.domain.ways_back import Way


class Command(Value):
    by: UserId


class RollBack(Command):
    """`/rollback SERVICE [VERSION]`: declare, or join what is open. `channel` is where it was typed.

    `exercise` marks what is declared by it, and nothing that is open. With an `alert` it is a monitoring system that asks, and `suspects` are the deploys that are likely behind it.
    """

    service: str
    version: Version | None = None
    channel: str | None = None
    alert: Alert | None = None
    suspects: tuple[Suspect, ...] = ()
    exercise: bool = False


class IncidentCommand(Command):
    """One that concerns an incident that exists."""

    incident_id: str


class SetSeverity(IncidentCommand):
    severity: Severity


class PlanCommand(IncidentCommand):
    """One that concerns a plan card: `number` and `digest` are what the button was drawn for."""

    number: int
    digest: str = ""


class Approve(PlanCommand):
    pass


class BreakGlass(PlanCommand):
    reason: str


class Reject(PlanCommand):
    reason: str = ""


class ChooseWay(PlanCommand):
    """Decide which way a database goes within that plan."""

    database: str
    way: Way


class ChooseVersion(IncidentCommand):
    """`version` None lets kaeru choose again."""

    version: Version | None


class Refresh(IncidentCommand):
    """A new plan where none is alive, or another look at a world that could not be seen."""


class RollBackAfterAll(IncidentCommand):
    pass


class Hold(IncidentCommand):
    reason: str = ""


class Release(IncidentCommand):
    pass


class DebtCommand(IncidentCommand):
    """One about what is suspended; `debt` is its id or its key."""

    debt: str


class GiveBack(DebtCommand):
    """Let kaeru switch it on again."""


class GivenBack(DebtCommand):
    """Say that it was switched on again by hand, where kaeru could not."""


class TakeOver(DebtCommand):
    """See to it outside kaeru."""


class AskRestore(IncidentCommand):
    """Bring a backup back; the fields are as in `bot.domain.restores.Restore`."""

    database: str
    backup: str = ""
    into: str = ""
    replace: bool = False


class RestoreCommand(IncidentCommand):
    """One about a restore's card: `number` and `digest` are what the button was drawn for."""

    number: int
    digest: str = ""


class ApproveRestore(RestoreCommand):
    pass


class RejectRestore(RestoreCommand):
    pass


class AskRestoreAgain(RestoreCommand):
    """Plan it afresh, with another `backup` where one is named."""

    backup: str | None = None


class BackupCommand(IncidentCommand):
    """One about the backup of a database; `number` is the try that the button was drawn for, None the newest."""

    database: str
    number: int | None = None


class BackUpAgain(BackupCommand):
    """Another try."""


class UseBackup(BackupCommand):
    """Rely on it in spite of what is said against it."""


class SkipBackup(BackupCommand):
    """Let the rollback not wait for it."""


class TrafficCommand(IncidentCommand):
    """One about users who are being brought back."""


class ContinueTraffic(TrafficCommand):
    """Let it go on, where kaeru asked."""


class StopTraffic(TrafficCommand):
    """Leave traffic as it is; the run ends with that."""


class AcknowledgePage(IncidentCommand):
    """Be on it: stop the pager."""


class ReportUsers(IncidentCommand):
    """Pass on what users say; the fields are as in `bot.domain.reports.Report`."""

    text: str
    users: int = 1
    standing: Standing = "still"
    seen_since: datetime | None = None


class WithdrawReport(IncidentCommand):
    """Take back a report, by its id."""

    report: str


class MarkExercise(IncidentCommand):
    """Say that it is an exercise or a test, or none after all."""

    exercise: bool = True


class AddNote(IncidentCommand):
    text: str


class TellAudience(IncidentCommand):
    """Let an audience outside know this, in these words."""

    audience: Audience
    text: str


class AddAction(IncidentCommand):
    text: str
    owner: UserId | None = None


class AssignRole(IncidentCommand):
    role: str
    user: UserId


class MarkMessage(IncidentCommand):
    """Mark a Slack message as belonging in the short timeline, with a note and the time it is about, if other."""

    slack_ts: str
    text: str
    author: UserId
    note: str = ""
    at: datetime | None = None


class RecordLessons(IncidentCommand):
    root_cause: str
    lessons: str
    impact: str = ""
    actions: tuple[AddAction, ...] = ()


class Close(IncidentCommand):
    """`accept` are ids or keys of what is left open and accepted with this; `decide.ALL` is everything."""

    summary: str = ""
    unverified: bool = False
    accept: tuple[str, ...] = ()


class AcceptLeft(IncidentCommand):
    """Accept by name that this stays open; as in `Close`."""

    accept: tuple[str, ...]


class FileAgain(IncidentCommand):
    """Try at once what has not become an issue, or is not among the papers, yet."""
