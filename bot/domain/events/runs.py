"""What a run does, step by step, and what it comes to."""

from typing import Literal

from bot.domain.events.base import Happened
from bot.domain.evidence import Finding, Outcome
from bot.domain.verdict import VerdictTable


class StepAdded(Happened):
    """A step joins the checklist of a run that goes on."""

    type: Literal["step_added"] = "step_added"
    run_id: str
    step_id: str
    title: str


class StepStarted(Happened):
    """Its beginning; again with another `detail`, where it stands by now."""

    type: Literal["step_started"] = "step_started"
    run_id: str
    step_id: str
    detail: str = ""


class StepPrinted(Happened):
    """What a step has printed, its newest lines; `left_out` is how many came before them since the last such event."""

    type: Literal["step_printed"] = "step_printed"
    run_id: str
    step_id: str
    lines: tuple[str, ...]
    left_out: int = 0


class StepFinished(Happened):
    """`untouched` says of a step that failed that it had changed nothing, `blameless` that not the version was what failed."""

    type: Literal["step_finished"] = "step_finished"
    run_id: str
    step_id: str
    outcome: Outcome
    detail: str
    untouched: bool = False
    blameless: bool = False
    findings: tuple[Finding, ...] = ()


class IncidentMitigated(Happened):
    """The bad version serves nobody any more, and that was observed."""

    type: Literal["incident_mitigated"] = "incident_mitigated"
    run_id: str
    findings: tuple[Finding, ...] = ()


class IncidentVerified(Happened):
    """It stayed well for the whole watch window."""

    type: Literal["incident_verified"] = "incident_verified"
    run_id: str
    findings: tuple[Finding, ...] = ()


class RollbackFailed(Happened):
    """The run ended without success. `outcome` is failed or unknown; `safe_state` says what serves now.

    `took_place` is false where the target was never given its chance: nothing was changed, or somebody else
    changed it meanwhile. Nothing was learned of the target then.
    """

    type: Literal["rollback_failed"] = "rollback_failed"
    run_id: str
    outcome: Outcome
    reason: str
    safe_state: str
    findings: tuple[Finding, ...] = ()
    took_place: bool = True


class IncidentRelapsed(Happened):
    """It became ill again within the watch window."""

    type: Literal["incident_relapsed"] = "incident_relapsed"
    run_id: str
    reason: str
    findings: tuple[Finding, ...] = ()


class VerdictReached(Happened):
    """All evidence in one table, with its raw numbers."""

    type: Literal["verdict_reached"] = "verdict_reached"
    run_id: str
    table: VerdictTable


class IncidentLeftUnverified(Happened):
    """The watch has ended; nothing was seen to be ill, and not everything that has to be well could be measured."""

    type: Literal["incident_left_unverified"] = "incident_left_unverified"
    run_id: str
    reason: str
    findings: tuple[Finding, ...] = ()
