"""One component's change, carried out with care: nothing is tried again before it was observed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from bot.domain.evidence import Outcome
from bot.domain.plan import Plan
from bot.domain.releases import spoken
from bot.ports import Change, Conflict, Gone, Observation, OutcomeUnknown, PortError, Target, Unavailable
from bot.usecases.bounds import reading, writing

_log = logging.getLogger(__name__)

LOOK_AGAIN_S = 1.0
BLIND_FOR_S = 60.0
"""How long a target may not answer at all before what has become of a change counts as unknown."""
INSIST_FOR_S = 60.0
FOLLOW_S = 4 * 3600.0
"""The last limit: targets have their own, which people set."""

Tell = Callable[[Observation], Awaitable[None]]
"""Called with each look at a change, the last one included, and with what the call that began it has printed."""


async def to_nobody(_seen: Observation) -> None:
    """For whoever does not want to be told."""


def change_of(plan: Plan, component: str) -> Change:
    """The change that `plan` intends for one component."""
    planned = next(c for c in plan.components if c.component == component)
    return Change(
        component=component,
        from_version=planned.from_version,
        to_version=planned.to_version,
        fingerprint=planned.fingerprint,
        from_ref=planned.from_ref,
        to_ref=planned.to_ref,
        payload=planned.payload,
    )


async def applied(target: Target, change: Change, *, key: str, tell: Tell = to_nobody) -> Observation:
    """Apply, and find out what came of it: nothing is tried again before it was observed.

    Raises Conflict, Refused or Unavailable where nothing was changed.
    """
    return await _done(target, change, key, lambda: target.apply(change, key), doing="Taking back", tell=tell)


async def put_back(target: Target, change: Change, *, key: str, tell: Tell = to_nobody) -> Observation:
    """Revert, and find out what came of it; the observation is of the way back. Raises as `applied` does."""
    return await _done(
        target, change.backwards, key, lambda: target.revert(change, key), doing="Putting back", tell=tell
    )


async def _done(
    target: Target,
    change: Change,
    key: str,
    act: Callable[[], Awaitable[Observation]],
    *,
    doing: str,
    tell: Tell,
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
        if seen.output:
            await tell(seen)
        return seen if seen.outcome is not Outcome.UNKNOWN else await followed(target, change, key, tell=tell)


async def followed(target: Target, change: Change, key: str, *, tell: Tell = to_nobody) -> Observation:
    """What has become of `change`: followed until that is known, or until the target says that its time is over.

    A target that does not answer is asked again for `BLIND_FOR_S`.
    """
    loop = asyncio.get_running_loop()
    until, blind_until = loop.time() + FOLLOW_S, loop.time() + BLIND_FOR_S
    seen: Observation | None = None
    trouble: PortError
    while True:
        try:
            async with aclosing(target.follow(change, key)) as looks:
                while loop.time() < until:
                    seen = await reading(anext(looks), change.component)
                    await tell(seen)
                    if seen.outcome is not Outcome.UNKNOWN:
                        return seen
                    blind_until = loop.time() + BLIND_FOR_S
        except StopAsyncIteration:
            return seen or _unknown(Unavailable(f"{change.component} could not be followed."))
        except Gone as error:
            return Observation(outcome=Outcome.FAILED, detail=error.advice, running=None, untouched=True)
        except PortError as error:
            trouble = error
        else:
            trouble = OutcomeUnknown(f"{change.component} came to no end within {FOLLOW_S / 3600:.0f} h.")
        if loop.time() >= min(until, blind_until):
            return _unknown(trouble)
        await asyncio.sleep(LOOK_AGAIN_S)


def _unknown(error: PortError) -> Observation:
    return Observation(outcome=Outcome.UNKNOWN, detail=error.advice, running=None)


@dataclass(frozen=True)
class Settled:
    """`said` is what was seen, in sentences. `outcome` is of putting it back, and succeeded where that was not wanted.

    `overtaken` is whether somebody else has set something else meanwhile, or taken it away.
    """

    said: str
    outcome: Outcome = Outcome.SUCCEEDED
    overtaken: bool = False


async def settle(target: Target, change: Change, key: str, *, back: bool, tell: Tell = to_nobody) -> Settled:
    """Put a component back where that is safer, and say what was seen of it."""
    name, overtaken, outcome = change.component, False, Outcome.FAILED
    if not back:
        return Settled(await _what_runs(target, name))
    try:
        seen = await put_back(target, change, key=key, tell=tell)
    except PortError as error:
        why, overtaken = error.advice, isinstance(error, Conflict | Gone)
    else:
        if seen.outcome is Outcome.SUCCEEDED:
            said = f"{name} was put back: {name} runs {seen.running or change.from_version} now."
            return Settled(f"{said} {seen.caveat}".strip())
        why, outcome = seen.detail, seen.outcome
    said = f"{name} could not be put back: {why.rstrip('.')}. {await _what_runs(target, name)}"
    return Settled(said, outcome, overtaken)


async def was_taken_away(target: Target, change: Change, key: str) -> bool:
    """Whether somebody else has undone or deleted what `change` had brought about. False where that cannot be seen."""
    try:
        seen = await reading(target.observe(change, key), change.component)
        now = await reading(target.inspect(), change.component)
    except Gone:
        return True
    except PortError:
        return False
    undone = seen.outcome is Outcome.FAILED and seen.untouched
    return undone or spoken(now.current) != spoken(change.to_version)


async def _what_runs(target: Target, name: str) -> str:
    try:
        seen = await reading(target.inspect(), name)
    except PortError as error:
        return f"{name}: what runs now could not be established ({error.advice.rstrip('.')})."
    return f"{name} runs {seen.running} now." if seen.running else f"{name} is set to {seen.current} now."
