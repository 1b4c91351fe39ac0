"""The rollback itself, as a durable workflow: apply every component, prove health, watch, and say what was seen.

The body (`rollback`) only orders the steps; each step (`RollbackSteps`) looks before it acts, so that a
crash within it is harmless, and records its own beginning and end in the timeline.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from bot.catalog import Catalog
from bot.catalog.model import Service
from bot.domain import events as e
from bot.domain.base import Refusal, Version
from bot.domain.evidence import (
    Baseline,
    Finding,
    Outcome,
    Probe,
    consecutive_version,
    judge,
    overall,
)
from bot.domain.incident import Incident, Status
from bot.domain.releases import spoken
from bot.domain.run import PROVE, WATCH, apply_step
from bot.ports import Change, PortError
from bot.ports.engine import Steps, Workflow
from bot.store import Store
from bot.store.errors import StoreError
from bot.usecases.desk import Desk
from bot.usecases.fleet import Fleet
from bot.usecases.probing import Probing
from bot.workflows.applying import applied, change_of, settle
from bot.workflows.journal import Journal, already
from bot.workflows.progress import Progress
from bot.workflows.verdict import (
    Requests,
    around,
    how_it_ended,
    looked_at_since,
    safest,
    stage_of,
    to_put_back,
    what_next,
)

_log = logging.getLogger(__name__)

HELD_POLL_S = 0.5


async def rollback(steps: Steps, run_id: str, work: "RollbackSteps") -> None:
    """The order of the steps. Everything that can happen is one of three outcomes."""
    tiers = await steps.run("begin", lambda: work.tiers(run_id))
    for number, components in enumerate(tiers):
        outcome = await steps.run(
            f"apply:{number}",
            lambda names=components: work.apply_tier(run_id, names),  # type: ignore[misc]  # binds the loop's value
        )
        if outcome != Outcome.SUCCEEDED:
            await steps.run("give-up", lambda: work.give_up(run_id))
            return
    outcome = await steps.run(PROVE, lambda: work.guarded(run_id, PROVE, lambda: work.prove(run_id)))
    if outcome != Outcome.SUCCEEDED:
        await steps.run("give-up", lambda: work.give_up(run_id))
        return
    await steps.run("mitigated", lambda: work.mitigated(run_id))
    await steps.run(WATCH, lambda: work.guarded(run_id, WATCH, lambda: work.watch(run_id)))


class RollbackSteps:
    """What each step does. All of it may be called again after a crash."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        fleet: Fleet,
        desk: Desk,
        probing: Probing,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._fleet = fleet
        self._desk = desk
        self._probing = probing
        self._clock = clock
        self._journal = Journal(store, desk, clock=clock)

    async def tiers(self, run_id: str) -> list[list[str]]:
        """The components' names, those that go back at once together."""
        _, _, plan = await self._journal.load(run_id)
        return [[c.component for c in tier] for tier in plan.tiers]

    async def apply_tier(self, run_id: str, components: list[str]) -> str:
        """Take the components of one tier back, all at once. Gives the worst outcome's value."""

        async def one(component: str) -> str:
            return await self.guarded(run_id, apply_step(component), lambda: self.apply(run_id, component))

        incident, _, _ = await self._journal.load(run_id)
        asking = asyncio.create_task(self._keep_asking(incident.service))
        try:
            # Whatever befalls one of them, the others come to their end before this step is done again.
            ends = await asyncio.gather(*(one(name) for name in components), return_exceptions=True)
        finally:
            asking.cancel()
            await asyncio.wait({asking})
        for end in ends:
            if isinstance(end, BaseException):
                raise end
        worst = (Outcome.UNKNOWN, Outcome.FAILED)
        return next((o.value for o in worst if o.value in ends), Outcome.SUCCEEDED.value)

    async def guarded(self, run_id: str, step_id: str, work: Callable[[], Awaitable[str]]) -> str:
        """`work`, so that a defect ends the step as unknown: the run then leaves the service as safe as it can.

        Trouble with the database is the engine's to wait out.
        """
        try:
            return await work()
        except Refusal as refusal:
            return await self._broke_down(run_id, step_id, str(refusal))
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, the run must not hang
            _log.exception("%s of %s broke down", step_id, run_id)
            detail = f"kaeru itself failed here ({type(error).__name__}); the log has the details"
            return await self._broke_down(run_id, step_id, detail)

    async def _broke_down(self, run_id: str, step_id: str, detail: str) -> str:
        incident, run, _ = await self._journal.load(run_id)
        if step_id == WATCH:
            return await self._journal.relapsed(incident.id, run, f"the watch ended early: {detail}", ())
        await self._journal.finished(incident.id, run, step_id, outcome=Outcome.UNKNOWN, detail=detail)
        return Outcome.UNKNOWN.value

    async def apply(self, run_id: str, component: str) -> str:
        """Take one component back. Gives the outcome's value."""
        step_id = apply_step(component)
        incident, run, plan = await self._journal.load(run_id)
        if (done := already(run, step_id)) is not None:
            return done
        await self._unheld(incident.id)
        await self._journal.started(incident.id, run, step_id, f"taking {component} back to {run.to_version}")
        change = change_of(plan, component)
        target = self._fleet.hands(incident.service).target(component)
        progress = Progress(lambda detail: self._journal.started(incident.id, run, step_id, detail))
        try:
            seen = await applied(target, change, key=f"{run_id}/{step_id}", tell=progress.tell)
        except PortError as error:
            await self._journal.finished(
                incident.id, run, step_id, outcome=Outcome.FAILED, detail=error.advice, untouched=True
            )
            return Outcome.FAILED.value
        await self._journal.finished(
            incident.id, run, step_id, outcome=seen.outcome, detail=seen.detail, debts=seen.debts
        )
        return seen.outcome.value

    async def prove(self, run_id: str) -> str:
        """Probe from outside until the target version answers well N rounds in a row, or the time is up."""
        incident, run, plan = await self._journal.load(run_id)
        if (done := already(run, PROVE)) is not None:
            return done
        service = self._catalog.service(incident.service)
        health = service.health
        if health is None:
            detail = "no health section in kaeru.yml: nothing outside was asked, so this is not proven"
            await self._journal.finished(incident.id, run, PROVE, outcome=Outcome.UNKNOWN, detail=detail)
            return Outcome.UNKNOWN.value
        await self._journal.started(incident.id, run, PROVE, f"asking for {run.to_version}")
        loop = asyncio.get_running_loop()
        deadline = self._clock() + health.prove_for
        # What answered well in a row while the last of the old instances ended counts; one look after it is due.
        rounds = self._probing.recent(incident.service, run.approved_at)
        while True:
            rounds.append(await self._probing.probe(incident.service))
            # From the answers on: what is written down meanwhile must not delay the next round.
            next_round = loop.time() + health.interval.total_seconds()
            streak = consecutive_version(rounds, spoken(run.to_version))
            latest = [probe for round_ in rounds[-health.consecutive :] for probe in round_]
            findings = judge(latest, plan.baseline)
            if streak >= health.consecutive and overall(findings) is Outcome.SUCCEEDED:
                detail = f"{run.to_version} answered well {streak} times in a row, compared with {plan.baseline.sentence}"
                await self._journal.finished(
                    incident.id, run, PROVE, outcome=Outcome.SUCCEEDED, detail=detail, findings=findings
                )
                return Outcome.SUCCEEDED.value
            if self._clock() >= deadline:
                detail = _why_unproven(latest, findings, spoken(run.to_version))
                await self._journal.finished(
                    incident.id, run, PROVE, outcome=Outcome.FAILED, detail=detail, findings=findings
                )
                return Outcome.FAILED.value
            await self._journal.started(
                incident.id,
                run,
                PROVE,
                f"{min(streak, health.consecutive)} of {health.consecutive} in a row well",
            )
            await asyncio.sleep(max(0.0, next_round - loop.time()))

    async def mitigated(self, run_id: str) -> None:
        """Say it, once."""
        await self._journal.mitigated(run_id)

    async def watch(self, run_id: str) -> str:
        """Watch for the window that begins with mitigation; a crash does not begin it anew."""
        incident, run, plan = await self._journal.load(run_id)
        if (done := already(run, WATCH)) is not None:
            return done
        service = self._catalog.service(incident.service)
        since = incident.mitigated_at or self._clock()
        until = since + service.watch
        await self._journal.started(incident.id, run, WATCH, "every probe is compared with the baseline")
        # Where kaeru was down for what was left of the window, it has to look before it may say how it went.
        rounds, needed = 0, service.health.consecutive if service.health else 1
        ill_before = False
        while self._clock() < until or rounds < needed:
            await asyncio.sleep(_pause(service.watch_interval, until - self._clock()))
            await self._probing.probe(incident.service)
            rounds += 1
            if not await self._still_watching(incident.id, run_id):
                return Outcome.UNKNOWN.value
            findings = await self._findings(
                service, plan.baseline, self._clock() - service.watch_interval * 10, since
            )
            reason = _relapse(findings, spoken(run.to_version), await self._versions_now(service.name, since))
            if reason and ill_before:
                return await self._journal.relapsed(incident.id, run, reason, findings)
            ill_before = bool(reason)
        findings = await self._findings(service, plan.baseline, since, since)
        reason = _relapse(findings, spoken(run.to_version), set())
        if reason or not findings:
            return await self._journal.relapsed(
                incident.id, run, reason or "nothing could be measured", findings
            )
        count = sum(f.stats.count for f in findings)
        detail = f"{count} probes, all within {plan.baseline.limits}"
        await self._journal.verified(incident.id, run_id, detail, findings)
        return Outcome.SUCCEEDED.value

    async def give_up(self, run_id: str) -> None:
        """It did not work: leave the service as safe as it can be, say so, and ask for the next plan."""
        incident, run, plan = await self._journal.load(run_id)
        if incident.status is not Status.ROLLING_BACK:
            return
        since = looked_at_since(run)
        before, after = around(
            run, await self._store.read(lambda uow: uow.probes.window(incident.service, since))
        )
        stage = stage_of(run, plan)
        outcome, reason = how_it_ended(run)
        decision = safest(stage, outcome, Requests.of(before), Requests.of(after))
        back = to_put_back(run, plan) if decision.go_back else ()
        said = [
            await self._settled(incident, change_of(plan, name), run_id, back=name in back)
            for name in reversed([c.component for c in plan.components])
        ]
        event = e.RollbackFailed(
            at=self._clock(),
            run_id=run_id,
            outcome=outcome,
            reason=reason,
            safe_state=f"{decision.sentence} {' '.join(said)}".strip(),
            findings=judge(after, plan.baseline),
        )

        def ended(now_it_is: Incident) -> tuple[e.Event, ...]:
            if now_it_is.status is not Status.ROLLING_BACK:
                return ()
            return (event, *what_next(now_it_is, run, stage, outcome, now=self._clock()))

        await self._desk.change(
            incident.id,
            ended,
            also=lambda uow: (
                uow.releases.quarantine(incident.service, run.to_version, incident.id, event.at)
                if decision.target_is_bad
                else None
            ),
        )

    # What the steps are made of.

    async def _settled(self, incident: Incident, change: Change, run_id: str, *, back: bool) -> str:
        try:
            target = self._fleet.hands(incident.service).target(change.component)
            return await settle(target, change, f"{run_id}/revert:{change.component}", back=back)
        except Refusal as refusal:
            return str(refusal)
        except Exception as error:  # noqa: BLE001 - the run has to end, whatever an adapter does
            _log.exception("%s of %s could not be settled", change.component, run_id)
            return f"{change.component}: what runs now could not be established ({type(error).__name__}, see the log)."

    async def _keep_asking(self, service: str) -> None:
        """Probe while components change, so that the proof need not begin from nothing when they have changed."""
        health = self._catalog.service(service).health
        while health is not None:
            try:
                await self._probing.probe(service)
            except (PortError, Refusal, StoreError) as error:
                _log.warning("%s could not be probed meanwhile: %s", service, error)
            await asyncio.sleep(health.interval.total_seconds())

    async def _unheld(self, incident_id: str) -> None:
        """Wait while a person holds the incident. The hold is in the database; nothing wakes us but looking."""
        while (await self._store.read(lambda uow: uow.incidents.get(incident_id))).held_by is not None:  # noqa: ASYNC110 - see above
            await asyncio.sleep(HELD_POLL_S)

    async def _still_watching(self, incident_id: str, run_id: str) -> bool:
        incident = await self._store.read(lambda uow: uow.incidents.get(incident_id))
        return incident.status is Status.MITIGATED and incident.run is not None and incident.run.id == run_id

    async def _findings(
        self, service: Service, baseline: Baseline, since: datetime, not_before: datetime
    ) -> tuple[Finding, ...]:
        begin = max(since, not_before)
        return judge(await self._store.read(lambda uow: uow.probes.window(service.name, begin)), baseline)

    async def _versions_now(self, service: str, since: datetime) -> set[str]:
        probes = await self._store.read(lambda uow: uow.probes.window(service, since))
        return {p.version for p in probes[-10:] if p.version}


def _why_unproven(probes: list[Probe], findings: tuple[Finding, ...], version: Version) -> str:
    answered = sorted({p.version for p in probes if p.version})
    if answered and answered != [version]:
        return f"{version} was expected, but {', '.join(answered)} answered"
    ill = [f"{f.endpoint}: {f.sentence}" for f in findings if f.verdict is not Outcome.SUCCEEDED]
    if ill:
        return "; ".join(ill)
    return f"{version} did not answer well often enough in a row"


def _relapse(findings: tuple[Finding, ...], version: Version, versions: set[str]) -> str:
    if versions and version not in versions:
        return f"{', '.join(sorted(versions))} answers now instead of {version}: someone deployed"
    return "; ".join(f"{f.endpoint}: {f.sentence}" for f in findings if f.verdict is Outcome.FAILED)


def _pause(interval: timedelta, left: timedelta) -> float:
    """Seconds until the next look: the last one is at the window's end, and later ones keep the interval."""
    return (min(interval, left) if left > timedelta(0) else interval).total_seconds()


def bind(work: RollbackSteps) -> Workflow:
    """The workflow as the engine takes it. Its argument is the run's id."""

    async def body(steps: Steps, run_id: str) -> None:
        await rollback(steps, run_id, work)

    return body
