"""The rollback itself, as a durable workflow: take every component back, prove health, watch, and say what was seen.

The body (`rollback`) only orders the steps; each step looks before it acts, so that a crash within it is
harmless, and records its own beginning and end in the timeline.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from bot.catalog import Catalog
from bot.domain.evidence import Outcome
from bot.domain.run import PROVE, WATCH
from bot.ports.engine import Steps, Workflow
from bot.store import Store
from bot.usecases.desk import Desk
from bot.usecases.fleet import Fleet
from bot.usecases.gathering import Gathering
from bot.usecases.probing import Probing
from bot.usecases.reports import user_reports
from bot.usecases.turns import Turns
from bot.workflows.back_up import BackingUp
from bot.workflows.backup_wait import BackupWait
from bot.workflows.caching import Caching
from bot.workflows.giving_up import GivingUp
from bot.workflows.guard import Guard
from bot.workflows.journal import Journal
from bot.workflows.migrating import Migrating
from bot.workflows.proving import Proving
from bot.workflows.ramping import Ramping
from bot.workflows.restoring import Restoring
from bot.workflows.switching import Switching, worst
from bot.workflows.together import together
from bot.workflows.watching import Watching


async def rollback(steps: Steps, run_id: str, work: "RollbackSteps") -> None:
    """The order of the steps. Everything that can happen is one of three outcomes.

    A step's name is how a run that is under way is found again after an upgrade: it never changes.
    """
    stages = await steps.run("begin", lambda: work.stages(run_id))
    before = [parts for parts in stages if not _comes_after(parts)]
    for number, parts in enumerate(before):
        outcome = await steps.run(
            f"apply:{number}",
            lambda names=parts: work.do(run_id, names),  # type: ignore[misc]  # binds the loop's value
        )
        if outcome != Outcome.SUCCEEDED:
            await steps.run("give-up", lambda: work.giving_up.give_up(run_id))
            return
    outcome = await steps.run(
        PROVE, lambda: work.guard.run(run_id, PROVE, lambda: work.proving.prove(run_id))
    )
    if outcome != Outcome.SUCCEEDED:
        await steps.run("give-up", lambda: work.giving_up.give_up(run_id))
        return
    # In the order in which they are done, and only where the plan has them: older runs know nothing of these steps.
    for parts in (parts for parts in stages if _comes_after(parts)):
        kind = parts[0].partition(":")[0]
        outcome = await steps.run(
            kind,
            lambda names=parts: work.do(run_id, names),  # type: ignore[misc]  # binds the loop's value
        )
        if kind == "ramp" and outcome != Outcome.SUCCEEDED:
            await steps.run("give-up", lambda: work.giving_up.give_up(run_id))
            return
    await steps.run("mitigated", lambda: work.journal.mitigated(run_id))
    await steps.run(WATCH, lambda: work.guard.run(run_id, WATCH, lambda: work.watching.watch(run_id)))


OnData = Callable[[str, str], Awaitable[str]]
"""What is done to one database or cache within a run: takes the run's id and its name, gives the outcome's value."""
AFTER = ("cache:", "ramp:")
"""What is done once the components are proven."""


def _comes_after(parts: list[str]) -> bool:
    return parts[0].startswith(AFTER)


class RollbackSteps:
    """Who does each step. All of it may be done again after a crash."""

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
        self.journal = Journal(store, desk, clock=clock)
        self.guard = Guard(self.journal)
        self.switching = Switching(store, catalog, fleet, probing, journal=self.journal, guard=self.guard)
        self.proving = Proving(catalog, probing, self.journal, clock=clock)
        gathering = Gathering(store, catalog, fleet, clock=clock, more=(user_reports(store),))
        self.watching = Watching(store, catalog, probing, gathering, self.journal, clock=clock)
        self.giving_up = GivingUp(store, fleet, desk, self.journal, clock=clock)
        self.migrating = Migrating(store, fleet, self.journal)
        self.restoring = Restoring(store, fleet, desk, self.journal, clock=clock)
        self.turns = Turns()
        self.backing_up = BackingUp(store, fleet, desk, self.turns, clock=clock)
        waiting = BackupWait(store, desk, self.journal, self.backing_up, clock=clock)
        self.ramping = Ramping(
            store, catalog, fleet, desk, probing=probing, journal=self.journal, clock=clock
        )
        self.caching = Caching(store, fleet, desk, self.journal, clock=clock)
        # In the order in which they are done: nothing is changed before the backup is there.
        self.on_data: Mapping[str, OnData] = {
            "backup": waiting.wait,
            "off": self.ramping.off,
            "migrate": self.migrating.migrate,
            "restore": self.restoring.restore_in_run,
            "cache": self.caching.forget,
            "ramp": self.ramping.ramp,
        }

    async def stages(self, run_id: str) -> list[list[str]]:
        """What is done one after the other, and within a stage at once.

        What concerns databases, users and caches as ids of steps (`backup:shop`), the components of each tier by name.
        """
        _, run, _ = await self.journal.load(run_id)
        on_data = [[s.id for s in run.steps if s.id.startswith(f"{kind}:")] for kind in self.on_data]
        listed = [ids for ids in on_data if ids]
        first = [ids for ids in listed if not _comes_after(ids)]
        return [*first, *await self.switching.tiers(run_id), *(ids for ids in listed if _comes_after(ids))]

    async def do(self, run_id: str, parts: list[str]) -> str:
        """One stage. Gives the worst outcome's value."""
        kind, is_data, _ = parts[0].partition(":")
        if not is_data:
            return await self.switching.apply_tier(run_id, parts)
        do = self.on_data[kind]
        return worst(await together(self._on_data(run_id, step_id, do) for step_id in parts))

    async def _on_data(self, run_id: str, step_id: str, do: "OnData") -> str:
        name = step_id.partition(":")[2]
        return await self.guard.run(run_id, step_id, lambda: do(run_id, name))


def bind(work: RollbackSteps) -> Workflow:
    """The workflow as the engine takes it. Its argument is the run's id."""

    async def body(steps: Steps, run_id: str) -> None:
        await rollback(steps, run_id, work)

    return body
