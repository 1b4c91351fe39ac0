"""A staged restore of traffic: what is served and how well it goes decides, and people may hold it.

Pure: `next_step` gets one look at the world and says what to do. Whoever does it says `arrived` once the new share was
observed, and keeps the `Standing` between looks: it is all that a restarted bot needs.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import Field, model_validator

from bot.domain.base import Value
from bot.domain.evidence import Finding, Outcome, overall
from bot.domain.served import Part, Served, between, judge_errors, judge_share, percent

ROUNDED = 0.01
"""How far a configured share may be from a stage's: weights are whole numbers."""


_SAY = "people have to say whether it goes on"


class BackTo(StrEnum):
    PREVIOUS = "previous"
    ZERO = "zero"


class Said(StrEnum):
    """What people press.

    Hold keeps it from going up, never from stepping back. Continue ends a hold, and where it was asked for, it stands
    for what could not be verified; it does not overrule what fails.
    """

    HOLD = "hold"
    CONTINUE = "continue"


class Stage(Value):
    """`soak` is for how long what is served has to be good before it goes on."""

    share: float = Field(gt=0, le=1)
    soak: timedelta = Field(ge=timedelta(0))


_SOAK = timedelta(minutes=2)
_SHORTEST = timedelta(minutes=1)  # that errors are counted over, once there is so much


class Ramp(Value):
    """How traffic comes back.

    `fast` is for a service whose only alternative is an error: as much as there are healthy backends for at once, no
    soak, and no step back, since there is nothing better to go back to. Otherwise stage by stage; after a failure back
    to the previous stage or to zero, and up again at most `retries` times before people are asked. `patience` is for
    how long, after the soak, it waits for what is not verified before it asks. `max_error_rate` is of requests that
    reached the service as the balancer counted them, `fewest` how many of these make a verdict.
    """

    stages: tuple[Stage, ...] = tuple(Stage(share=share, soak=_SOAK) for share in (0.1, 0.25, 0.5, 1.0))
    fast: bool = False
    back_to: BackTo = BackTo.PREVIOUS
    retries: int = Field(default=1, ge=0)
    patience: timedelta = Field(default=timedelta(minutes=10), ge=timedelta(0))
    max_error_rate: float = Field(default=0.02, ge=0, le=1)
    share_tolerance: float = Field(default=0.1, gt=0, lt=1)
    fewest: int = Field(default=20, ge=1)

    @model_validator(mode="after")
    def _rises(self) -> "Ramp":
        shares = [stage.share for stage in self.stages]
        if not shares or shares != sorted(set(shares)):
            raise ValueError("stages rise, such as 10, 25, 50 and 100 %")
        return self

    @property
    def top(self) -> int:
        return len(self.stages) - 1

    def share(self, stage: int) -> float:
        """Of stage -1, where it begins: nothing."""
        return self.stages[stage].share if stage >= 0 else 0.0


class Standing(Value):
    """Where a ramp is. `stage` -1 is before the first one.

    `waiting_since` is when it came here, or when people last let it go on; `failures` counts the steps back since then.
    `why` is what people are asked about.
    `first` is where the soak began to be counted. Errors are counted from `older`, which follows one soak or two behind,
    with `newer` to take its place: a long time that went well must not hide what begins. `latest` is of the last look:
    only beside that one is it seen that the counters began anew.
    """

    stage: int = -1
    since: datetime
    waiting_since: datetime
    first: Served | None = None
    older: Served | None = None
    newer: Served | None = None
    latest: Served | None = None
    failures: int = 0
    held: bool = False
    asked: bool = False
    why: str = ""
    done: bool = False


class Look(Value):
    """What was seen at one moment.

    The configured share and the healthy backends (None: not known), what was served until now, and what probes of the
    service itself found since the stage began: errors and latency, against the baseline. Probes through a balancer
    that sends some of them to a maintenance page say nothing of the service.
    """

    at: datetime
    share: float | None
    ready: int | None = None
    wanted: int | None = None
    served: Served | None = None
    findings: tuple[Finding, ...] = ()
    said: Said | None = None


class Action(StrEnum):
    GO_ON = "go on"
    WAIT = "wait"
    STEP_BACK = "step back"
    ASK = "ask"
    DONE = "done"


class Decision(Value):
    """`stage` and `share` are where traffic has to be; they differ from now for go on and step back alone."""

    action: Action
    stage: int
    share: float
    sentence: str
    parts: tuple[Part, ...] = ()

    @property
    def moves(self) -> bool:
        return self.action in (Action.GO_ON, Action.STEP_BACK)


def begun(at: datetime) -> Standing:
    return Standing(since=at, waiting_since=at)


