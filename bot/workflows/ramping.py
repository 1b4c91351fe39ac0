"""The steps of a run that take users to the maintenance page, and bring them back in stages.

Each may be done again after a crash. Where traffic is is read from what steers it, each time: a ramp that is taken up
again begins from wherever that is, with a soak from its beginning.
"""

from collections.abc import Callable
from datetime import datetime

from bot.catalog import Catalog
from bot.domain import decide
from bot.domain.evidence import Outcome
from bot.domain.incident import Incident
from bot.domain.plan import Plan
from bot.domain.run import OFF, RAMP, Run, migrate_step, restore_step
from bot.ports import OutcomeUnknown, PortError
from bot.store import Store
from bot.usecases.desk import Desk
from bot.usecases.fleet import Fleet
from bot.usecases.probing import Probing
from bot.workflows.ascent import Ascent
from bot.workflows.held import unheld
from bot.workflows.journal import Journal, already
from bot.workflows.shifting import looked, set_share, traffic_of

INSIST_FOR_S = 20.0
"""While only bad code serves, a balancer that does not answer must not hold the rollback up for long."""


class Ramping:
    """Nothing of it says that the version is bad; probes may, and people."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        fleet: Fleet,
        desk: Desk,
        *,
        probing: Probing,
        journal: Journal,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._fleet = fleet
        self._desk = desk
        self._probing = probing
        self._journal = journal
        self._clock = clock

    async def off(self, run_id: str, _traffic: str) -> str:
        """Take users to the maintenance page. Gives the outcome's value: whether the rollback may go on.

        Where that fails, the code goes back all the same; what changes data does not.
        """
        incident, run, _ = await self._journal.load(run_id)
        if (done := already(run, OFF)) is not None:
            return _goes_on(run, done)
        await unheld(self._store, incident.id)
        await self._journal.started(incident.id, run, OFF, "taking users to the maintenance page")
        try:
            traffic = traffic_of(self._fleet, incident.service)
            before = (await looked(traffic)).share
            seen = await set_share(traffic, 0.0, f"{run_id}/{OFF}", insist_s=INSIST_FOR_S)
        except PortError as error:
            outcome = Outcome.UNKNOWN if isinstance(error, OutcomeUnknown) else Outcome.FAILED
            then = (
                "Nothing was changed, because data is not touched while users write to it."
                if _changes_data(run)
                else "The rollback goes on without it."
            )
            await self._journal.finished(
                incident.id,
                run,
                OFF,
                outcome=outcome,
                detail=f"{error.advice} {then}",
                untouched=outcome is Outcome.FAILED,
            )
            return _goes_on(run, outcome.value)
        detail = seen.detail or "no user reaches the service"
        await self._desk.change(
            incident.id,
            lambda now_it_is: decide.traffic_shifted(
                now_it_is, run_id, 0.0, "the maintenance page is on", before=before, now=self._clock()
            ),
        )
        await self._journal.finished(incident.id, run, OFF, outcome=Outcome.SUCCEEDED, detail=detail)
        return Outcome.SUCCEEDED.value

    async def ramp(self, run_id: str, _traffic: str) -> str:
        """Bring users back. Gives the outcome's value."""
        incident, run, plan = await self._journal.load(run_id)
        if (done := already(run, RAMP)) is not None:
            return done
        await self._journal.started(incident.id, run, RAMP, "looking at how traffic is split")
        return await self._ascent(incident, run, plan).go()

    def _ascent(self, incident: Incident, run: Run, plan: Plan) -> Ascent:
        return Ascent(
            self._store,
            self._desk,
            self._probing,
            self._journal,
            clock=self._clock,
            fleet=self._fleet,
            service=self._catalog.service(incident.service),
            run=run,
            plan=plan,
        )


def _changes_data(run: Run) -> bool:
    return any(step.id.startswith((migrate_step(""), restore_step(""))) for step in run.steps)


def _goes_on(run: Run, ended: str) -> str:
    return ended if _changes_data(run) else Outcome.SUCCEEDED.value
