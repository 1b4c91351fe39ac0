"""A deploy target in memory, with a world around it that others may change."""

import dataclasses
from collections.abc import AsyncGenerator, Callable
from enum import StrEnum

from bot.domain.base import Version
from bot.domain.debts import Debt
from bot.domain.evidence import Outcome
from bot.domain.plan import Check, Level, Warn
from bot.ports.errors import Conflict, OutcomeUnknown, PortError, Refused, Unavailable
from bot.ports.target import Available, Capabilities, Change, Inspection, Observation, TargetPlan, polled


class Network(StrEnum):
    """What becomes of what is asked: answered, done with the answer lost, lost with reads getting through, or nothing at all."""

    FINE = "fine"
    LOSES_ANSWERS = "loses answers"
    LOSES_WRITES = "loses writes"
    GONE = "gone"


@dataclasses.dataclass
class MemoryTarget:
    """`configured` and `running` are the world. `broken` versions do not start: the old one keeps running.

    An error in `failing` is raised by the next call, once each. `starts` lists what was started. `network` is what
    lies between this target and its world, `lost` how many requests or answers it has lost.

    What stands in `prints` is handed over with the next observation, line by line.

    With `suspends`, a sentence, applying leaves a debt that says so; `debts` are the open ones, `repaid` lists
    what was given back by kaeru. An error in `declines` is raised by the next `repay`;
    OutcomeUnknown after it was done all the same.
    """

    configured: Version
    versions: tuple[Version, ...]
    running: Version | None = None
    broken: frozenset[Version] = frozenset()
    capabilities: Capabilities = dataclasses.field(default_factory=lambda: Capabilities(kind="memory"))
    starts: list[Version] = dataclasses.field(default_factory=list)
    failing: list[PortError] = dataclasses.field(default_factory=list)
    network: Network = Network.FINE
    lost: int = 0
    prints: list[str] = dataclasses.field(default_factory=list)
    suspends: str = ""
    debts: dict[str, Debt] = dataclasses.field(default_factory=dict)
    repaid: list[str] = dataclasses.field(default_factory=list)
    declines: list[PortError] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        self.running = self.running or self.configured

    @property
    def identity(self) -> str:
        return f"memory:{id(self)}"

    def deploy(self, version: Version) -> None:
        """What someone else does, past kaeru."""
        self.configured = version
        self._start()

    async def inspect(self) -> Inspection:
        self._fail()
        warnings: tuple[Warn, ...] = ()
        if self.running != self.configured:
            warnings = (Warn(level=Level.WARNING, text=f"{self.configured} is set, {self.running} runs."),)
        return Inspection(
            current=self.configured,
            running=self.running,
            available=tuple(Available(version=version) for version in self.versions),
            fingerprint=self._fingerprint(),
            warnings=warnings,
            debts=tuple(self.debts.values()),
        )

    async def plan(self, change: Change) -> TargetPlan:
        seen = await self.inspect()
        there = change.to_version in self.versions
        same = change.fingerprint == seen.fingerprint
        return TargetPlan(
            actions=(f"Set {change.to_version}", f"Start {change.to_version}"),
            warnings=seen.warnings,
            checks=(
                Check(name="release is there", ok=there, detail=change.to_version),
                Check(name="unchanged", ok=same, detail=seen.current),
            ),
            expected_s=0.1,
        )

    async def apply(self, change: Change, key: str) -> Observation:
        self._fail()
        return self._written(lambda: self._apply(change))

    def _apply(self, change: Change) -> Observation:
        if self.configured != change.to_version and self._fingerprint() != change.fingerprint:
            raise Conflict(f"{self.configured} is set, and not what this was planned for.")
        if self.suspends:
            until = f"Give it back once Git says {change.to_version}."
            debt = Debt(
                id=f"memory:{change.component}", component=change.component, text=self.suspends, until=until
            )
            self.debts[debt.id] = debt
        return self._go(change.from_version, change.to_version)

    async def observe(self, change: Change, key: str) -> Observation:
        self._fail()
        return self._told(self._see(change.to_version))

    async def revert(self, change: Change, key: str) -> Observation:
        self._fail()
        return self._written(lambda: self._go(change.to_version, change.from_version))

    def follow(self, change: Change, key: str) -> AsyncGenerator[Observation, None]:
        return polled(self, change, key)

    async def repay(self, debt: Debt, key: str) -> None:
        if self.declines:
            error = self.declines.pop(0)
            if isinstance(error, OutcomeUnknown):
                self.debts.pop(debt.id, None)
            raise error
        if self.debts.pop(debt.id, None) is not None:
            self.repaid.append(key)

    async def aclose(self) -> None:
        pass

    def _written(self, write: Callable[[], Observation]) -> Observation:
        seen = write() if self.network is not Network.LOSES_WRITES else None
        if seen is None or self.network is Network.LOSES_ANSWERS:
            self.lost += 1
            raise OutcomeUnknown("The connection was lost.")
        return self._told(seen)

    def _told(self, seen: Observation) -> Observation:
        printed = tuple(self.prints)
        self.prints.clear()
        return seen.model_copy(update={"output": printed})

    def _go(self, start: Version, goal: Version) -> Observation:
        if self._see(goal).outcome is Outcome.SUCCEEDED:
            return self._see(goal)
        if goal not in self.versions:
            raise Refused(f"There is no release {goal}.", remedy="Choose another version.")
        if self.configured not in (start, goal):
            raise Conflict(f"{self.configured} is set, not {start}: someone else was here.")
        self.configured = goal
        self._start()
        seen = self._see(goal)
        return seen.model_copy(update={"outcome": Outcome.FAILED}) if seen.running != goal else seen

    def _see(self, goal: Version) -> Observation:
        outcome = Outcome.UNKNOWN if self.configured == goal else Outcome.FAILED
        if self.running == self.configured == goal:
            outcome = Outcome.SUCCEEDED
        detail = f"{self.configured} is set and {self.running} runs."
        return Observation(
            outcome=outcome, detail=detail, running=self.running, debts=tuple(self.debts.values())
        )

    def _start(self) -> None:
        if self.configured not in self.broken:
            self.running = self.configured
            self.starts.append(self.configured)

    def _fingerprint(self) -> str:
        return f"set-{self.configured}"

    def _fail(self) -> None:
        if self.failing:
            raise self.failing.pop(0)
        if self.network is Network.GONE:
            raise Unavailable("The target cannot be reached.")