def arrived(standing: Standing, decision: Decision, at: datetime, served: Served | None) -> Standing:
    """The share of `decision` was observed at `at`; `served` was counted after that."""
    moved = standing.model_copy(update={"stage": decision.stage, "since": at, "waiting_since": at})
    return _from(moved, served)


def next_step(ramp: Ramp, standing: Standing, look: Look) -> tuple[Standing, Decision]:
    """What to do now. The same standing and look always give the same."""
    if standing.done:
        return standing, _stay(ramp, standing, Action.DONE, "traffic is back")
    standing, accepted = _heard(standing, look)
    standing = _counted(ramp, standing, look)
    parts = _parts(ramp, standing, look)
    verdict = _verdict(parts)
    return (
        _stopped(ramp, standing, look, parts, accepted=accepted)
        or _unproven(ramp, standing, look, parts, accepted=accepted)
        or (_rise(ramp, standing, look, parts) if standing.stage < ramp.top else None)
        or _finished(ramp, standing, parts, verdict)
    )


def _stopped(
    ramp: Ramp, standing: Standing, look: Look, parts: tuple[Part, ...], *, accepted: bool
) -> tuple[Standing, Decision] | None:
    """Where it must not go up, whatever was soaked."""
    here = ramp.share(standing.stage)
    begins = standing.stage < 0 and not standing.failures  # from wherever it is
    if not begins and (look.share is None or abs(look.share - here) > ROUNDED):
        seen = "in a way that kaeru cannot express" if look.share is None else f"to {percent(look.share)}"
        return _ask(ramp, standing, f"somebody else has set traffic {seen}, not to {percent(here)}", parts)
    if _verdict(parts) is Outcome.FAILED:
        return _failed(ramp, standing, look, parts)
    if standing.held:
        return standing, _stay(ramp, standing, Action.WAIT, "people hold it", parts)
    if standing.asked and not accepted:
        return standing, _stay(ramp, standing, Action.ASK, standing.why or _SAY, parts)
    return None


def _unproven(
    ramp: Ramp, standing: Standing, look: Look, parts: tuple[Part, ...], *, accepted: bool
) -> tuple[Standing, Decision] | None:
    """Where a stage has to prove itself first."""
    if accepted or standing.stage < 0 or (ramp.fast and standing.stage < ramp.top):
        return None
    if _verdict(parts) is Outcome.UNKNOWN:
        missing = _told(parts, Outcome.UNKNOWN)
        if look.at - standing.waiting_since >= _soak(ramp, standing) + ramp.patience:
            return _ask(ramp, standing, f"not verified: {missing}", parts)
        return standing, _stay(ramp, standing, Action.WAIT, f"not verified yet: {missing}", parts)
    left = _left_to_soak(ramp, standing, look)
    if left > timedelta(0):
        said = f"good so far, for {left.total_seconds():.0f} s more"
        return standing, _stay(ramp, standing, Action.WAIT, said, parts)
    return None


def _finished(
    ramp: Ramp, standing: Standing, parts: tuple[Part, ...], verdict: Outcome
) -> tuple[Standing, Decision]:
    how = (
        "verified" if verdict is Outcome.SUCCEEDED else f"accepted by people; {_told(parts, Outcome.UNKNOWN)}"
    )
    finished = standing.model_copy(update={"done": True, "asked": False})
    return finished, _stay(ramp, finished, Action.DONE, f"traffic is back, {how}", parts)


def _heard(standing: Standing, look: Look) -> tuple[Standing, bool]:
    """With what people said, and whether they stand for what is not verified."""
    if look.said is Said.HOLD:
        return standing.model_copy(update={"held": True}), False
    if look.said is not Said.CONTINUE:
        return standing, False
    accepted = standing.asked and not standing.held
    update = {"held": False, "asked": False, "why": "", "failures": 0, "waiting_since": look.at}
    return standing.model_copy(update=update), accepted


def _counted(ramp: Ramp, standing: Standing, look: Look) -> Standing:
    """Where the counters began anew, so does the soak."""
    if look.served is None or look.served.at < standing.since:
        return standing
    if between(standing.latest, look.served) is None:
        return _from(standing, look.served)
    update: dict[str, object] = {"latest": look.served}
    window = between(standing.newer, look.served)
    if window is not None and window.length >= max(_soak(ramp, standing), _SHORTEST):
        update |= {"older": standing.newer, "newer": look.served}
    return standing.model_copy(update=update)


def _from(standing: Standing, served: Served | None) -> Standing:
    return standing.model_copy(update={"first": served, "older": served, "newer": served, "latest": served})


