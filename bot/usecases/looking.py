"""Looking at a service's targets and repository, all at once, each within its time.

The targets' errors are the caller's to handle. The repository's are not: a plan does without it, and says so.
"""

import asyncio
import logging
from collections.abc import Mapping

from bot.domain.base import Version
from bot.domain.plan import Changes
from bot.ports import Change, ChangeSource, Inspection, PortError, Target, TargetPlan
from bot.ports.changes import Tagged
from bot.usecases.bounds import reading

_log = logging.getLogger(__name__)

_REPOSITORY = "The repository"


def asked(component: str, target: Target) -> str:
    """What does not answer, for a sentence: where a component runs, and not the component itself."""
    return f"The {target.capabilities.kind} target of {component}"


async def inspect_all(targets: Mapping[str, Target]) -> dict[str, Inspection]:
    seen = await asyncio.gather(
        *(reading(target.inspect(), asked(name, target)) for name, target in targets.items())
    )
    return dict(zip(targets, seen, strict=True))


async def plan_all(targets: Mapping[str, Target], steps: Mapping[str, Change]) -> dict[str, TargetPlan]:
    """What each step would do, by component. Where there are several, their checks say whose they are."""
    plans = await asyncio.gather(
        *(reading(targets[name].plan(change), asked(name, targets[name])) for name, change in steps.items())
    )
    made = dict(zip(steps, plans, strict=True))
    return {name: _named(name, plan) for name, plan in made.items()} if len(made) > 1 else made


def _named(component: str, plan: TargetPlan) -> TargetPlan:
    """With the component in the name of each check: beside others, "rights" says nothing."""
    checks = (c.model_copy(update={"name": f"{component}: {c.name}"}) for c in plan.checks)
    return plan.model_copy(update={"checks": tuple(checks)})


async def versions(source: ChangeSource | None) -> tuple[Tagged, ...]:
    if source is None:
        return ()
    try:
        return await reading(source.versions(), _REPOSITORY)
    except PortError:
        return ()  # `between` meets the same repository and says on the card why it is silent
    except Exception:  # noqa: BLE001 - a plan does without the repository
        _log.exception("the repository's versions could not be read")
        return ()


async def between(source: ChangeSource | None, older: Version, newer: Version) -> Changes:
    if source is None:
        return Changes(
            known=False, note="No repository is configured, so what changes between the versions is unknown."
        )
    try:
        return await reading(source.between(older, newer), _REPOSITORY)
    except PortError as error:
        return Changes(known=False, note=error.advice)
    except Exception as error:  # noqa: BLE001 - a plan does without the repository
        _log.exception("what lies between %s and %s could not be read", older, newer)
        note = f"What changes could not be read ({type(error).__name__}); the log has the details."
        return Changes(known=False, note=note)
