"""The step of a run that lets a cache forget what it keeps of the version that was left, and waits until it has."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from bot.domain import decide
from bot.domain.afterwards import stale_cache
from bot.domain.base import Refusal
from bot.domain.evidence import Outcome
from bot.domain.run import cache_step
from bot.ports import OutcomeUnknown, PortError, Refused, Unavailable
from bot.ports.caches import Cache, Invalidation
from bot.store import Store
from bot.usecases.bounds import reading, writing
from bot.usecases.desk import Desk
from bot.usecases.fleet import Fleet
from bot.workflows.journal import Journal, already
from bot.workflows.patience import Patience
from bot.workflows.progress import Progress
from bot.workflows.settling import repaid_everywhere

_log = logging.getLogger(__name__)

BEGIN_S = 10 * 60.0
"""How long a cache that has too much under way, or does not answer, is asked again."""
END_S = 30 * 60.0
"""How long an invalidation is waited for."""

Say = Callable[[str], Awaitable[None]]


async def to_nobody(_text: str) -> None:
    """For whoever does not want to be told."""


class Caching:
    """May be done again after a crash: an invalidation that was begun is found by its key."""

    def __init__(
        self, store: Store, fleet: Fleet, desk: Desk, journal: Journal, *, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._fleet = fleet
        self._desk = desk
        self._journal = journal
        self._clock = clock

    async def forget(self, run_id: str, name: str) -> str:
        """Gives the outcome's value. Nothing of the rollback waits for a good one: what is left is owed."""
        step_id = cache_step(name)
        incident, run, plan = await self._journal.load(run_id)
        if (done := already(run, step_id)) is not None:
            return done
        part = next(c for c in plan.caches if c.name == name)
        await self._journal.started(incident.id, run, step_id, f"telling {name} to forget")
        progress = Progress(self._journal, incident.id, run, step_id)
        try:
            cache = cache_named(self._fleet, incident.service, name)
            seen = await forgotten(cache, name, part.paths, f"{run_id}/{step_id}", progress.say)
        except PortError as error:
            outcome = Outcome.UNKNOWN if isinstance(error, OutcomeUnknown) else Outcome.FAILED
            debt = stale_cache(incident.service, name, error.advice)
            await self._journal.finished(
                incident.id, run, step_id, outcome=outcome, detail=error.advice, debts=(debt,)
            )
            return outcome.value
        debt = stale_cache(incident.service, name, "")
        await repaid_everywhere(
            self._store,
            self._desk,
            incident.service,
            lambda one: decide.debt_repaid(one, debt.id, now=self._clock()),
        )
        await self._journal.finished(incident.id, run, step_id, outcome=Outcome.SUCCEEDED, detail=seen.detail)
        return Outcome.SUCCEEDED.value


def cache_named(fleet: Fleet, service: str, name: str) -> Cache:
    """Raises Refused where it is not configured any more."""
    try:
        found = fleet.hands(service).outside.caches.get(name)
    except Refusal as refusal:
        raise Refused(str(refusal)) from refusal
    if found is None:
        raise Refused(
            f"{service} has no cache {name} in kaeru.yml any more.",
            remedy="Put it back, or let it forget by hand and note it here.",
        )
    return found


async def forgotten(
    cache: Cache, name: str, paths: Sequence[str], key: str, tell: Say = to_nobody
) -> Invalidation:
    """Begin it once, and wait until it is done. No `paths`: those of the cache's settings.

    Raises Refused, AuthFailed, Conflict or Unavailable where it was not begun, OutcomeUnknown where it may be
    under way still.
    """
    loop = asyncio.get_running_loop()
    seen = await _begun(cache, name, paths, key, tell)
    give_up_at, trouble = loop.time() + END_S, ""
    while not seen.done:
        if loop.time() + seen.look_again_s >= give_up_at:
            raise OutcomeUnknown(
                f"{name} has not forgotten everything within {END_S / 60:.0f} min: {trouble or seen.detail}.",
                remedy="Look at it by hand.",
            )
        await tell(f"waiting for {seen.detail or name}")
        await asyncio.sleep(seen.look_again_s)
        try:
            now = await reading(cache.observe(key), f"The cache {name}")
        except Unavailable as error:
            trouble = str(error).rstrip(".")
            continue
        except PortError as error:
            raise OutcomeUnknown(error.advice) from error
        seen, trouble = now or seen, "" if now else "it is not listed any more"
    return seen


async def _begun(cache: Cache, name: str, paths: Sequence[str], key: str, tell: Say) -> Invalidation:
    patience = Patience(BEGIN_S)
    while True:
        try:
            # The same key begins it once: where the answer was lost, the same call finds it.
            return await writing(cache.invalidate(paths, key), f"The cache {name}", seconds=60.0)
        except PortError as error:
            trouble = error
        passes = isinstance(trouble, (Unavailable, OutcomeUnknown))
        pause = patience.pause_after(trouble) if passes else None
        if pause is None:
            raise patience.final(trouble)
        _log.warning("the cache %s is asked again: %s", name, trouble)
        await tell(f"{trouble} Trying again")
        await asyncio.sleep(pause)
