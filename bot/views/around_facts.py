"""What a plan does to users and caches, as steps of the list of what will be done. Plain text."""

from bot.domain.plan import Plan


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
