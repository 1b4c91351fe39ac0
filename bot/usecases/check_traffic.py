"""What `kaeru check` says of what steers traffic and of caches: whether they answer, and what would be in the way."""

from collections.abc import Sequence

from bot.domain.plan import Check, Warn
from bot.ports.caches import Cache
from bot.ports.traffic import Traffic
from bot.usecases.bounds import reading
from bot.usecases.check_report import Row, State, attempt, row_of
from bot.usecases.fleet import Hands

_LATER = "Look into it before you need a rollback."
_NOW = "Users could not be brought back, or a cache not be told; put this right."


async def look_around(area: str, hands: Hands) -> list[Row]:
    """Every row about them; nothing where there is none."""
    rows: list[Row] = []
    if hands.outside.traffic is not None:
        looking = _traffic(area, hands.outside.traffic)
        rows += await attempt(area, "traffic", looking, "Look at `traffic` in kaeru.yml.")
    for name, cache in hands.outside.caches.items():
        remedy = f"Look at the cache {name} in kaeru.yml."
        rows += await attempt(area, f"cache {name}", _cache(area, f"cache {name}", cache), remedy)
    return rows


async def _traffic(area: str, traffic: Traffic) -> list[Row]:
    split = await reading(traffic.inspect(), "What steers the traffic")
    plan = await reading(traffic.plan(1.0), "What steers the traffic")
    warnings = dict.fromkeys((*split.warnings, *plan.warnings))
    rows = _rows(area, "traffic", tuple(warnings), plan.checks)
    if not traffic.capabilities.measures:
        seen = "the share that is served cannot be measured"
        rows.append(row_of(area, "traffic", State.WARN, seen, "Then people are asked at each stage."))
    elif await reading(traffic.served(), "What steers the traffic") is None:
        rows.append(row_of(area, "traffic", State.WARN, "it counts no requests", _LATER))
    if split.share is None:
        seen = split.detail or "it is split in a way that kaeru cannot express"
        rows.append(row_of(area, "traffic", State.WARN, seen, "Put it back, or kaeru cannot shift it."))
    else:
        rows.append(row_of(area, "traffic", State.OK, split.detail or f"{split.share:.0%} to the service"))
    return rows


async def _cache(area: str, name: str, cache: Cache) -> list[Row]:
    plan = await reading(cache.plan(), f"The {name}")
    rows = _rows(area, name, plan.warnings, plan.checks)
    return [*rows, row_of(area, name, State.OK, f"forgets {', '.join(plan.paths[:3]) or 'everything'}")]


def _rows(area: str, name: str, warnings: Sequence[Warn], checks: Sequence[Check]) -> list[Row]:
    rows = [row_of(area, name, State.WARN, warning.text, _LATER) for warning in warnings]
    for check in checks:
        if not check.ok:
            state = State.FAIL if check.required else State.WARN
            rows.append(row_of(area, f"{name}: {check.name}", state, check.detail, _NOW))
    return rows
