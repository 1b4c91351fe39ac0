"""What to do when a rollback did not succeed: where the service is safest, and what is offered next."""

from datetime import datetime
from enum import StrEnum

from bot.domain import events as e
from bot.domain.base import Value
from bot.domain.evidence import EndpointStats, Outcome
from bot.domain.incident import Incident
from bot.domain.run import Run


class Stage(StrEnum):
    """Where it went wrong."""

    UNTOUCHED = "untouched"
    APPLY = "apply"
    PROVE = "prove"
    WATCH = "watch"


class Safest(Value):
    """`go_back` to the version before the rollback, or stay; `target_is_bad` keeps it from being chosen again."""

    go_back: bool
    target_is_bad: bool
    sentence: str


def safest(
    stage: Stage, outcome: Outcome, before: tuple[EndpointStats, ...], after: tuple[EndpointStats, ...]
) -> Safest:
    """Decide by what was measured: `before` of the version that was rolled back, `after` of the target.

    A switch that failed is put back, so that what is configured and what runs agree. A target that serves
    is kept unless it fails more users than the version before did. Nothing is moved on an unknown outcome.
    """
    if outcome is Outcome.UNKNOWN:
        sentence = "Nothing was moved any further, because it is not known what has happened."
        return Safest(go_back=False, target_is_bad=False, sentence=sentence)
    if stage is Stage.UNTOUCHED:
        return Safest(go_back=False, target_is_bad=False, sentence="Nothing was changed.")
    if stage is Stage.APPLY:
        sentence = "The switch did not succeed and was put back."
        return Safest(go_back=True, target_is_bad=True, sentence=sentence)
    worse = _error_rate(after) > _error_rate(before)
    if worse:
        sentence = "The target version fails more requests than the one before it, so that one was put back."
        return Safest(go_back=True, target_is_bad=True, sentence=sentence)
    sentence = (
        "The target version is not well either, but no worse than the one before it, so it was left in place."
    )
    return Safest(go_back=False, target_is_bad=True, sentence=sentence)


def _error_rate(stats: tuple[EndpointStats, ...]) -> float:
    count = sum(s.count for s in stats)
    return sum(s.errors for s in stats) / count if count else 1.0


def what_next(
    incident: Incident, run: Run, stage: Stage, outcome: Outcome, *, now: datetime
) -> tuple[e.Event, ...]:
    """Ask for the next plan at once, so that the next good version is on offer when people look up."""
    record = incident.record
    number = record.number + 1 if record else 1
    if outcome is Outcome.UNKNOWN or stage is Stage.UNTOUCHED:
        reason = "this plan is made from the world as it is found now"
    else:
        reason = f"{run.to_version} did not help; this offers the next good version"
    return (e.PlanRequested(at=now, number=number, reason=reason),)
