"""One execution of an approved plan, step by step."""

from datetime import datetime
from enum import StrEnum

from bot.domain.base import UserId, Value, Version
from bot.domain.evidence import Finding, Outcome


class StepState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


class Step(Value):
    """One line of the checklist. `id` is stable (`apply:web`, `prove`, `watch`); `detail` is one sentence."""

    id: str
    title: str
    state: StepState = StepState.PENDING
    detail: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None


class Run(Value):
    """`outcome` is None while the run goes on. `approved_by` are distinct people, in order."""

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

    def step(self, step_id: str) -> Step:
        """Raises KeyError for a step that is not of this run."""
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)

    def with_step(self, step_id: str, **changes: object) -> "Run":
        """The same run with one step changed."""
        self.step(step_id)
        steps = tuple(s.model_copy(update=changes) if s.id == step_id else s for s in self.steps)
        return self.model_copy(update={"steps": steps})
