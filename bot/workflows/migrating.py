"""The step of a run that runs a database's migrations backwards, before any component is switched."""

import asyncio
import logging
from contextlib import aclosing

from bot.domain.base import Refusal
from bot.domain.databases import Sideways
from bot.domain.evidence import Outcome
from bot.domain.run import migrate_step
from bot.ports import Observation, OutcomeUnknown, PortError, Refused, Unavailable
from bot.ports.migrations import Migrations
from bot.store import Store
from bot.usecases.bounds import reading
from bot.usecases.fleet import Fleet
from bot.workflows.applying import Tell
from bot.workflows.held import unheld
from bot.workflows.journal import Journal, already
from bot.workflows.progress import Progress

_log = logging.getLogger(__name__)

INSIST_FOR_S = 60.0


class Migrating:
    """May be done again after a crash: what runs by then is taken up by its key."""

    def __init__(self, store: Store, fleet: Fleet, journal: Journal) -> None:
        self._store = store
        self._fleet = fleet
        self._journal = journal

    async def migrate(self, run_id: str, database: str) -> str:
        """Run them backwards. Gives the outcome's value."""
        step_id = migrate_step(database)
        incident, run, plan = await self._journal.load(run_id)
        if (done := already(run, step_id)) is not None:
            return done
        part = next(d for d in plan.databases if d.name == database)
        if part.down is None:
            raise Refusal(
                f"The plan of {run_id} says nothing of how the migrations of {database} are run backwards."
            )
        # Another life of the bot may have begun them: then nothing that is declined now says that nothing was changed.
        begun = run.step(step_id).started_at is not None
        await unheld(self._store, incident.id)
        await self._journal.started(incident.id, run, step_id, f"running migrations of {database} backwards")
        progress = Progress(self._journal, incident.id, run, step_id)
        try:
            migrations = self._migrations(incident.service, database)
            seen = await ran_down(
                migrations, part.down, f"{run_id}/{step_id}", database, progress.tell, begun=begun
            )
        except PortError as error:
            unknown = begun or isinstance(error, OutcomeUnknown)
            seen = Observation(
                outcome=Outcome.UNKNOWN if unknown else Outcome.FAILED,
                detail=error.advice,
                running=None,
                untouched=not unknown,
            )
        await progress.print()
        await self._journal.finished(
            incident.id,
            run,
            step_id,
            outcome=seen.outcome,
            detail=seen.detail,
            untouched=seen.untouched and seen.outcome is Outcome.FAILED,
        )
        return seen.outcome.value

    def _migrations(self, service: str, database: str) -> Migrations:
        try:
            found = self._fleet.hands(service).database(database).migrations
        except Refusal as refusal:
            raise Refused(str(refusal)) from refusal
        if found is None:
            raise Refused(
                f"The database {database} has no migrations in kaeru.yml any more.",
                remedy="Put them back, or run them by hand and note it here.",
            )
        return found


async def ran_down(
    migrations: Migrations,
    down: Sideways,
    key: str,
    database: str,
    tell: Tell,
    *,
    begun: bool = False,
) -> Observation:
    """How it ended. Raises Conflict, Refused or Unavailable where nothing was run, OutcomeUnknown where that is not known.

    `begun` is whether something may run already; from the first look on it does.
    """
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + INSIST_FOR_S
    while True:
        try:
            async with aclosing(migrations.run_down(down, key)) as looks:
                while True:
                    seen = await reading(anext(looks), f"The migrations of {database}")
                    begun, give_up_at = True, loop.time() + INSIST_FOR_S
                    await tell(seen)
                    last = seen
        except StopAsyncIteration:
            return last
        except Unavailable as error:
            begun = begun or isinstance(error.__cause__, TimeoutError)  # nobody knows how far it came
            if loop.time() + error.retry_after_s >= give_up_at:
                if begun:
                    raise OutcomeUnknown(error.advice) from error
                raise
            _log.warning("the migrations of %s are asked again: %s", database, error)
            await asyncio.sleep(error.retry_after_s)
        except PortError as error:
            if begun and not isinstance(error, OutcomeUnknown):
                raise OutcomeUnknown(error.advice) from error
            raise
