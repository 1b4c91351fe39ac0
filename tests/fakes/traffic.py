"""Traffic in memory, with users that come when they are told to and others who may set the share."""

import dataclasses
from datetime import UTC, datetime

from bot.domain.plan import Check
from bot.ports.errors import Conflict, PortError, Refused
from bot.ports.traffic import Served, ShiftPlan, Split, TrafficCapabilities


@dataclasses.dataclass
class MemoryTraffic:
    """`share`, `ready` and `wanted` are the world; `shifts` lists what was set by kaeru.

    An error in `failing` is raised by the next call, once each; OutcomeUnknown by a shift that was done all the same.
    """

    share: float | None = 1.0
    ready: int | None = 2
    wanted: int | None = 2
    capabilities: TrafficCapabilities = dataclasses.field(
        default_factory=lambda: TrafficCapabilities(kind="memory")
    )
    shifts: list[float] = dataclasses.field(default_factory=list)
    failing: list[PortError] = dataclasses.field(default_factory=list)
    edits: int = 0
    to_service: int = 0
    total: int = 0
    errors: int = 0
    service_errors: int = 0

    @property
    def identity(self) -> str:
        return f"memory:{id(self)}"

    def set_by_hand(self, share: float | None) -> None:
        self.share, self.edits = share, self.edits + 1

    def visited(self, count: int, *, failing: int = 0) -> None:
        """Users have come: as many as `share` says reached the service, `failing` of these in vain."""
        reached = round(count * (self.share or 0.0))
        self.total += count
        self.to_service += reached
        self.service_errors += failing
        self.errors += failing + count - reached  # the others have seen a maintenance page

    async def inspect(self) -> Split:
        self._fail()
        return self._split()

    async def plan(self, share: float) -> ShiftPlan:
        self._fail()
        self._must_be_possible(share)
        ok = self.ready != 0 or share <= (self.share or 0.0)
        return ShiftPlan(
            share=share,
            fingerprint=self._split().fingerprint,
            actions=(f"Set {share:g}",),
            checks=(Check(name="a backend is healthy", ok=ok, detail=f"{self.ready} of {self.wanted}"),),
        )

    async def shift(self, plan: ShiftPlan, key: str) -> Split:
        self._must_be_possible(plan.share)
        if self.share != plan.share:
            now = self._split()
            if now.fingerprint != plan.fingerprint:
                raise Conflict("Somebody has set it.", remedy="Plan again.")
            if self.ready == 0 and plan.share > (self.share or 0.0):
                raise Refused("No backend is healthy.", remedy="Bring one back.")
            self.share = plan.share
            self.shifts.append(plan.share)
        self._fail()
        return self._split()

    async def served(self) -> Served | None:
        self._fail()
        if not self.capabilities.measures:
            return None
        return Served(
            at=datetime.now(UTC),
            to_service=self.to_service,
            total=self.total,
            errors=self.errors,
            service_errors=self.service_errors,
        )

    async def aclose(self) -> None:
        """Nothing is open."""

    def _split(self) -> Split:
        mark = f"{self.share} {self.edits}"
        return Split(share=self.share, ready=self.ready, wanted=self.wanted, fingerprint=mark)

    def _must_be_possible(self, share: float) -> None:
        if not 0 <= share <= 1:
            raise Refused("A share is from 0 to 1.")
        if not self.capabilities.stages and share not in (0.0, 1.0):
            raise Refused("It is open or shut.")

    def _fail(self) -> None:
        if self.failing:
            raise self.failing.pop(0)
