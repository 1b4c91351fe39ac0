"""Backing a database up because of an incident, as a durable workflow: taken once, whatever is killed meanwhile.

It goes on beside everything else, and nothing waits for it but a rollback whose plan says so. The key comes from
the incident, the database and the number of the try, so that the step may be done again after a crash.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from bot.domain import decide
from bot.domain.backups import BackupRecord, BackupState
from bot.domain.base import Refusal
from bot.domain.incident import Incident
from bot.ports import PortError, Unavailable
from bot.ports.backups import Backup, BackupProgress, Backups
from bot.ports.engine import Steps, Workflow
from bot.store import Store, UnitOfWork
from bot.usecases.desk import Desk
from bot.usecases.fleet import Fleet
from bot.usecases.turns import Turns
from bot.views.backup_card import progress_line
from bot.views.project import project_backup
from bot.workflows.dumping import followed, taken

_log = logging.getLogger(__name__)

INSIST_FOR_S = 10 * 60.0
"""How long what may pass by itself, such as somebody else's lock, is tried again."""
SHOW_S = 3.0
"""Each is an edit of the backup's card."""


class BackingUp:
    """What the steps do. May be called again with the same argument, `INCIDENT/DATABASE/NUMBER`."""

    def __init__(
        self, store: Store, fleet: Fleet, desk: Desk, turns: Turns, *, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._fleet = fleet
        self._desk = desk
        self._turns = turns
        self._clock = clock
        self._stands: dict[str, str] = {}

    def stands(self, incident_id: str, database: str) -> str:
        """Where the backup that is under way stands, in plain text; empty where nothing is known of it."""
        return self._stands.get(f"{incident_id}/{database}", "")

    async def take(self, argument: str) -> None:
        """Take it, and write down what came of it."""
        incident, database, number = await self._load(argument)
        record = incident.backup(database)
        if record is None or record.number != number or record.state is not BackupState.UNDER_WAY:
            return
        try:
            backup = await self._taken(incident, record, self._backups(incident, database))
        except (Refusal, PortError) as error:
            reason = error.advice if isinstance(error, PortError) else str(error)
            await self._desk.change(
                incident.id,
                lambda now_it_is: decide.backup_failed(
                    now_it_is, database, number, reason, now=self._clock()
                ),
            )
        else:
            await self._desk.change(
                incident.id,
                lambda now_it_is: decide.backup_taken(
                    now_it_is, database, number, taken(backup), now=self._clock()
                ),
            )
        finally:
            self._stands.pop(f"{incident.id}/{database}", None)

    async def prune(self, argument: str) -> None:
        """Remove what the retention does not keep any more. What is in the way is only logged: the backup is there."""
        incident, database, number = await self._load(argument)
        record = incident.backup(database)
        if record is None or record.number != number or record.state is not BackupState.TAKEN:
            return
        try:
            backups = self._backups(incident, database)
            async with self._turns.of(backups.identity):
                removed = await backups.prune()
        except (Refusal, PortError) as error:
            _log.warning("the backups of %s of %s were not pruned: %s", database, incident.service, error)
        else:
            _log.info("%d backups of %s of %s were pruned", len(removed), database, incident.service)

    async def _load(self, argument: str) -> tuple[Incident, str, int]:
        incident_id, database, number = argument.rsplit("/", 2)
        return await self._store.read(lambda uow: uow.incidents.get(incident_id)), database, int(number)

    def _backups(self, incident: Incident, database: str) -> Backups:
        found = self._fleet.hands(incident.service).database(database).backups
        if found is None:
            raise Refusal(
                f"{database} has no `backup` in kaeru.yml any more. Put it back, or back it up by hand."
            )
        return found

    async def _taken(self, incident: Incident, record: BackupRecord, backups: Backups) -> Backup:
        """Raises PortError, Unavailable only after it was tried for long."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + INSIST_FOR_S
        shown = _Shown(self, incident.id, record)
        key, what = (
            f"{incident.id}/backup/{record.database}/{record.number}",
            f"The backup of {record.database}",
        )
        while True:
            turn = self._turns.of(backups.identity)
            try:
                if turn.locked():
                    await shown.say("waiting for another one of the same database")
                async with turn:
                    return await followed(backups.take(key), what, shown.tell)
            except Unavailable as error:
                if loop.time() + error.retry_after_s >= give_up_at:
                    raise
                _log.warning("%s of %s: %s", what, incident.id, error)
                await shown.say(f"{error.advice} Trying again")
                await asyncio.sleep(error.retry_after_s)

    async def show(self, incident_id: str, record: BackupRecord, text: str) -> None:
        """Let the card say where it stands. Kept nowhere, and replaced by what comes next."""

        def work(uow: UnitOfWork) -> None:
            incident = uow.incidents.get(incident_id)
            now_it_is = incident.backup(record.database)
            if now_it_is is None or now_it_is.number != record.number:
                return
            if now_it_is.state is BackupState.UNDER_WAY:
                slot = project_backup(incident, now_it_is, text)
                uow.outbox.put(slot.lane, slot.slot, slot.operation, incident_id=incident_id)

        self._stands[f"{incident_id}/{record.database}"] = text
        await self._store.write(work)
        self._desk.wake()

    def note(self, incident_id: str, database: str, text: str) -> None:
        """Where it stands, for a checklist that waits for it."""
        self._stands[f"{incident_id}/{database}"] = text


class _Shown:
    """How the card of one backup follows it: at once where something is said, and else as often as Slack likes."""

    def __init__(self, work: BackingUp, incident_id: str, record: BackupRecord) -> None:
        self._work = work
        self._incident_id = incident_id
        self._record = record
        self._text = ""
        self._show_from = 0.0

    async def tell(self, progress: BackupProgress) -> None:
        text = progress_line(progress)
        self._work.note(self._incident_id, self._record.database, text)
        if asyncio.get_running_loop().time() >= self._show_from:
            await self.say(text)

    async def say(self, text: str) -> None:
        if text == self._text:
            return
        self._text = text
        self._show_from = asyncio.get_running_loop().time() + SHOW_S
        await self._work.show(self._incident_id, self._record, text)


def bind(work: BackingUp) -> Workflow:
    """The workflow as the engine takes it. Its argument is `INCIDENT/DATABASE/NUMBER`."""

    async def body(steps: Steps, argument: str) -> None:
        await steps.run("take", lambda: work.take(argument))
        await steps.run("prune", lambda: work.prune(argument))

    return body
