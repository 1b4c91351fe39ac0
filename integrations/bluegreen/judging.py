"""What has become of a change, told from one look, and the sentences for it."""

from bot.domain.base import Version
from bot.domain.evidence import Outcome
from bot.ports.errors import Conflict, Refused
from bot.ports.target import Change, Observation
from integrations.bluegreen.looking import Live
from integrations.bluegreen.scene import Scene
from integrations.bluegreen.settings import COLOURS, Colour, other
from integrations.nginx_workers import Open


def judged(scene: Scene, version: Version, ref: str) -> Observation:
    """Whether `version` serves: what comes through the proxy decides, and the switch must not say otherwise."""
    live, on = scene.live, scene.setting.colour
    goal = goal_of(scene, version, ref)
    at = scene.settings.live_url
    if live.version == version and (on is None or goal is None or on == goal):
        who = f"{on or goal} ({version})" if on or goal else version
        return Observation(
            outcome=Outcome.SUCCEEDED, detail=f"{who} serves: at {at} {live.said}.", running=version
        )
    if on is None:
        outcome = Outcome.FAILED if live.version else Outcome.UNKNOWN
        return _elsewhere(outcome, f"At {at} {live.said}.", live)
    if goal is not None and on != goal:
        detail = f"{on} is set to serve, {scene.said_of(on)}, and at {at} {live.said}."
        return _elsewhere(Outcome.FAILED, detail, live)
    detail = f"{on} is set to serve and {scene.said_of(on)}, but at {at} {live.said}."
    silent = goal is not None or scene.version_on(on) is None
    return _elsewhere(Outcome.UNKNOWN if silent else Outcome.FAILED, detail, live)


def _elsewhere(outcome: Outcome, detail: str, live: Live) -> Observation:
    """Something else is set or serves: nothing was learned of the version."""
    blameless = outcome is Outcome.FAILED
    return Observation(outcome=outcome, detail=detail, running=live.version, blameless=blameless)


def goal_of(scene: Scene, version: Version, ref: str) -> Colour | None:
    """The colour that a change leads to: where the version runs, or where it ran when that was planned."""
    planned = next((colour for colour in COLOURS if ref.startswith(f"{colour}:")), None)
    return scene.colour_of(version, ref) or planned


def not_arrived(live: Live, goal: Colour, version: Version, at: str, seconds: float) -> Observation:
    """The switch was moved, and users do not see it."""
    seen = Outcome.FAILED if live.versions else Outcome.UNKNOWN
    detail = f"The switch was moved to {goal} ({version}), but {seconds:g} s later at {at} {live.said}."
    return Observation(
        outcome=seen,
        detail=detail,
        running=live.version,
        blameless=seen is Outcome.FAILED and version not in live.versions,
    )


def draining(seen: Observation, left: Open) -> Observation:
    """It serves, and what was left has not come to its end."""
    return seen.model_copy(
        update={"outcome": Outcome.UNKNOWN, "detail": f"{seen.detail.rstrip('.')}; {left.text}."}
    )


def drained(seen: Observation, left: Open, seconds: float) -> Observation:
    """It serves, and what was left has ended or is not waited for any longer."""
    over = f" after {seconds:g} s, and end by themselves" if left.count else ""
    return seen.model_copy(update={"detail": f"{seen.detail.rstrip('.')}; {left.text}{over}."})


def overtaken(scene: Scene, change: Change) -> Conflict:
    return Conflict(
        f"{scene.serving} is set to serve and runs {scene.current}; this was planned when {change.from_version} served"
        f"{'' if scene.current != change.from_version else ' and the switch stood otherwise'}.",
        remedy="Look at the fresh plan and approve that one.",
    )


def nowhere(scene: Scene, version: Version) -> Refused:
    idle = other(scene.serving)
    return Refused(
        f"{version} runs on neither colour: {scene.said_of('blue')}, {scene.said_of('green')}.",
        remedy=f"Deploy {version} to {idle}, which does not serve, and try again.",
    )
