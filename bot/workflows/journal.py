"""What a run writes down: each beginning and each end once, whatever crashes in between."""

from collections.abc import Callable
from datetime import datetime

from bot.domain import decide
from bot.domain import events as e
from bot.domain.debts import Debt
from bot.domain.evidence import Finding, Outcome
from bot.domain.incident import Incident, Status
from bot.domain.plan import Plan
from bot.domain.run import WATCH, Run, StepState
from bot.domain.verdict import VerdictTable
from bot.store import Store, UnitOfWork
from bot.usecases.desk import Desk
from bot.views.project import project_run
from bot.workflows.verdict import Stage, what_next


class Journal:
    """Reads a run and appends its events. Every method may be called again with the same arguments."""

    def __init__(self, store: Store, desk: Desk, *, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._desk = desk
        self._clock = clock

    async def load(self, run_id: str) -> tuple[Incident, Run, Plan]:
        """The incident, the run and its plan. Raises Impossible for an unknown run."""
        incident = await self._store.read(lambda uow: uow.incidents.get(incident_of(run_id)))
        run = incident.find_run(run_id)
        record = next(r for r in incident.plans if r.number == run.plan_number)
        if record.plan is None:
            raise RuntimeError(f"the plan of {run_id} is gone")
        return incident, run, record.plan

    async def started(
        self, incident_id: str, run: Run, step_id: str, detail: str, *, title: str = ""
    ) -> None:
        """A step begins, or stands at `detail` by now. `title` is for one that the checklist does not have yet."""

        def decision(incident: Incident) -> tuple[e.Event, ...]:
            now_it_is = incident.find_run(run.id)
            began = e.StepStarted(at=self._clock(), run_id=run.id, step_id=step_id, detail=detail)
            if now_it_is.ended_at is None and title and not now_it_is.has(step_id):
                added = e.StepAdded(at=began.at, run_id=run.id, step_id=step_id, title=title)
                return (added, began)
            step = now_it_is.step(step_id)
            known = step.state is StepState.RUNNING and step.detail == detail
            if known or step.finished_at is not None or now_it_is.ended_at is not None:
                return ()
            return (began,)

        await self._desk.change(incident_id, decision)

    async def shown(self, incident_id: str, run_id: str, step_id: str, detail: str) -> None:
        """Let the checklist say where a step stands that is under way. Kept nowhere, and replaced by what comes next."""

        def work(uow: UnitOfWork) -> None:
            incident = uow.incidents.get(incident_id)
            run = incident.find_run(run_id)
            if run.step(step_id).state is not StepState.RUNNING or run.ended_at is not None:
                return
            shown = run.with_step(step_id, detail=detail)
            runs = tuple(shown if r.id == run_id else r for r in incident.runs)
            slot = project_run(incident.model_copy(update={"runs": runs}), run_id)
            uow.outbox.put(slot.lane, slot.slot, slot.operation, incident_id=incident_id)

        await self._store.write(work)
        self._desk.wake()

    async def printed(
        self, incident_id: str, run_id: str, step_id: str, lines: tuple[str, ...], left_out: int
    ) -> None:
        """A step that is under way has printed `lines`, the newest of them, and `left_out` ones before."""

        def decision(incident: Incident) -> tuple[e.Event, ...]:
            run = incident.find_run(run_id)
            if run.ended_at is not None:
                return ()
            return (
                e.StepPrinted(
                    at=self._clock(), run_id=run_id, step_id=step_id, lines=lines, left_out=left_out
                ),
            )

        await self._desk.change(incident_id, decision)

    async def finished(
        self,
        incident_id: str,
        run: Run,
        step_id: str,
        *,
        outcome: Outcome,
        detail: str,
        findings: tuple[Finding, ...] = (),
        untouched: bool = False,
        blameless: bool = False,
        debts: tuple[Debt, ...] = (),
    ) -> None:
        """`untouched` says that nothing was changed, `blameless` that not the version was what failed, `debts` what is suspended because of it."""

        def decision(incident: Incident) -> tuple[e.Event, ...]:
            ended = self.end_of_step(
                incident,
                run.id,
                step_id,
                outcome=outcome,
                detail=detail,
                findings=findings,
                untouched=untouched,
                blameless=blameless,
            )
            return (*ended, *decide.debts_seen(incident, debts, now=self._clock()))

        await self._desk.change(incident_id, decision)

    def end_of_step(
        self,
        incident: Incident,
        run_id: str,
        step_id: str,
        *,
        outcome: Outcome,
        detail: str,
        findings: tuple[Finding, ...] = (),
        untouched: bool = False,
        blameless: bool = False,
    ) -> tuple[e.Event, ...]:
        """The end of a step, unless it has ended. What follows from it at once belongs into the same decision."""
        run = incident.find_run(run_id)
        if run.step(step_id).finished_at is not None or run.ended_at is not None:
            return ()
        return (
            e.StepFinished(
                at=self._clock(),
                run_id=run_id,
                step_id=step_id,
                outcome=outcome,
                detail=detail,
                findings=findings,
                untouched=untouched,
                blameless=blameless,
            ),
        )

    async def judged(self, incident_id: str, run_id: str, table: VerdictTable) -> None:
        """The evidence of this moment, once, or again where it is waited for what was not verified."""

        def decision(incident: Incident) -> tuple[e.Event, ...]:
            run = incident.find_run(run_id)
            known = run.verdict(table.moment)
            if run.ended_at is not None or (known and known.waits_until == table.waits_until):
                return ()
            return self._reached(run_id, table)

        await self._desk.change(incident_id, decision)

    def _reached(self, run_id: str, table: VerdictTable | None) -> tuple[e.Event, ...]:
        return () if table is None else (e.VerdictReached(at=self._clock(), run_id=run_id, table=table),)

    async def verified(
        self, incident_id: str, run_id: str, detail: str, findings: tuple[Finding, ...], table: VerdictTable
    ) -> None:
        """The watch has ended well, as the table says."""

        def decision(incident: Incident) -> tuple[e.Event, ...]:
            if incident.status is not Status.MITIGATED:
                return ()
            ended = self.end_of_step(incident, run_id, WATCH, outcome=Outcome.SUCCEEDED, detail=detail)
            reached = self._reached(run_id, table)
            return (*ended, *reached, e.IncidentVerified(at=self._clock(), run_id=run_id, findings=findings))

        await self._desk.change(incident_id, decision)

    async def left_unverified(
        self, incident_id: str, run_id: str, reason: str, findings: tuple[Finding, ...], table: VerdictTable
    ) -> str:
        """The watch has ended, and nobody knows for sure: nothing was seen ill, not all could be measured."""

        def decision(incident: Incident) -> tuple[e.Event, ...]:
            if incident.status is not Status.MITIGATED or incident.find_run(run_id).ended_at is not None:
                return ()
            ended = self.end_of_step(incident, run_id, WATCH, outcome=Outcome.UNKNOWN, detail=reason)
            reached = self._reached(run_id, table)
            left = e.IncidentLeftUnverified(at=self._clock(), run_id=run_id, reason=reason, findings=findings)
            return (*ended, *reached, left)

        await self._desk.change(incident_id, decision)
        return Outcome.UNKNOWN.value

    async def relapsed(
        self,
        incident_id: str,
        run: Run,
        reason: str,
        findings: tuple[Finding, ...],
        table: VerdictTable | None = None,
    ) -> str:
        """The watch has ended, because it is ill again."""

        def decision(incident: Incident) -> tuple[e.Event, ...]:
            if incident.status is not Status.MITIGATED:
                return ()
            ended = self.end_of_step(incident, run.id, WATCH, outcome=Outcome.FAILED, detail=reason)
            reached, now = self._reached(run.id, table), self._clock()
            relapsed = e.IncidentRelapsed(at=now, run_id=run.id, reason=reason, findings=findings)
            following = what_next(incident, run, Stage.WATCH, Outcome.FAILED, now=now)
            return (*ended, *reached, relapsed, *following)

        await self._desk.change(incident_id, decision)
        return Outcome.FAILED.value

    async def mitigated(self, run_id: str) -> None:
        """Say it, once: the bad version serves nobody any more."""
        incident_id = incident_of(run_id)

        def decision(incident: Incident) -> tuple[e.Event, ...]:
            if incident.status is not Status.ROLLING_BACK:
                return ()
            findings = incident.find_run(run_id).findings
            return (e.IncidentMitigated(at=self._clock(), run_id=run_id, findings=findings),)

        await self._desk.change(incident_id, decision)


def incident_of(run_id: str) -> str:
    """`inc-20261124-shop-1-run-2` belongs to `inc-20261124-shop-1`."""
    return run_id.rpartition("-run-")[0]


def already(run: Run, step_id: str) -> str | None:
    """The outcome of a step that has ended: it is never done twice."""
    step = run.step(step_id)
    return step.state.value if step.finished_at is not None else None
