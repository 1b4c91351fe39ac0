"""What to do when a rollback did not succeed: where the service is safest, and what is offered next.

Why it decides so: docs/adr/0007-after-a-failed-rollback.md.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from bot.domain import events as e
from bot.domain.base import Value, Version
from bot.domain.evidence import Outcome, Probe
from bot.domain.incident import Incident
from bot.domain.plan import ComponentChange, Plan
from bot.domain.prose import listed
from bot.domain.releases import spoken
from bot.domain.run import (
    OFF,
    Run,
    StepState,
    apply_step,
    backup_step,
    cache_step,
    migrate_step,
    restore_step,
    revert_step,
)
from bot.workflows.schemas import taken_back, touched

BEFORE = timedelta(minutes=2)
"""How far back the version before is looked at, from the moment when the first component was touched."""
MARGIN = 0.10
"""By how much the share of failed requests must differ to count at all."""
SURE = 2.0
"""By how many standard errors it must differ, so that a few requests decide nothing."""


_BAD = (StepState.FAILED, StepState.UNKNOWN)
_ON_DATA = (backup_step(""), OFF, migrate_step(""), restore_step(""))
_BESIDE = (OFF, cache_step(""))
"""What may fail while the rollback of the code goes on; it is the reason only where nothing else is."""


class Stage(StrEnum):
    """Where it went wrong. Halfway: a component declined before it was changed, after others were changed.

    Data: a database may be changed, and nothing was switched. Hindered: a switch was begun and failed, by no fault of
    the version.
    """

    UNTOUCHED = "untouched"
    DATA = "data"
    HALFWAY = "halfway"
    HINDERED = "hindered"
    APPLY = "apply"
    PROVE = "prove"
    RAMP = "ramp"
    WATCH = "watch"


NOT_TRIED = (Stage.UNTOUCHED, Stage.DATA, Stage.HALFWAY, Stage.HINDERED)
"""Nothing was learned of the target there."""


_BLAMELESS = {
    Stage.DATA: (False, "Nothing was switched: what ran before runs now."),
    Stage.UNTOUCHED: (False, "Nothing of this change is in place."),
    Stage.HALFWAY: (True, "Not every component could be taken back, so none is left halfway."),
    Stage.HINDERED: (
        True,
        (
            "The switch did not succeed, and not because of {version}: it is not held against {version}, which the next "
            "plan may offer again."
        ),
    ),
}
"""Whether to go back there, and why, where nothing was learned of the target."""


class Safest(Value):
    """`go_back` to the version before the rollback, or stay; `target_is_bad` keeps it from being chosen again."""

    go_back: bool
    target_is_bad: bool
    sentence: str


class Requests(Value):
    """How many requests were made of a version, and how many of them failed."""

    count: int = 0
    errors: int = 0

    @classmethod
    def of(cls, probes: Iterable[Probe]) -> "Requests":
        answers = [probe.ok for probe in probes]
        return cls(count=len(answers), errors=len(answers) - sum(answers))

    @property
    def serves(self) -> bool:
        """Whether anybody got what they asked for."""
        return self.errors < self.count

    def worse_than(self, other: "Requests") -> bool:
        """Clearly worse: by more than `MARGIN`, and by more than chance makes of so few requests."""
        if not self.count or not other.count:
            return False
        difference = self.errors / self.count - other.errors / other.count
        together = (self.errors + other.errors) / (self.count + other.count)
        error = math.sqrt(together * (1 - together) * (1 / self.count + 1 / other.count))
        return difference > MARGIN and difference > SURE * error

    def __str__(self) -> str:
        return f"{self.errors} of {self.count} requests failed"


def safest(
    stage: Stage,
    outcome: Outcome,
    before: Requests,
    after: Requests,
    *,
    schemas: Sequence[str] = (),
    version: Version = "the target version",
) -> Safest:
    """Decide by what was measured: `before` of the version that was rolled back, `after` of the target.

    A switch that failed is put back, so that what is configured and what runs agree. A target that serves
    is kept unless it is clearly worse than the version before. Nothing is moved on an unknown outcome, and nothing is
    put back on one of the `schemas` that were taken back, which it would not fit. `version` is what the target is called.
    The sentence is about the reason; what came of it is for whoever has tried it to say.
    """
    found = _safest(stage, outcome, before, after, version)
    if not schemas or not found.go_back:
        return found
    sentence = (
        f"{found.sentence} The newer version was not put back all the same: the schema of {listed(list(schemas))} was "
        "taken back, and the newer version needs its own. Run its migrations forward again before it is put back, "
        "or go on to another version."
    )
    return found.model_copy(update={"go_back": False, "sentence": sentence})


def _safest(stage: Stage, outcome: Outcome, before: Requests, after: Requests, version: Version) -> Safest:
    if outcome is Outcome.UNKNOWN:
        sentence = "Nothing was moved any further, because it is not known what has happened."
        return Safest(go_back=False, target_is_bad=False, sentence=sentence)
    if stage in _BLAMELESS:
        go_back, sentence = _BLAMELESS[stage]
        return Safest(go_back=go_back, target_is_bad=False, sentence=sentence.format(version=version))
    if stage is Stage.APPLY:
        return Safest(go_back=True, target_is_bad=True, sentence="The switch did not succeed.")
    go_back, sentence = _by_requests(before, after)
    return Safest(go_back=go_back, target_is_bad=True, sentence=sentence)


def _by_requests(before: Requests, after: Requests) -> tuple[bool, str]:
    if not after.serves:
        if before.count and not before.serves:
            return (
                False,
                "The target version serves nobody, nor did the one before it, so it was left in place.",
            )
        return True, "The target version serves nobody, so the one before it is the better of the two."
    if not before.count:
        sentence = "The target version serves, and nothing was measured of the one before it, so it was left in place."
        return False, sentence
    if after.worse_than(before):
        return True, f"The target version is clearly worse than the one before it: {after}, {before} before."
    compared = f"{after}, {before} before"
    return (
        False,
        f"The target version is not clearly worse than the one before it ({compared}), so it was left in place.",
    )


def around(run: Run, probes: Iterable[Probe]) -> tuple[tuple[Probe, ...], tuple[Probe, ...]]:
    """What was measured in the time before the first component was touched, and since the last one had ended.

    A request that was not answered belongs to the version of its time. One that the other version answered
    says nothing about this one; where both call themselves the same, only the time tells them apart.
    """
    switches = [step for step in run.steps if step.id.startswith(apply_step("")) and step.started_at]
    target = spoken(run.to_version)
    alike = spoken(run.from_version) == target
    began = min((step.started_at for step in switches if step.started_at), default=None)
    ended = max((step.finished_at for step in switches if step.finished_at), default=None)
    before, after = [], []
    for probe in probes:
        if began is not None and began - BEFORE <= probe.at < began and (alike or probe.version != target):
            before.append(probe)
        if ended is not None and probe.at >= ended and probe.version in (target, None):
            after.append(probe)
    return tuple(before), tuple(after)


def looked_at_since(run: Run) -> datetime:
    """From when on probes matter to `around`."""
    began = [step.started_at for step in run.steps if step.started_at is not None]
    return min(began, default=run.approved_at) - BEFORE


def how_it_ended(run: Run) -> tuple[Outcome, str]:
    """The outcome of a run that gives up, and the reason. What is unknown of one component is unknown of the run.

    How putting it back went says nothing about that: it is begun because of it.
    """
    ill = [
        step
        for step in run.steps
        if step.state in (StepState.FAILED, StepState.UNKNOWN) and not step.id.startswith(revert_step(""))
    ]
    if not ill:
        return Outcome.UNKNOWN, "a step ended without a result"
    ill = [step for step in ill if not step.id.startswith(_BESIDE)] or ill
    unknown = any(step.state is StepState.UNKNOWN for step in ill)
    *others, last = [f"{step.title}: {step.detail}" for step in ill]
    reason = "; ".join((*(told.rstrip(".") for told in others), last))
    return Outcome.UNKNOWN if unknown else Outcome.FAILED, reason


def stage_of(run: Run, plan: Plan) -> Stage:
    """Where a run that gives up went wrong, as its steps tell.

    Where every component that failed had declined before it was changed: halfway, if another one was taken back.
    """
    steps = [run.step(apply_step(c.component)) for c in plan.components]
    ill = [step for step in steps if step.state in _BAD]
    on_data = any(step.state in _BAD for step in run.steps if step.id.startswith(_ON_DATA))
    untouched = Stage.DATA if touched(run) or taken_back(run) else Stage.UNTOUCHED
    if on_data and not any(step.started_at for step in steps):
        return untouched
    if run.stranded:
        return Stage.RAMP
    if not ill:
        return Stage.PROVE if all(step.finished_at for step in steps) else Stage.APPLY
    at_fault = [step for step in ill if not step.untouched]
    if at_fault:
        return Stage.HINDERED if all(step.blameless for step in at_fault) else Stage.APPLY
    return Stage.HALFWAY if to_put_back(run, plan) else untouched


def to_put_back(run: Run, plan: Plan) -> tuple[str, ...]:
    """The components that this run may have changed, the last one first."""
    steps = {c.component: run.step(apply_step(c.component)) for c in changing(plan)}
    return tuple(
        name for name, step in reversed(steps.items()) if step.started_at is not None and not step.untouched
    )


def changing(plan: Plan) -> tuple[ComponentChange, ...]:
    """Without the components that run the target already."""
    return tuple(c for c in plan.components if c.from_version != c.to_version)


def what_next(
    incident: Incident,
    run: Run,
    stage: Stage,
    outcome: Outcome,
    *,
    now: datetime,
    overtaken: bool = False,
) -> tuple[e.Event, ...]:
    """Ask for the next plan at once, so that the next good version is on offer when people look up.

    `overtaken` is whether somebody else has set something else meanwhile.
    """
    record = incident.record
    number = record.number + 1 if record else 1
    if overtaken or outcome is Outcome.UNKNOWN or stage in NOT_TRIED:
        reason = "this plan is made from the world as it is found now"
    else:
        reason = f"{run.to_version} did not help; this offers the next good version"
    # What was decided about databases is not used up where it was not even begun; whether it still fits, the plan finds out.
    ways = (migrate_step(""), restore_step(""))
    begun = any(step.started_at is not None for step in run.steps if step.id.startswith(ways))
    unused = stage is Stage.UNTOUCHED and outcome is Outcome.FAILED and not begun
    kept = record.ways if record is not None and unused else ()
    return (e.PlanRequested(at=now, number=number, reason=reason, ways=kept),)
