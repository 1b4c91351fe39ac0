"""The step of a run that waits for the backup of a database. Nothing is switched before it has ended well."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from bot.domain import decide
from bot.domain.backups import BackupRecord, BackupState
from bot.domain.durations import human
from bot.domain.evidence import Outcome
from bot.domain.run import backup_step
from bot.domain.sizes import size
from bot.store import Store
from bot.usecases.desk import Desk
from bot.workflows.back_up import BackingUp
from bot.workflows.journal import Journal, already

POLL_S = 0.5
"""The backup is written down by another workflow; nothing wakes us but looking."""
SHOW_S = 1.0


class BackupWait:
    """May be done again after a crash."""

    def __init__(
        self,
        store: Store,
        desk: Desk,
        journal: Journal,
        work: BackingUp,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._desk = desk
        self._journal = journal
        self._work = work
        self._clock = clock

    async def wait(self, run_id: str, database: str) -> str:
        """Wait for it. Gives the outcome's value."""
        step_id = backup_step(database)
        incident, run, _ = await self._journal.load(run_id)
        if (done := already(run, step_id)) is not None:
            return done
        await self._journal.started(incident.id, run, step_id, f"waiting for the backup of {database}")
        await self._desk.change(
            incident.id,
            lambda now_it_is: decide.backup_wanted(
                now_it_is, database, approved_at=run.approved_at, now=self._clock()
            ),
        )
        loop = asyncio.get_running_loop()
        shown, show_from = "", 0.0
        while (ended := _end_of(await self._record(incident.id, database))) is None:
            text = self._work.stands(incident.id, database)
            if text not in ("", shown) and loop.time() >= show_from:
                shown, show_from = text, loop.time() + SHOW_S
                await self._journal.shown(incident.id, run_id, step_id, text)
            await asyncio.sleep(POLL_S)
        outcome, detail = ended
        await self._journal.finished(
            incident.id,
            run,
            step_id,
            outcome=outcome,
            detail=detail,
            untouched=outcome is Outcome.FAILED,
        )
        return outcome.value

    async def _record(self, incident_id: str, database: str) -> BackupRecord | None:
        return (await self._store.read(lambda uow: uow.incidents.get(incident_id))).backup(database)


def _end_of(record: BackupRecord | None) -> tuple[Outcome, str] | None:
    """None while it is under way."""
    if record is None:
        return None
    if record.skipped_by is not None:
        return Outcome.SUCCEEDED, "not waited for: somebody decided to go on without it"
    if record.state is BackupState.UNDER_WAY:
        return None
    if record.taken is None:
        again = "Nothing was switched. Press Back up again on its card, and approve the next plan once it is there."
        return Outcome.FAILED, f"{record.reason} {again}"
    if record.doubtful:
        look = (
            "Nothing was switched. Look at the database; then press Use it all the same or Back up again on the "
            "backup's card, and approve the next plan."
        )
        return Outcome.FAILED, f"{' '.join(record.taken.dangers)} {look}"
    took = human(timedelta(seconds=record.taken.seconds))
    said = f"{size(record.taken.bytes)} in {took}, {record.taken.proven}"
    return (
        Outcome.SUCCEEDED,
        f"{said}, relied on in spite of what is said against it" if record.accepted_by else said,
    )
