"""Taking components back, tier by tier, while somebody keeps asking from outside."""

import asyncio
import logging
from collections.abc import Sequence

from bot.catalog import Catalog
from bot.domain.evidence import Outcome
from bot.domain.run import apply_step
from bot.ports import PortError
from bot.store import Store
from bot.usecases.fleet import Fleet
from bot.usecases.probing import Probing
from bot.workflows.applying import applied, change_of
from bot.workflows.guard import Guard
from bot.workflows.held import unheld
from bot.workflows.journal import Journal, already
from bot.workflows.progress import Progress
from bot.workflows.together import together

_log = logging.getLogger(__name__)


def worst(ends: Sequence[str]) -> str:
    """Of several outcomes' values the one that counts; succeeded where there is none."""
    ranked = (Outcome.UNKNOWN, Outcome.FAILED)
    return next((o.value for o in ranked if o.value in ends), Outcome.SUCCEEDED.value)


class Switching:
    """The steps that change something. Each may be done again after a crash."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        fleet: Fleet,
        probing: Probing,
        *,
        journal: Journal,
        guard: Guard,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._fleet = fleet
        self._probing = probing
        self._journal = journal
        self._guard = guard

    async def tiers(self, run_id: str) -> list[list[str]]:
        """The components' names, those that go back at once together."""
        _, _, plan = await self._journal.load(run_id)
        return [[c.component for c in tier] for tier in plan.tiers]

    async def apply_tier(self, run_id: str, components: list[str]) -> str:
        """Take the components of one tier back, all at once. Gives the worst outcome's value."""

        async def one(component: str) -> str:
            return await self._guard.run(
                run_id, apply_step(component), lambda: self._apply(run_id, component)
            )

        incident, _, _ = await self._journal.load(run_id)
        asking = asyncio.create_task(self._keep_asking(incident.service))
        try:
            ends = await together(one(name) for name in components)
        finally:
            asking.cancel()
            await asyncio.wait({asking})
        return worst(ends)

    async def _apply(self, run_id: str, component: str) -> str:
        """Take one component back. Gives the outcome's value."""
        step_id = apply_step(component)
        incident, run, plan = await self._journal.load(run_id)
        if (done := already(run, step_id)) is not None:
            return done
        await unheld(self._store, incident.id)
        await self._journal.started(incident.id, run, step_id, f"taking {component} back to {run.to_version}")
        change = change_of(plan, component)
        target = self._fleet.hands(incident.service).target(component)
        progress = Progress(self._journal, incident.id, run, step_id)
        try:
            seen = await applied(target, change, key=f"{run_id}/{step_id}", tell=progress.tell)
        except PortError as error:
            await progress.print()
            await self._journal.finished(
                incident.id, run, step_id, outcome=Outcome.FAILED, detail=error.advice, untouched=True
            )
            return Outcome.FAILED.value
        await progress.print()
        await self._journal.finished(
            incident.id,
            run,
            step_id,
            outcome=seen.outcome,
            detail=seen.detail,
            untouched=seen.untouched and seen.outcome is Outcome.FAILED,
            blameless=seen.blameless and seen.outcome is Outcome.FAILED,
            debts=seen.debts,
        )
        return seen.outcome.value

    async def _keep_asking(self, service: str) -> None:
        """Probe while components change, so that the proof need not begin from nothing when they have changed."""
        health = self._catalog.service(service).health
        while health is not None:
            try:
                await self._probing.probe(service)
            except Exception:  # noqa: BLE001 - it only helps the proof, which will meet the same trouble and say so
                _log.warning("%s could not be probed meanwhile", service, exc_info=True)
            await asyncio.sleep(health.interval.total_seconds())
