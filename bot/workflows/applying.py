"""One component's change, carried out with care: nothing is tried again before it was observed."""

import asyncio
import logging

from bot.domain.evidence import Outcome
from bot.domain.plan import Plan
from bot.ports import Change, Observation, OutcomeUnknown, PortError, Target, Unavailable

_log = logging.getLogger(__name__)

OBSERVE_EVERY_S = 0.25
OBSERVE_FOR_S = 60.0


def change_of(plan: Plan, component: str) -> Change:
    """The change that `plan` intends for one component."""
    planned = next(c for c in plan.components if c.component == component)
    return Change(
        component=component,
        from_version=planned.from_version,
        to_version=planned.to_version,
        fingerprint=planned.fingerprint,
    )


async def applied(target: Target, change: Change, *, key: str) -> Observation:
    """Apply, and find out what came of it: nothing is tried again before it was observed.

    Raises Conflict, Refused or Unavailable where nothing was changed.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + OBSERVE_FOR_S
    while True:
        try:
            seen = await target.apply(change, key)
        except OutcomeUnknown as error:
            _log.warning("outcome unknown: %s", error)
            seen = Observation(outcome=Outcome.UNKNOWN, detail=error.advice, running=None)
        except Unavailable as error:
            if loop.time() + error.retry_after_s >= deadline:
                raise
            await asyncio.sleep(error.retry_after_s)
            continue
        return (
            seen
            if seen.outcome is not Outcome.UNKNOWN
            else await observed(target, change, key, seen, deadline)
        )


async def observed(
    target: Target, change: Change, key: str, seen: Observation, deadline: float
) -> Observation:
    loop = asyncio.get_running_loop()
    while seen.outcome is Outcome.UNKNOWN and loop.time() < deadline:
        await asyncio.sleep(OBSERVE_EVERY_S)
        try:
            seen = await target.observe(change, key)
        except PortError as error:
            seen = Observation(outcome=Outcome.UNKNOWN, detail=error.advice, running=None)
    return seen


async def settle(target: Target, change: Change, key: str, *, back: bool) -> str:
    """Put a component back where that is safer, and say in a sentence what runs now."""
    try:
        seen = await target.revert(change, key) if back else await target.observe(change, key)
    except PortError as error:
        return f"{change.component}: what runs now could not be established ({error.advice})"
    running = seen.running or "an unknown version"
    return f"{change.component} runs {running} now."
