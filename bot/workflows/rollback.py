"""The rollback itself, as a durable workflow: take every component back, prove health, watch, and say what was seen.

The body (`rollback`) only orders the steps; each step looks before it acts, so that a crash within it is
harmless, and records its own beginning and end in the timeline.
"""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

from bot.catalog import Catalog
from bot.domain.base import Refusal
from bot.domain.evidence import Outcome
from bot.domain.run import PROVE, WATCH
from bot.ports.engine import Steps, Workflow
from bot.store import Store
from bot.store.errors import StoreError
from bot.usecases.desk import Desk
from bot.usecases.fleet import Fleet
from bot.usecases.probing import Probing
from bot.workflows.giving_up import GivingUp
from bot.workflows.journal import Journal
from bot.workflows.means import Means
from bot.workflows.proving import Proving
from bot.workflows.switching import Switching

_log = logging.getLogger(__name__)


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
        self._journal = Journal(store, desk, clock=clock)
        means = Means(store, catalog, fleet, desk, probing, self._journal, clock)
        switching, proving = Switching(means, self.guarded), Proving(means)
        self.tiers = switching.tiers
        self.apply_tier = switching.apply_tier
        self.prove = proving.prove
        self.mitigated = self._journal.mitigated
        self.watch = proving.watch
        self.give_up = GivingUp(means).give_up

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


def bind(work: RollbackSteps) -> Workflow:
    """The workflow as the engine takes it. Its argument is the run's id."""

    async def body(steps: Steps, run_id: str) -> None:
        await rollback(steps, run_id, work)

    return body
