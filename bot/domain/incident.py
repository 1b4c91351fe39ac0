"""The incident as it stands: what decisions and views look at. It is the fold of its events, see `lifecycle`."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from bot.domain.audiences import NoticeRecord
from bot.domain.backups import BackupRecord
from bot.domain.base import UserId, Value, Version
from bot.domain.databases import ChosenWay
from bot.domain.debts import Debt
from bot.domain.paging import PageRecord
from bot.domain.plan import Plan
from bot.domain.reports import Report
from bot.domain.restores import Restore, RestoreState
from bot.domain.run import Run
from bot.domain.severity import Severity


class Status(StrEnum):
    OPEN = "open"
    FIXING_FORWARD = "fixing_forward"
    DECIDING = "deciding"
    ROLLING_BACK = "rolling_back"
    STUCK = "stuck"
    MITIGATED = "mitigated"
    VERIFIED = "verified"
    CLOSED = "closed"


class PlanState(StrEnum):
    ARMING = "arming"
    READY = "ready"
    BLOCKED = "blocked"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"
    REJECTED = "rejected"
    APPROVED = "approved"


class Impossible(Exception):
    """An event that cannot follow the incident's state."""


class PlanRecord(Value):
    """One plan number's life. `plan` is kept for the newest and the approved ones; `note` says why it ended.

    `ways` are what had been decided about databases when it was asked for.
    """

    number: int
    state: PlanState = PlanState.ARMING
    wanted: Version | None = None
    requested_at: datetime
    ready_at: datetime | None = None
    to_version: Version | None = None
    note: str = ""
    approvals: tuple[UserId, ...] = ()
    chosen_by: UserId | None = None
    ways: tuple[ChosenWay, ...] = ()
    plan: Plan | None = None


class ForwardFix(Value):
    """`since` is when it was begun. `database` is the one for whose sake it was chosen by `chosen_by`; else None."""

    owner: UserId
    due_at: datetime
    reminders: int = 0
    since: datetime | None = None
    database: str | None = None
    chosen_by: UserId | None = None


class Action(Value):
    text: str
    owner: UserId | None = None


class Owed(Value):
    """A suspension that is not given back yet. `owner` has said to see to it outside kaeru.

    `asked_by` asked kaeru to give it back, which is under way; `attempt` names the newest time that somebody did,
    once within the incident. `note` says why it could not be given back then.
    """

    debt: Debt
    since: datetime
    owner: UserId | None = None
    asked_by: UserId | None = None
    attempt: int = 0
    note: str = ""


class Accepted(Value):
    """Something that was left open when the incident was closed, and who accepts that."""

    id: str
    text: str
    by: UserId
    at: datetime


class Filing(Value):
    """How far an open action has come on its way into the tracker, or the postmortem to a place of papers.

    `reference` and `url` say where it is, `revision` which one of a postmortem is there. `tries` have failed since,
    the newest one for `trouble`; the next one is at `again_at`. `stopped`: only people have it tried again.
    """

    reference: str = ""
    url: str = ""
    revision: int = 0
    tries: int = 0
    trouble: str = ""
    again_at: datetime | None = None
    stopped: bool = False


class Worse(Value):
    """An alert says that it is worse than people chose; `number` is the place of that among the incident's events."""

    severity: Severity
    number: int


class Incident(Value):
    """Everything that decisions and views need.

    `length` counts the events folded in; `postmortem_wanted` the postmortem revisions that are due by now. `filings`
    are by `action_id` or `paper_id`; `lifted` are versions of it that are quarantined no longer.
    """

    id: str
    service: str
    status: Status
    declared_at: datetime
    declared_by: UserId
    source_channel: str | None = None
    detected_at: datetime | None = None
    severity: Severity | None = None
    severity_at: datetime | None = None
    worse: Worse | None = None
    channel_id: str | None = None
    channel_name: str | None = None
    roles: dict[str, UserId] = Field(default_factory=dict)
    joined: tuple[UserId, ...] = ()
    held_by: UserId | None = None
    hold_reason: str = ""
    deciding_since: datetime | None = None
    forward_fix: ForwardFix | None = None
    plans: tuple[PlanRecord, ...] = ()
    runs: tuple[Run, ...] = ()
    debts: tuple[Owed, ...] = ()
    backups: tuple[BackupRecord, ...] = ()
    restores: tuple[Restore, ...] = ()
    notices: tuple[NoticeRecord, ...] = ()
    pages: tuple[PageRecord, ...] = ()
    reports: tuple[Report, ...] = ()
    exercise: bool = False
    """Nobody is called for one, and nobody outside is told of it."""
    declared_as_exercise: bool = False
    """Nobody outside can have heard of it."""
    mitigated_at: datetime | None = None
    verified_at: datetime | None = None
    closed_at: datetime | None = None
    closed_by: UserId | None = None
    actions: tuple[Action, ...] = ()
    root_cause: str = ""
    lessons: str = ""
    impact: str = ""
    summary: str = ""
    postmortem_wanted: int = 0
    postmortem_revision: int = 0
    postmortem_sha256: str = ""
    accepted: tuple[Accepted, ...] = ()
    lifted: tuple[Version, ...] = ()
    filings: dict[str, Filing] = Field(default_factory=dict)
    filing_asked: int = 0
    archived_at: datetime | None = None
    length: int = 1

    @property
    def record(self) -> PlanRecord | None:
        """The newest plan's record."""
        return self.plans[-1] if self.plans else None

    @property
    def requesters(self) -> tuple[UserId, ...]:
        """Who asked for the rollback, and who chose the version of its newest plan."""
        chosen_by = self.plans[-1].chosen_by if self.plans else None
        return tuple(dict.fromkeys((self.declared_by, *((chosen_by,) if chosen_by else ()))))

    @property
    def deciders(self) -> tuple[UserId, ...]:
        """Who chose what the newest plan does to databases."""
        record = self.record
        return record.plan.deciders if record is not None and record.plan is not None else ()

    @property
    def run(self) -> Run | None:
        """The newest run."""
        return self.runs[-1] if self.runs else None

    @property
    def unowned(self) -> tuple[Owed, ...]:
        """What is suspended and nobody has said to see to."""
        return tuple(owed for owed in self.debts if owed.owner is None)

    @property
    def page(self) -> PageRecord | None:
        """The newest call of whoever is on call."""
        return self.pages[-1] if self.pages else None

    def backup(self, database: str) -> BackupRecord | None:
        """The newest try to back this database up; None where there was none."""
        return next((one for one in self.backups if one.database == database), None)

    @property
    def without_backup(self) -> tuple[str, ...]:
        """The databases whose backup the rollback does not wait for, because somebody decided so."""
        return tuple(one.database for one in self.backups if one.skipped_by is not None)

    @property
    def restoring(self) -> Restore | None:
        """The restore that is under way."""
        return next((one for one in self.restores if one.state is RestoreState.RUNNING), None)

    def restore(self, number: int) -> Restore:
        """Raises Impossible for an unknown one."""
        for one in self.restores:
            if one.number == number:
                return one
        raise Impossible(f"{self.id} has no restore {number}")

    @property
    def left_unverified(self) -> bool:
        """Whether the watch has ended without anything seen ill, and without everything known to be well."""
        return self.status is Status.MITIGATED and self.run is not None and self.run.ended_at is not None

    @property
    def is_open(self) -> bool:
        return self.status is not Status.CLOSED

    def find_run(self, run_id: str) -> Run:
        """Raises Impossible for an unknown run."""
        for run in self.runs:
            if run.id == run_id:
                return run
        raise Impossible(f"{self.id} has no run {run_id}")
