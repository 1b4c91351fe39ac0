"""Restores as durable workflows, and as a step of a rollback. Each may be done again after a crash: what is done is found so."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import datetime

from bot.domain import decide
from bot.domain.base import Refusal
from bot.domain.evidence import Outcome
from bot.domain.incident import Incident
from bot.domain.restores import Restore, RestorePlan, RestoreState
from bot.domain.run import restore_step
from bot.domain.sizes import size
from bot.ports import Conflict, OutcomeUnknown, PortError, Unavailable
from bot.ports.backups import BackupProgress, Backups, Phase, Restored
from bot.ports.engine import Steps, Workflow
from bot.store import Store, UnitOfWork
from bot.store.errors import StoreError
from bot.usecases.desk import Desk
from bot.usecases.fleet import Fleet
from bot.usecases.restoring import RestorePlanning, backups_of
from bot.views.project import project_restore
from bot.workflows.held import unheld
from bot.workflows.journal import Journal, already
from bot.workflows.patience import Patience
from bot.workflows.progress import Progress

_log = logging.getLogger(__name__)

INSIST_FOR_S = 60.0
SHOW_S = 1.0
"""Each is an edit of the card; Slack shows about one a second."""
_IN_ORDER = (Phase.PREPARING, Phase.RESTORING, Phase.DUMPING, Phase.READING, Phase.SWITCHING)
"""How a restore goes; the dump is of what is replaced."""

Tell = Callable[[str], Awaitable[None]]


class Restoring:
    """What the steps do."""

    def __init__(
        self, store: Store, fleet: Fleet, desk: Desk, journal: Journal, *, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._fleet = fleet
        self._desk = desk
        self._journal = journal
        self._clock = clock

    async def restore(self, argument: str) -> None:
        """Carry out restore `INCIDENT/NUMBER`, and say what came of it."""
        incident_id, _, number = argument.rpartition("/")
        incident = await self._store.read(lambda uow: uow.incidents.get(incident_id))
        restore = incident.restore(int(number))
        if restore.state is not RestoreState.RUNNING or restore.plan is None:
            return
        await unheld(self._store, incident.id)
        outcome, detail, _ = await self._tried(
            incident.service, restore.database, restore.plan, argument, self._shown(incident, restore)
        )
        await self._desk.change(
            incident.id,
            lambda now_it_is: decide.restore_ended(
                now_it_is, restore.number, outcome, detail, now=self._clock()
            ),
        )

    async def restore_in_run(self, run_id: str, database: str) -> str:
        """The step of a rollback that brings a backup back before anything is switched. Gives the outcome's value."""
        step_id = restore_step(database)
        incident, run, plan = await self._journal.load(run_id)
        if (done := already(run, step_id)) is not None:
            return done
        part = next(d for d in plan.databases if d.name == database)
        if part.restore is None:
            raise Refusal(f"The plan of {run_id} says nothing of how {database} is to be brought back.")
        await unheld(self._store, incident.id)
        await self._journal.started(incident.id, run, step_id, f"bringing the backup of {database} back")
        progress = Progress(self._journal, incident.id, run, step_id)
        outcome, detail, untouched = await self._tried(
            incident.service,
            database,
            RestorePlan.model_validate_json(part.restore.payload),
            f"{run_id}/{step_id}",
            progress.say,
        )
        await self._journal.finished(
            incident.id, run, step_id, outcome=outcome, detail=detail, untouched=untouched
        )
        return outcome.value

    def _shown(self, incident: Incident, restore: Restore) -> Tell:
        """Lets the card say where it stands. Kept nowhere, and replaced by what comes next."""

        async def tell(detail: str) -> None:
            def work(uow: UnitOfWork) -> None:
                now_it_is = uow.incidents.get(incident.id)
                if now_it_is.restore(restore.number).state is not RestoreState.RUNNING:
                    return
                slot = project_restore(now_it_is, restore.number, detail)
                uow.outbox.put(slot.lane, slot.slot, slot.operation, incident_id=incident.id)

            await self._store.write(work)
            self._desk.wake()

        return tell

    async def _tried(
        self, service: str, database: str, plan: RestorePlan, key: str, tell: Tell
    ) -> tuple[Outcome, str, bool]:
        """The outcome, what is there now, in sentences, and whether the database surely is as it was."""
        try:
            restored = await brought_back(backups_of(self._fleet, service, database), plan, key, tell)
        except Conflict as error:
            return Outcome.FAILED, f"{error.advice} Ask for a fresh plan.", True
        except OutcomeUnknown as error:
            return Outcome.UNKNOWN, error.advice, False
        except PortError as error:
            return Outcome.FAILED, error.advice, True
        except Refusal as refusal:
            return Outcome.FAILED, str(refusal), True
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, nobody must wait for it in vain
            _log.exception("restoring %s of %s broke down", database, service)
            why = f"kaeru itself failed here ({type(error).__name__}); the log has the details."
            return Outcome.UNKNOWN, f"{why} Look at {plan.into} before anything else is done.", False
        return Outcome.SUCCEEDED, told(restored), False


