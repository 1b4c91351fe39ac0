"""What has become of a run of the script: its own word is heard, what answers decides."""

from datetime import UTC, datetime

from bot.domain.base import Version
from bot.domain.evidence import Outcome
from bot.ports.target import Observation
from integrations.runs import Run
from integrations.script.looking import Seen


def said_of(seen: Seen) -> str:
    """What runs, for a sentence."""
    if seen.mixed:
        return f"{' and '.join(seen.mixed)} answer side by side"
    if seen.running is not None:
        return f"{seen.running} is what answers"
    return f"{seen.current} is what is deployed" if not seen.guessed else "what runs could not be seen"


def how_it_ended(run: Run) -> str:
    """A phrase after the script's name."""
    if run.interrupted:
        at = datetime.fromtimestamp(run.began_at, UTC).strftime("%H:%M UTC")
        return f"was begun at {at} and interrupted, and nobody saw how far it came"
    if run.code is None:
        return f"did not run: {run.why}"
    if run.why:
        return f"was ended with all that it had started: {run.why}"
    return f"ended with {run.code}"


def under_way(name: str, seen: Seen, status: str, output: tuple[str, ...]) -> Observation:
    detail = f"{name} is running" + (f" ({status})" if status else "") + f"; {said_of(seen)}."
    return Observation(outcome=Outcome.UNKNOWN, detail=detail, running=seen.running, output=output)


def judged(
    name: str, run: Run | None, seen: Seen, goal: Version, *, arrived: bool, waiting: bool, last_line: str
) -> Observation:
    """Of a run that is not under way; None where none was started for this change.

    `arrived` is whether the goal is all that was seen; `waiting` whether it may still arrive by itself.
    """
    ending = "" if run is None else f"{name} {how_it_ended(run)}"
    if arrived:
        well = run is None or (run.code == 0 and not run.why)
        detail = f"{said_of(seen)}." if well else f"{ending}, but {said_of(seen)}."
        caveat = "" if well else detail
        return Observation(outcome=Outcome.SUCCEEDED, detail=detail, running=seen.running, caveat=caveat)
    if run is None:
        detail = f"{name} was not run; {said_of(seen)}."
        return Observation(outcome=Outcome.FAILED, detail=detail, running=seen.running, blameless=True)
    if run.interrupted:
        detail = (
            f"{ending}; {said_of(seen)}. It is not known to be resumable: look at what it has done, bring it to "
            f"its end or back by hand, and then have the rollback planned anew."
        )
        return Observation(outcome=Outcome.UNKNOWN, detail=detail, running=seen.running)
    if waiting:
        detail = f"{ending}; {said_of(seen)}, and {goal} is waited for."
        return Observation(outcome=Outcome.UNKNOWN, detail=detail, running=seen.running)
    why = f": {last_line}" if last_line and run.code != 0 else ""
    detail = f"{ending}{why.rstrip('.')}; {said_of(seen)}."
    return Observation(
        outcome=Outcome.FAILED,
        detail=detail,
        running=seen.running,
        untouched=run.code is None and bool(run.why),
        blameless=not _is_to_blame(run, seen, goal),
    )


def _is_to_blame(run: Run, seen: Seen, goal: Version) -> bool:
    """Whether a failed run shows anything of the version itself: it was seen running, or it was deployed and is silent."""
    if goal in (seen.running, *seen.mixed):
        return True
    if seen.running is not None or seen.mixed:
        return False
    if not seen.guessed:
        return seen.current == goal
    return run.code == 0 and not run.why
