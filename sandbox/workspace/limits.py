"""Slack's rate limits, as token buckets."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.workspace.errors import RateLimitedError


@dataclass(frozen=True, slots=True)
class Tier:
    """`burst` calls at once, then `per_minute` evenly."""

    per_minute: float
    burst: float


TIER_1 = Tier(1, 1)
TIER_2 = Tier(20, 20)
TIER_3 = Tier(50, 50)
TIER_4 = Tier(100, 100)
# "1 message per second per channel; short bursts are tolerated", says Slack without a number: five.
POST_MESSAGE = Tier(60, 5)
# "Special": hundreds a minute, undocumented.
SPECIAL = Tier(600, 100)


@dataclass(slots=True)
class Bucket:
    tokens: float
    at: float


@dataclass(slots=True)
class Limits:
    enabled: bool = True
    clock: Callable[[], float] = time.monotonic
    buckets: dict[tuple[str, str], Bucket] = field(default_factory=dict)

    def spend(self, tier: Tier, method: str, key: str = "") -> None:
        """Raises RateLimitedError when the bucket of (method, key) is empty."""
        if not self.enabled:
            return
        now, rate = self.clock(), tier.per_minute / 60
        bucket = self.buckets.setdefault((method, key), Bucket(tier.burst, now))
        bucket.tokens = min(tier.burst, bucket.tokens + (now - bucket.at) * rate)
        bucket.at = now
        if bucket.tokens < 1:
            raise RateLimitedError(max(1, math.ceil((1 - bucket.tokens) / rate)))
        bucket.tokens -= 1