async def brought_back(backups: Backups, plan: RestorePlan, key: str, tell: Tell) -> Restored:
    """Do what `plan` says, telling how it fares.

    Raises PortError: Unavailable after it came no further for a minute, OutcomeUnknown where a try had begun to replace
    the database and none has come to its end.
    """
    patience = _Patience()
    while True:
        try:
            async with aclosing(backups.restore(plan, key)) as looks:
                return await _last(looks, tell, patience)
        except PortError as error:
            last = error
        pause_s = patience.pause_after(last)
        if pause_s is None:
            raise patience.final(last)
        _log.warning("the restore of %s is tried again: %s", plan.into, last)
        await asyncio.sleep(pause_s)


class _Patience(Patience):
    """Lasts `INSIST_FOR_S` from whenever a try came further than any before it. Pauses as long as an error asks for."""

    def __init__(self) -> None:
        super().__init__(INSIST_FOR_S, first_s=0.0)
        self._furthest = (-1, 0)
        self._begun: OutcomeUnknown | None = None

    def came_to(self, seen: BackupProgress) -> None:
        at = (_IN_ORDER.index(seen.phase), seen.bytes)
        if at > self._furthest:
            self._furthest = at
            self.renew()

    def pause_after(self, error: PortError) -> float | None:
        """None also where trying again would bring nothing to its end."""
        if isinstance(error, OutcomeUnknown):
            self._begun = error
        asked = error.retry_after_s if isinstance(error, (Unavailable, OutcomeUnknown)) else None
        return None if asked is None else super().pause_after(error)

    def final(self, error: PortError) -> PortError:
        """What a later try fell over says less than what an earlier one has begun."""
        if self._begun in (None, error):
            return error
        begun = OutcomeUnknown(f"{self._begun} The last try: {error}", remedy=self._begun.remedy)
        begun.__cause__ = error
        return begun


async def _last(
    looks: AsyncGenerator[BackupProgress | Restored, None], tell: Tell, patience: _Patience
) -> Restored:
    loop = asyncio.get_running_loop()
    show_from = 0.0
    async for seen in looks:
        if isinstance(seen, Restored):
            return seen
        patience.came_to(seen)
        if loop.time() >= show_from:
            show_from = loop.time() + SHOW_S
            await tell(phrase(seen))
    raise OutcomeUnknown(
        "The restore came to no end that could be told.", remedy="Look at the database by hand."
    )


def phrase(seen: BackupProgress) -> str:
    """Where it stands: `restoring: 12.0 MB of about 40.0 MB (waits for …)`."""
    much = ""
    if seen.bytes:
        about = f" of about {size(seen.expected_bytes)}" if seen.expected_bytes else ""
        much = f": {size(seen.bytes)}{about}"
    return f"{seen.phase.value}{much}{f' ({seen.detail})' if seen.detail else ''}"


def told(restored: Restored) -> str:
    """What is there now."""
    rows = sum(restored.rows.values())
    tables = len(restored.rows)
    sentences = [f"{restored.into} has {tables} tables with {rows} rows, from backup {restored.backup}."]
    if restored.previous is not None:
        sentences.append(
            f"What was there before is kept as {restored.previous}; drop it when nobody misses it."
        )
    if restored.previous_backup is not None:
        sentences.append(f"What was there before is kept as backup {restored.previous_backup}.")
    return " ".join([*sentences, *(warning.text for warning in restored.warnings)])


def bind_planning(planning: RestorePlanning) -> Workflow:
    """The workflow that plans. Its argument is `INCIDENT/NUMBER`."""

    async def body(steps: Steps, argument: str) -> None:
        await steps.run("plan", lambda: planning.plan(argument))

    return body


def bind(restoring: Restoring) -> Workflow:
    """The workflow that restores. Its argument is `INCIDENT/NUMBER`."""

    async def body(steps: Steps, argument: str) -> None:
        await steps.run("restore", lambda: restoring.restore(argument))

    return body
