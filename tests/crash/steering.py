"""More places at which a bot dies: what steers traffic, and a cache, have done it, and nothing remembers that yet."""

from collections.abc import Callable, Sequence

from bot.ports.caches import Invalidation
from bot.ports.traffic import ShiftPlan, Split
from integrations.aws.cloudfront import CloudFrontCache
from integrations.traffic.haproxy import HaproxyTraffic


def watch(passing: Callable[[str], None]) -> None:
    """`passing` hears of `shifted:PERCENT` and `invalidated`."""
    shift, invalidate = HaproxyTraffic.shift, CloudFrontCache.invalidate

    async def shifted(self: HaproxyTraffic, plan: ShiftPlan, key: str) -> Split:
        seen = await shift(self, plan, key)
        passing(f"shifted:{plan.share * 100:g}")
        return seen

    async def invalidated(self: CloudFrontCache, paths: Sequence[str], key: str) -> Invalidation:
        begun = await invalidate(self, paths, key)
        passing("invalidated")
        return begun

    HaproxyTraffic.shift = shifted  # type: ignore[method-assign]  # notices, and goes on
    CloudFrontCache.invalidate = invalidated  # type: ignore[method-assign]  # notices, and goes on
