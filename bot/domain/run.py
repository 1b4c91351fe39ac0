"""One execution of an approved plan, step by step."""

from datetime import datetime, timedelta
from enum import StrEnum

from bot.domain.afterwards import TrafficState
from bot.domain.base import UserId, Value, Version
from bot.domain.databases import Sideways, waited_for
from bot.domain.evidence import Finding, Outcome
from bot.domain.plan import Plan
from bot.domain.verdict import Moment, VerdictTable
from bot.domain.ways_back import Way


class StepState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


class Step(Value):
    """One line of the checklist. `id` is stable (`apply:web`, `prove`, `watch`); `detail` is one sentence.

    `untouched` says of a step that failed that it had changed nothing, `blameless` that not the version was what failed.
    """

    id: str
    title: str
    state: StepState = StepState.PENDING
    detail: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    untouched: bool = False
    blameless: bool = False


class Run(Value):
    """`outcome` is None while the run goes on. `approved_by` are distinct people, in order.

    `took_place` is false of one that failed without its target having been given its chance. `verdicts` are without
    their values over time, which are in the events.
    """

    id: str
    plan_number: int
    digest: str
    from_version: Version
    to_version: Version
    approved_at: datetime
    approved_by: tuple[UserId, ...]
    break_glass_reason: str = ""
    steps: tuple[Step, ...] = ()
    outcome: Outcome | None = None
    reason: str = ""
    ended_at: datetime | None = None
    findings: tuple[Finding, ...] = ()
    took_place: bool = True
    traffic: TrafficState = TrafficState()
    verdicts: tuple[VerdictTable, ...] = ()

    def verdict(self, moment: Moment) -> VerdictTable | None:
        """The newest table of this moment, without the values over time."""
        return next((table for table in reversed(self.verdicts) if table.moment is moment), None)

    @property
    def proven(self) -> bool:
        """Whether its target was seen serving well, however it ended later."""
        return any(step.id == PROVE and step.state is StepState.SUCCEEDED for step in self.steps)

    @property
    def stranded(self) -> bool:
        """Whether it ended while its users were being brought back."""
        return any(s.id == RAMP and s.state in (StepState.FAILED, StepState.UNKNOWN) for s in self.steps)

    @property
    def has_switched(self) -> bool:
        """Whether every component came to be what it was to be."""
        switches = [step for step in self.steps if step.id.startswith(apply_step(""))]
        return all(step.state is StepState.SUCCEEDED for step in switches)

    def step(self, step_id: str) -> Step:
        """Raises KeyError for a step that is not of this run."""
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)

    def has(self, step_id: str) -> bool:
        return any(step.id == step_id for step in self.steps)

    def with_step(self, step_id: str, **changes: object) -> "Run":
        """The same run with one step changed."""
        self.step(step_id)
        steps = tuple(s.model_copy(update=changes) if s.id == step_id else s for s in self.steps)
        return self.model_copy(update={"steps": steps})


PROVE = "prove"
WATCH = "watch"
OFF = "off:traffic"
RAMP = "ramp:traffic"


def apply_step(component: str) -> str:
    """The id of the step that takes one component back."""
    return f"apply:{component}"


def revert_step(component: str) -> str:
    """The id of the step that puts one component back where it came from. It joins the checklist when it begins."""
    return f"revert:{component}"


def backup_step(database: str) -> str:
    """The id of the step that waits for the backup of a database."""
    return f"backup:{database}"


def migrate_step(database: str) -> str:
    """The id of the step that runs a database's migrations backwards."""
    return f"migrate:{database}"


def restore_step(database: str) -> str:
    """The id of the step that brings a backup of a database back."""
    return f"restore:{database}"


def cache_step(cache: str) -> str:
    """The id of the step that tells a cache to forget."""
    return f"cache:{cache}"


def steps_for(plan: Plan, *, watch: timedelta) -> tuple[Step, ...]:
    """The checklist of a run of `plan`."""
    switches = [
        Step(id=apply_step(c.component), title=f"Take {c.component} back to {c.to_version}")
        for c in plan.components
    ]
    waits = [
        Step(id=backup_step(d.name), title=f"Wait for the backup of {d.name}")
        for d in waited_for(plan.databases)
    ]
    undone = [
        Step(id=migrate_step(d.name), title=f"Run {_counted(d.down)} of {d.name} backwards")
        for d in plan.databases
        if d.way is Way.DOWN_MIGRATION and d.down is not None
    ]
    restored = [
        Step(id=restore_step(d.name), title=f"Bring the backup of {d.name} back")
        for d in plan.databases
        if d.way is Way.RESTORE_BACKUP and d.restore is not None
    ]
    traffic = plan.traffic
    off = [Step(id=OFF, title="Take users to the maintenance page")] if traffic and traffic.off else []
    caches = [Step(id=cache_step(c.name), title=f"Let {c.name} forget old answers") for c in plan.caches]
    ramp = [Step(id=RAMP, title="Bring users back")] if traffic else []
    minutes = watch.total_seconds() / 60
    length = f"{minutes:.0f} min" if minutes >= 1 else f"{watch.total_seconds():.0f} s"
    return (
        *waits,
        *off,
        *undone,
        *restored,
        *switches,
        Step(id=PROVE, title="Prove from outside that users are well"),
        *caches,
        *ramp,
        Step(id=WATCH, title=f"Watch for {length}"),
    )


def _counted(down: Sideways) -> str:
    return "1 migration" if len(down.about) == 1 else f"{len(down.about)} migrations"
