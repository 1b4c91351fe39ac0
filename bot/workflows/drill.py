"""A drill as a durable workflow: the newest backup is restored into a scratch database and counted.

Where there is none yet, one is taken first: the first backup of a database should not be that of an incident. One drill
at a time, whatever the service, and none while an incident of the service is open: one that is under way then is
given up, and made again after the incident.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from bot.domain.backups import Drill
from bot.domain.base import Refusal
from bot.ports import PortError, Unavailable
from bot.ports.backups import Backup, Backups, Proof
from bot.ports.engine import Steps, Workflow
from bot.store.errors import StoreError
from bot.usecases.drills import Drills
from bot.usecases.fleet import Fleet
from bot.usecases.turns import Turns
from bot.workflows.dumping import followed

_log = logging.getLogger(__name__)

TRIES = 3
PAUSE_S = 60.0
"""At least, after what may pass by itself: a drill has time."""
POLL_S = 2.0


class _Interrupted(Exception):
    """An incident has begun: the database has other things to do."""


class Drilling:
    """What the step does. May be called again with the same argument, `SERVICE/DATABASE/N`."""

    def __init__(self, fleet: Fleet, drills: Drills, turns: Turns, *, clock: Callable[[], datetime]) -> None:
        self._fleet = fleet
        self._drills = drills
        self._turns = turns
        self._clock = clock
        self._one = asyncio.Lock()

    async def drill(self, argument: str) -> None:
        """Prove the newest backup, and note what was found."""
        service, database, _ = argument.rsplit("/", 2)
        while True:
            while not await self._drills.is_free(service):  # noqa: ASYNC110 - only the database knows
                await asyncio.sleep(POLL_S)
            async with self._one:
                try:
                    found = await self._found(service, database, argument)
                except _Interrupted:
                    continue
            await self._drills.note(found, argument)
            return

    async def _found(self, service: str, database: str, name: str) -> Drill:
        newest: list[Backup] = []
        try:
            proven = await self._proven(service, database, name, newest)
        except StoreError:
            raise  # the engine waits it out
        except (Refusal, PortError) as error:
            text = error.advice if isinstance(error, PortError) else str(error)
            return self._drill(service, database, newest, text, passed=False)
        except _Interrupted:
            raise
        except Exception as error:  # noqa: BLE001 - a drill that ends in silence would pass for one that went well
            _log.exception("the drill %s broke down", name)
            text = f"kaeru itself failed ({type(error).__name__}); the log has the details."
            return self._drill(service, database, newest, text, passed=False)
        tables = "" if proven.tables is None else f", {proven.tables:,} tables"
        rows = "" if proven.rows is None else f", {sum(proven.rows.values()):,} rows"
        text = f"restored into a scratch database and counted{tables}{rows}"
        return self._drill(service, database, [proven], text, passed=True)

    def _drill(self, service: str, database: str, backups: list[Backup], text: str, *, passed: bool) -> Drill:
        backup = backups[-1] if backups else None
        return Drill(
            service=service,
            database=database,
            at=self._clock(),
            passed=passed,
            text=text,
            backup=backup.id if backup else "",
            taken_at=backup.at if backup else None,
        )

    async def _proven(self, service: str, database: str, name: str, newest: list[Backup]) -> Backup:
        """The newest backup, proven. It is put into `newest` before that is tried."""
        backups = self._fleet.hands(service).database(database).backups
        if backups is None:
            raise Refusal(f"{database} has no `backup` in kaeru.yml any more.")
        for attempt in range(1, TRIES + 1):
            try:
                backup = next(iter(await backups.list()), None) or await self._first(backups, service, name)
                newest.append(backup)
                return await followed(
                    backups.verify(backup, Proof.RESTORED),
                    f"The drill of {database}",
                    lambda _: self._go_on(service),
                )
            except Unavailable as error:
                if attempt == TRIES:
                    raise
                _log.warning("the drill %s is tried again: %s", name, error)
                await self._pause(service, max(PAUSE_S, error.retry_after_s))
        raise AssertionError("the last try either returned or raised")

    async def _first(self, backups: Backups, service: str, name: str) -> Backup:
        async with self._turns.of(backups.identity):
            return await followed(
                backups.take(f"drill/{name}"), "The first backup", lambda _: self._go_on(service)
            )

    async def _go_on(self, service: str) -> None:
        """Raises _Interrupted where an incident of the service has begun meanwhile."""
        if not await self._drills.is_free(service):
            raise _Interrupted

    async def _pause(self, service: str, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while loop.time() < until:
            await self._go_on(service)
            await asyncio.sleep(min(POLL_S, seconds))


def bind(work: Drilling) -> Workflow:
    """The workflow as the engine takes it. Its argument is `SERVICE/DATABASE/N`."""

    async def body(steps: Steps, argument: str) -> None:
        await steps.run("drill", lambda: work.drill(argument))

    return body