def _parts(ramp: Ramp, standing: Standing, look: Look) -> tuple[Part, ...]:
    parts = []
    if look.ready == 0:
        said = (
            "no backend is healthy" if look.wanted is None else f"none of {look.wanted} backends is healthy"
        )
        parts.append(Part(name="backends", outcome=Outcome.FAILED, sentence=said))
    seen = overall(look.findings)
    ill = [f for f in look.findings if f.verdict is Outcome.FAILED] or look.findings
    said = "; ".join(f"{f.endpoint}: {f.sentence}" for f in ill) or "no probe of the service"
    if standing.stage < 0:
        if seen is not Outcome.UNKNOWN:
            parts.append(Part(name="probes", outcome=seen, sentence=said))
        return tuple(parts)
    parts.append(Part(name="probes", outcome=seen, sentence=said))
    window = between(standing.older, look.served)
    errors = judge_errors(window, ramp.max_error_rate, ramp.fewest)
    parts.append(judge_share(window, ramp.share(standing.stage), ramp.share_tolerance))
    return (*parts, errors) if errors is not None else tuple(parts)


def _verdict(parts: Sequence[Part]) -> Outcome:
    seen = {part.outcome for part in parts}
    if Outcome.FAILED in seen:
        return Outcome.FAILED
    return Outcome.SUCCEEDED if seen == {Outcome.SUCCEEDED} else Outcome.UNKNOWN


def _failed(ramp: Ramp, standing: Standing, look: Look, parts: tuple[Part, ...]) -> tuple[Standing, Decision]:
    why = _told(parts, Outcome.FAILED)
    if standing.stage < 0:
        if look.at - standing.waiting_since >= ramp.patience:
            return _ask(ramp, standing, f"it cannot begin: {why}", parts)
        return standing, _stay(ramp, standing, Action.WAIT, f"it cannot begin yet: {why}", parts)
    if ramp.fast:
        return _ask(ramp, standing, f"{why}; there is nothing better to go back to", parts)
    failures = standing.failures + 1
    asked = standing.asked or failures > ramp.retries
    stage = -1 if ramp.back_to is BackTo.ZERO else standing.stage - 1
    then = ", and people are asked" if asked else ""
    sentence = f"back to {percent(ramp.share(stage))}{then}: {why}"
    decision = Decision(
        action=Action.STEP_BACK, stage=stage, share=ramp.share(stage), sentence=sentence, parts=parts
    )
    why_asked = sentence if asked else ""
    return standing.model_copy(update={"failures": failures, "asked": asked, "why": why_asked}), decision


def _rise(ramp: Ramp, standing: Standing, look: Look, parts: tuple[Part, ...]) -> tuple[Standing, Decision]:
    stage = standing.stage + 1
    if standing.stage < 0 and standing.failures and not ramp.fast:
        left = ramp.stages[0].soak - (look.at - standing.waiting_since)
        if left > timedelta(0):
            said = f"{left.total_seconds():.0f} s until it is tried again"
            return standing, _stay(ramp, standing, Action.WAIT, said, parts)
    if ramp.fast:
        carried = 1.0 if look.ready is None or not look.wanted else min(1.0, look.ready / look.wanted)
        stage = max((i for i, each in enumerate(ramp.stages) if each.share <= carried), default=-1)
        if stage <= standing.stage:
            said = f"{look.ready} of {look.wanted} backends are healthy, which is enough for no more"
            if look.at - standing.waiting_since >= ramp.patience:
                return _ask(ramp, standing, said, parts)
            return standing, _stay(ramp, standing, Action.WAIT, said, parts)
    share = ramp.share(stage)
    decision = Decision(
        action=Action.GO_ON, stage=stage, share=share, sentence=f"on to {percent(share)}", parts=parts
    )
    return standing, decision


def _soak(ramp: Ramp, standing: Standing) -> timedelta:
    return timedelta(0) if ramp.fast or standing.stage < 0 else ramp.stages[standing.stage].soak


def _left_to_soak(ramp: Ramp, standing: Standing, look: Look) -> timedelta:
    """Only what was measured counts as soaked."""
    window = between(standing.first, look.served)
    return _soak(ramp, standing) - (window.length if window else timedelta(0))


def _told(parts: Sequence[Part], outcome: Outcome) -> str:
    return "; ".join(f"{part.name}: {part.sentence}" for part in parts if part.outcome is outcome)


def _ask(ramp: Ramp, standing: Standing, sentence: str, parts: tuple[Part, ...]) -> tuple[Standing, Decision]:
    standing = standing.model_copy(update={"asked": True, "why": sentence})
    return standing, _stay(ramp, standing, Action.ASK, sentence, parts)


def _stay(
    ramp: Ramp, standing: Standing, action: Action, sentence: str, parts: tuple[Part, ...] = ()
) -> Decision:
    here = ramp.share(standing.stage)
    return Decision(action=action, stage=standing.stage, share=here, sentence=sentence, parts=parts)
