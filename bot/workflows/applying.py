"""One component's change, carried out with care: nothing is tried again before it was observed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from bot.domain.evidence import Outcome
from bot.domain.plan import Plan
from bot.ports import Change, Observation, OutcomeUnknown, PortError, Target, Unavailable
from bot.usecases.bounds import reading, writing

_log = logging.getLogger(__name__)

OBSERVE_EVERY_S = 0.25
OBSERVE_FOR_S = 60.0
INSIST_FOR_S = 60.0


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
    return await _done(target, change, key, lambda: target.apply(change, key), "Taking back")


async def put_back(target: Target, change: Change, *, key: str) -> Observation:
    """Revert, and find out what came of it; the observation is of the way back. Raises as `applied` does."""
    way_back = change.model_copy(
        update={"from_version": change.to_version, "to_version": change.from_version}
    )
    return await _done(target, way_back, key, lambda: target.revert(change, key), "Putting back")


async def _done(
    target: Target, change: Change, key: str, act: Callable[[], Awaitable[Observation]], doing: str
) -> Observation:
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + INSIST_FOR_S
    while True:
        try:
            seen = await writing(act(), f"{doing} {change.component}")
        except OutcomeUnknown as error:
            _log.warning("outcome unknown: %s", error)
            seen = _unknown(error)
        except Unavailable as error:
            if loop.time() + error.retry_after_s >= give_up_at:
                raise
            await asyncio.sleep(error.retry_after_s)
            continue
        return seen if seen.outcome is not Outcome.UNKNOWN else await observed(target, change, key)


async def observed(target: Target, change: Change, key: str) -> Observation:
    """What has become of `change`: looked at until it is known, for a while from now on, and once at least."""
    loop = asyncio.get_running_loop()
    until = loop.time() + OBSERVE_FOR_S
    while True:
        try:
            seen = await reading(target.observe(change, key), change.component)
        except PortError as error:
            seen = _unknown(error)
        if seen.outcome is not Outcome.UNKNOWN or loop.time() >= until:
            return seen
        await asyncio.sleep(OBSERVE_EVERY_S)


def _unknown(error: PortError) -> Observation:
    return Observation(outcome=Outcome.UNKNOWN, detail=error.advice, running=None)


async def settle(target: Target, change: Change, key: str, *, back: bool) -> str:
    """Put a component back where that is safer, and say in sentences what was seen of it."""
    name = change.component
    if not back:
        return await _what_runs(target, name)
    try:
        seen = await put_back(target, change, key=key)
    except PortError as error:
        why = error.advice
    else:
        if seen.outcome is Outcome.SUCCEEDED:
            return f"{name} was put back: {name} runs {seen.running or change.from_version} now."
        why = seen.detail
    return f"{name} could not be put back: {why.rstrip('.')}. {await _what_runs(target, name)}"


async def _what_runs(target: Target, name: str) -> str:
    try:
        seen = await reading(target.inspect(), name)
    except PortError as error:
        return f"{name}: what runs now could not be established ({error.advice.rstrip('.')})."
    return f"{name} runs {seen.running} now." if seen.running else f"{name} is set to {seen.current} now."
