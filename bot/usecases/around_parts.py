"""What a plan does around the rollback: how users come back, and which caches forget. Read-only.

What steers traffic, or a cache, may not answer while the rollback is needed most: that is a sentence on the card, and
nothing is held up by it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from bot.catalog.model import Service
from bot.catalog.model import Traffic as Configured
from bot.domain.afterwards import CachePart, TrafficPart, is_all
from bot.domain.databases import DatabasePart
from bot.domain.durations import human
from bot.domain.plan import Check, Level, Warn
from bot.domain.ramp import Ramp
from bot.domain.served import percent
from bot.ports import PortError
from bot.ports.caches import Cache
from bot.ports.traffic import ShiftPlan, Split, Traffic
from bot.usecases.bounds import reading
from bot.usecases.fleet import Hands
from bot.usecases.noticed import Noticed

_log = logging.getLogger(__name__)

QUICK_S = 8.0
"""The card does not wait longer for any of them."""

T = TypeVar("T")


@dataclass(frozen=True)
class Around:
    """`warnings` and `checks` are for the card; nothing of it keeps a plan from being approved."""

    traffic: TrafficPart | None = None
    caches: tuple[CachePart, ...] = ()
    warnings: tuple[Warn, ...] = ()
    checks: tuple[Check, ...] = ()

    def with_data(self, databases: Sequence[DatabasePart], configured: Configured | None) -> "Around":
        """Once it is known what is done to databases: whether users see the maintenance page meanwhile."""
        if self.traffic is None or configured is None:
            return self
        changes = any(part.changes_data for part in databases)
        off = configured.maintenance == "always" or (
            configured.maintenance == "when data changes" and changes
        )
        return Around(self.traffic.model_copy(update={"off": off}), self.caches, self.warnings, self.checks)


async def around_parts(service: Service, hands: Hands) -> Around:
    """Raises nothing."""
    noticed = Noticed()
    outside = hands.outside
    traffic, *caches = await asyncio.gather(
        _traffic(service.outside.traffic, outside.traffic, noticed),
        *(_cache(name, cache, noticed) for name, cache in outside.caches.items()),
    )
    found = (part for part in caches if isinstance(part, CachePart))
    part = traffic if isinstance(traffic, TrafficPart) else None
    return Around(part, tuple(found), tuple(noticed.warnings), tuple(noticed.checks))


async def _traffic(
    configured: Configured | None, traffic: Traffic | None, noticed: Noticed
) -> TrafficPart | None:
    if configured is None or traffic is None:
        return None
    able = traffic.capabilities
    ramp = configured.ramp
    if not able.stages:
        ramp = ramp.model_copy(update={"stages": ramp.stages[-1:]})
    seen = await _asked(_looked_at(traffic), "What steers the traffic", noticed, "how users come back")
    if seen is not None:
        split, plan = seen
        _notice(split, plan, noticed)
    if not able.measures:
        noticed.warn(
            "The share of traffic that is served cannot be measured here, so people are asked at each stage."
        )
    return TrafficPart(off=False, ramp=ramp, actions=(in_stages(ramp),))


async def _looked_at(traffic: Traffic) -> tuple[Split, ShiftPlan]:
    return await traffic.inspect(), await traffic.plan(1.0)


def _notice(split: Split, plan: ShiftPlan, noticed: Noticed) -> None:
    for warning in dict.fromkeys((*split.warnings, *plan.warnings)):
        noticed.warn(f"Traffic: {warning.text}", warning.level)
    if split.share is None:
        noticed.warn(
            "Traffic is split in a way that kaeru cannot express; people are asked once users are to come back."
        )
    elif not is_all(split.share):
        noticed.warn(
            f"{percent(split.share)} of the traffic reaches the service now; users come back from there.",
            Level.INFO,
        )
    noticed.checks += [
        check.model_copy(update={"name": f"traffic: {check.name}", "required": False})
        for check in plan.checks
    ]


async def _cache(name: str, cache: Cache, noticed: Noticed) -> CachePart:
    plan = await _asked(cache.plan(), f"The cache {name}", noticed, "what it forgets")
    if plan is None:
        return CachePart(name=name, actions=(f"Let the cache {name} forget what its settings say",))
    for warning in plan.warnings:
        noticed.warn(f"{name}: {warning.text}", warning.level)
    noticed.checks += [
        check.model_copy(update={"name": f"{name}: {check.name}", "required": False}) for check in plan.checks
    ]
    return CachePart(name=name, paths=plan.paths, actions=plan.actions)


async def _asked(call: Awaitable[T], what: str, noticed: Noticed, about: str) -> T | None:
    """None where it could not be found out, which is said."""
    try:
        return await reading(call, what, QUICK_S)
    except PortError as error:
        noticed.warn(
            f"{error.advice.rstrip('.')}. So it is not known now {about}; the rollback does not wait for it."
        )
    except Exception as error:  # noqa: BLE001 - an adapter's defect must not keep code from going back
        _log.exception("%s broke down", what)
        noticed.warn(f"{what} could not be looked at ({type(error).__name__}, see the log).")
    return None


def in_stages(ramp: Ramp) -> str:
    """What a ramp does, as a sentence."""
    shares = ", ".join(percent(stage.share) for stage in ramp.stages)
    if ramp.fast:
        return f"Bring users back as fast as healthy backends allow: {shares}, without soaks"
    soak = ramp.stages[0].soak
    each = human(soak) if soak >= timedelta(seconds=1) else f"{soak.total_seconds():g} s"
    return f"Bring users back in stages of {shares}, each of which has to go well for {each}"
