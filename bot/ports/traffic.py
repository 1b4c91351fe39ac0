"""How much of the users' traffic reaches a service, and how that share is changed in stages."""

from typing import Protocol

from bot.domain.base import Value
from bot.domain.plan import Check, Warn
from bot.domain.served import Served

__all__ = ["Served", "ShiftPlan", "Split", "Traffic", "TrafficCapabilities"]


class TrafficCapabilities(Value):
    """What this way of steering traffic can do, so that a button that cannot work is never drawn.

    `stages` is false of one that is either open or shut; `measures` whether it can say what was really served.
    """

    kind: str
    stages: bool = True
    measures: bool = True


class Split(Value):
    """How traffic is split now.

    `share` is what is configured to reach the service, 0 to 1; 0 is maintenance. None: it is split in a way that
    kaeru did not make and cannot express. `ready` of `wanted` backends of the service are healthy; None: not known.
    `fingerprint` changes whenever a shift planned now would no longer hold; opaque, short, without secrets.
    """

    share: float | None
    ready: int | None
    wanted: int | None
    fingerprint: str
    detail: str = ""
    warnings: tuple[Warn, ...] = ()


class ShiftPlan(Value):
    """What `shift` would do. Making it changes nothing."""

    share: float
    fingerprint: str
    actions: tuple[str, ...]
    warnings: tuple[Warn, ...] = ()
    checks: tuple[Check, ...] = ()


class Traffic(Protocol):
    """Steers the traffic of one service. All methods may raise Unavailable, Refused, AuthFailed."""

    @property
    def capabilities(self) -> TrafficCapabilities: ...

    @property
    def identity(self) -> str:
        """What this steers, the same for all that steer the same thing."""
        ...

    async def inspect(self) -> Split:
        """How it is split now. Read-only, safe to call every few seconds."""
        ...

    async def plan(self, share: float) -> ShiftPlan:
        """What `shift` would do. Read-only."""
        ...

    async def shift(self, plan: ShiftPlan, key: str) -> Split:
        """Make `plan.share` of the traffic reach the service, and look: what is given back was observed.

        Does nothing where it is so already. `key` is the same on every retry of the same step.
        Raises Conflict where the split is no longer as `plan` found it and is not the result of this very shift,
        Refused where no backend is healthy (sending users there would be worse), OutcomeUnknown where it may or may
        not have happened.
        """
        ...

    async def served(self) -> Served | None:
        """What was served until now; None where this cannot measure. Read-only."""
        ...

    async def aclose(self) -> None:
        """Close the connections. Nothing is called afterwards."""
        ...
