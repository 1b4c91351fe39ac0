"""What stands between a service and its users and keeps old answers, and how it is told to forget them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from bot.domain.base import Value
from bot.domain.plan import Check, Warn


class CachePlan(Value):
    """What `invalidate` would do. Making it changes nothing. `paths` are as the cache takes them."""

    paths: tuple[str, ...]
    actions: tuple[str, ...]
    warnings: tuple[Warn, ...] = ()
    checks: tuple[Check, ...] = ()


class Invalidation(Value):
    """One invalidation. `done`: no old answer is served any more.

    `look_again_s` are the seconds after which it is worth looking again; they grow while it takes longer.
    """

    key: str
    paths: tuple[str, ...]
    since: datetime
    done: bool
    look_again_s: float
    detail: str = ""


class Cache(Protocol):
    """Keeps answers of one service. All methods may raise Unavailable, Refused, AuthFailed."""

    @property
    def identity(self) -> str:
        """What this is, the same for all that tell the same cache."""
        ...

    async def plan(self, paths: Sequence[str] = ()) -> CachePlan:
        """What `invalidate` would do; no paths: those of the settings. Read-only."""
        ...

    async def invalidate(self, paths: Sequence[str], key: str) -> Invalidation:
        """Begin to forget `paths`. The same `key` begins it once, however often it is asked; `observe` tells the end.

        Raises Conflict where `key` has been used for other paths, Unavailable with a growing `retry_after_s` where
        too many are under way, OutcomeUnknown where it may or may not have begun.
        """
        ...

    async def observe(self, key: str) -> Invalidation | None:
        """How far it is; None where there is none of this key. Read-only."""
        ...

    async def aclose(self) -> None:
        """Close the connections. Nothing is called afterwards."""
        ...
