"""What a plan does to users and caches, as steps of the list of what will be done. Plain text."""

from bot.domain.plan import Plan
from bot.views.mrkdwn import length


def first(plan: Plan) -> list[str]:
    """Before anything is changed."""
    off = plan.traffic is not None and plan.traffic.off
    return ["Take users to the maintenance page"] if off else []


def afterwards(plan: Plan) -> list[str]:
    """Once the components are proven."""
    of_caches = [
        said if len(plan.caches) == 1 else f"{cache.name}: {said}"
        for cache in plan.caches
        for said in cache.actions
    ]
    return [*of_caches, *(plan.traffic.actions if plan.traffic is not None else ())]


def how_long(plan: Plan) -> str:
    """`in about 5 s`, and by when all users are back at the earliest where they come back in stages."""
    if plan.traffic is None:
        return f"in about {length(plan.expected_s)}"
    soaks = 0.0 if plan.traffic.ramp.fast else sum(s.soak.total_seconds() for s in plan.traffic.ramp.stages)
    return f"switched in about {length(plan.expected_s)}, all users back in about {length(plan.expected_s + soaks)}"
