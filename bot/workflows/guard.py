"""What keeps a defect within a step from leaving the whole run hanging."""

import logging
from collections.abc import Awaitable, Callable

from bot.domain.base import Refusal
from bot.domain.evidence import Outcome
from bot.domain.run import WATCH
from bot.store.errors import StoreError
from bot.workflows.journal import Journal

_log = logging.getLogger(__name__)


class Guard:
    """Does a step's work, so that a defect in it ends the step as unknown."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def run(self, run_id: str, step_id: str, work: Callable[[], Awaitable[str]]) -> str:
        """`work`, or unknown: the run then leaves the service as safe as it can.

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
