"""What is said when a workflow has broken down for good, so that nobody waits for it in vain."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from bot.domain import decide
from bot.domain import events as e
from bot.domain.evidence import Outcome
from bot.domain.filing import pending
from bot.domain.incident import Incident, Status
from bot.domain.paging import PagerAction
from bot.usecases.desk import Desk
from bot.usecases.due import ARM, BACKUP, CLOSE, DRILL, FILE, PLAN_RESTORE, REPAY, RESTORE, ROLLBACK
from bot.usecases.filing import not_filed
from bot.usecases.paging import PAGE, PAGE_ACKNOWLEDGE, PAGE_RESOLVE
from bot.usecases.telling import TELL
from bot.workflows.journal import incident_of
from bot.workflows.verdict import Stage, what_next


class Broken:
    """The engine's last resort. May be called again for the same workflow."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._desk: Desk | None = None

    def attach(self, desk: Desk) -> None:
        """The desk needs the engine and the engine needs this: it comes last."""
        self._desk = desk

    async def __call__(self, workflow: str, argument: str, sentence: str) -> None:
        """Write down that `workflow` of `argument` has broken down, where people see it."""
        if self._desk is None:
            raise RuntimeError("the engine was opened before the desk was attached")
        say: dict[str, Callable[[Desk, str, str], Awaitable[None]]] = {
            ARM: self._no_plan,
            ROLLBACK: self._no_end,
            REPAY: self._not_given_back,
            PLAN_RESTORE: self._no_restore_plan,
            RESTORE: self._not_restored,
            CLOSE: self._no_postmortem,
            BACKUP: self._no_backup,
            DRILL: self._no_drill,
            TELL: self._not_told,
            PAGE: self._nobody_paged,
            PAGE_ACKNOWLEDGE: self._pager_not_stopped,
            PAGE_RESOLVE: self._pager_not_resolved,
            FILE: self._not_filed,
        }
        await say[workflow](self._desk, argument, sentence)

    async def _no_plan(self, desk: Desk, argument: str, sentence: str) -> None:
        incident_id, _, number = argument.rpartition("/")
        reason = f"{sentence} Press Refresh for another try, or act by hand."
        await desk.change(
            incident_id,
            lambda incident: decide.plan_blocked(
                incident, number=int(number), reason=reason, now=self._clock()
            ),
        )

    async def _no_end(self, desk: Desk, run_id: str, sentence: str) -> None:
        def decision(incident: Incident) -> decide.Events:
            now, run = self._clock(), incident.find_run(run_id)
            if incident.status is Status.ROLLING_BACK:
                failed = e.RollbackFailed(
                    at=now,
                    run_id=run_id,
                    outcome=Outcome.UNKNOWN,
                    reason=sentence,
                    safe_state="What serves now was not established: look at the service.",
                )
                return (failed, *what_next(incident, run, Stage.WATCH, Outcome.UNKNOWN, now=now))
            if incident.status is Status.MITIGATED and run is incident.run:
                relapsed = e.IncidentRelapsed(
                    at=now, run_id=run_id, reason=f"The watch ended early: {sentence}"
                )
                return (relapsed, *what_next(incident, run, Stage.WATCH, Outcome.UNKNOWN, now=now))
            return ()

        await desk.change(incident_of(run_id), decision)

    async def _not_given_back(self, desk: Desk, argument: str, sentence: str) -> None:
        incident_id, _, number = argument.rpartition("/")
        reason = f"{sentence} Press Give back for another try, or do it by hand."

        def decision(incident: Incident) -> decide.Events:
            attempt = int(number)
            debts = [owed.debt.id for owed in incident.debts if owed.attempt == attempt]
            return tuple(
                event
                for debt_id in debts
                for event in decide.debt_kept(
                    incident, debt_id, attempt=attempt, reason=reason, now=self._clock()
                )
            )

        await desk.change(incident_id, decision)

    async def _no_restore_plan(self, desk: Desk, argument: str, sentence: str) -> None:
        incident_id, _, number = argument.rpartition("/")
        await desk.change(
            incident_id,
            lambda incident: decide.restore_blocked(
                incident, int(number), f"{sentence} Press Try again.", now=self._clock()
            ),
        )

    async def _not_restored(self, desk: Desk, argument: str, sentence: str) -> None:
        incident_id, _, number = argument.rpartition("/")
        detail = f"{sentence} Look at the database before anything else is done."
        await desk.change(
            incident_id,
            lambda incident: decide.restore_ended(
                incident, int(number), Outcome.UNKNOWN, detail, now=self._clock()
            ),
        )

    async def _no_backup(self, desk: Desk, argument: str, sentence: str) -> None:
        incident_id, database, number = argument.rsplit("/", 2)
        reason = f"{sentence} Press Back up again for another try."
        await desk.change(
            incident_id,
            lambda incident: decide.backup_failed(incident, database, int(number), reason, now=self._clock()),
        )

    async def _not_filed(self, desk: Desk, argument: str, sentence: str) -> None:
        """Nothing is tried again by itself that has met a defect."""
        incident_id, key, _ = argument.rsplit("/", 2)
        reason = f"{sentence} Type `/incident file` for another try."

        def decision(incident: Incident) -> decide.Events:
            ends = desk.ends(incident)
            items = pending(incident, tracker=ends.tracker, papers=ends.papers)
            return tuple(
                not_filed(incident, i, reason, None, now=self._clock()) for i in items if i.key == key
            )

        await desk.change(incident_id, decision, once=f"broken:{argument}")

    async def _nobody_paged(self, desk: Desk, argument: str, sentence: str) -> None:
        incident_id, _, number = argument.rpartition("/")
        reason = f"{sentence} Call whoever is on call yourself."
        await desk.change(
            incident_id,
            lambda incident: decide.page_failed(
                incident, int(number), through="", reason=reason, unknown=True, now=self._clock()
            ),
        )

    async def _pager_not_stopped(self, desk: Desk, argument: str, sentence: str) -> None:
        await self._pager_not_told(desk, argument, sentence, "acknowledge")

    async def _pager_not_resolved(self, desk: Desk, argument: str, sentence: str) -> None:
        await self._pager_not_told(desk, argument, sentence, "resolve")

    async def _pager_not_told(self, desk: Desk, argument: str, sentence: str, action: PagerAction) -> None:
        incident_id, _, number = argument.rpartition("/")
        await desk.change(
            incident_id,
            lambda incident: decide.pager_not_told(
                incident,
                int(number),
                action,
                through="",
                reason=f"{sentence} Do it there.",
                now=self._clock(),
            ),
        )

    async def _not_told(self, desk: Desk, argument: str, sentence: str) -> None:
        incident_id, number, place = argument.rsplit("/", 2)
        reason = f"{sentence} Look there whether it arrived before you tell them again."
        await desk.change(
            incident_id,
            lambda incident: decide.notice_broken(
                incident, int(number), int(place), reason, now=self._clock()
            ),
        )

    async def _no_drill(self, _desk: Desk, _argument: str, _sentence: str) -> None:
        """Of no incident, and the log has it. A drill that meets a defect says so by itself."""

    async def _no_postmortem(self, desk: Desk, argument: str, sentence: str) -> None:
        incident_id = argument.rpartition("/")[0]
        lost = e.DeliveryFailed(
            at=self._clock(),
            what="the postmortem",
            reason=f"{sentence} Record root cause and lessons to have it written again.",
        )
        await desk.change(incident_id, lambda _incident: (lost,), once=f"broken:{argument}")
