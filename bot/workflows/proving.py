"""Proving from outside that users are well."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from bot.catalog import Catalog
from bot.domain.base import Version
from bot.domain.evidence import Finding, Outcome, Probe, consecutive_version, judge, overall
from bot.domain.plan import Plan
from bot.domain.releases import spoken
from bot.domain.run import PROVE, Run, apply_step
from bot.usecases.probing import Probing
from bot.workflows.journal import Journal, already
from bot.workflows.progress import Progress
from bot.workflows.verdict import changing


class Proving:
    """The step that only looks. It may be done again after a crash."""

    def __init__(
        self,
        catalog: Catalog,
        probing: Probing,
        journal: Journal,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._catalog = catalog
        self._probing = probing
        self._journal = journal
        self._clock = clock

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
        loop, progress = asyncio.get_running_loop(), Progress(self._journal, incident.id, run, PROVE)
        deadline = self._clock() + health.prove_for
        # What answered well in a row while the last of the old instances ended counts; one look after it is due.
        rounds = self._probing.recent(incident.service, counts_from(run, plan))
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
            await progress.say(f"{min(streak, health.consecutive)} of {health.consecutive} in a row well")
            await asyncio.sleep(max(0.0, next_round - loop.time()))


def counts_from(run: Run, plan: Plan) -> datetime:
    """From when on a good round may be the target's: since the last component began to change.

    Where the version before calls itself the same, its answers cannot be told apart: since the last one had changed.
    """
    steps = [run.step(apply_step(c.component)) for c in plan.components]
    alike = any(spoken(c.from_version) == spoken(c.to_version) for c in changing(plan))
    moments = [step.finished_at if alike else step.started_at for step in steps]
    return max((at for at in moments if at is not None), default=run.approved_at)


def switched_at(run: Run, plan: Plan) -> datetime:
    """When the last component had changed: nothing else answers from then on."""
    steps = (run.step(apply_step(c.component)) for c in plan.components)
    return max((step.finished_at for step in steps if step.finished_at is not None), default=run.approved_at)


def _why_unproven(probes: list[Probe], findings: tuple[Finding, ...], version: Version) -> str:
    answered = sorted({p.version for p in probes if p.version})
    if answered and answered != [version]:
        return f"{version} was expected, but {', '.join(answered)} answered"
    ill = [f"{f.endpoint}: {f.sentence}" for f in findings if f.verdict is not Outcome.SUCCEEDED]
    if ill:
        return "; ".join(ill)
    return f"{version} did not answer well often enough in a row"
