"""What all ways of steering say in the same words."""

from bot.domain.plan import Check
from bot.domain.served import percent
from bot.ports.errors import Conflict, Refused
from bot.ports.traffic import ShiftPlan, Split

SAME = 0.005
"""Shares this near are the same, except that nothing and everything are exact."""


def is_same(one: float | None, other: float) -> bool:
    if one is None:
        return False
    return one == other if other in (0.0, 1.0) else abs(one - other) < SAME


def must_be_share(share: float, *, stages: bool = True) -> None:
    """Raises Refused where this share cannot be set."""
    if not 0 <= share <= 1:
        raise Refused(f"A share is from 0 to 1, not {share:g}.")
    if not stages and share not in (0.0, 1.0):
        raise Refused(
            f"Traffic can only be let in or kept out here, not split to {percent(share)}.",
            remedy="Use a single stage of 100 %.",
        )


def ready_check(now: Split, share: float) -> Check:
    """Whether there is anything healthy that more traffic may be sent to."""
    name = "a backend is healthy"
    if now.ready is None:
        return Check(name=name, ok=True, detail="nobody says which are healthy", required=False)
    detail = f"{now.ready} of {now.wanted}" if now.wanted is not None else str(now.ready)
    return Check(name=name, ok=now.ready > 0 or not _more(now, share), detail=detail)


def must_be_planned(now: Split, plan: ShiftPlan) -> None:
    """Raises Conflict where it is not as it was planned."""
    if now.fingerprint != plan.fingerprint:
        seen = "otherwise than kaeru would" if now.share is None else f"to {percent(now.share)}"
        raise Conflict(
            f"Traffic is not as it was when {percent(plan.share)} was planned: somebody has set it {seen}.",
            remedy="Look at the fresh plan and approve that one.",
        )


def must_be_ready(now: Split, plan: ShiftPlan) -> None:
    """Raises Refused where more would be sent to what is not healthy. Less may always be."""
    if now.ready == 0 and _more(now, plan.share):
        many = f"none of {now.wanted} backends" if now.wanted else "no backend"
        raise Refused(
            f"{percent(plan.share)} of the traffic cannot be sent to the service: {many} is healthy.",
            remedy="Bring one back, then shift again.",
        )


def _more(now: Split, share: float) -> bool:
    return share > 0 and (now.share is None or share > now.share)
