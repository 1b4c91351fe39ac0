"""Where a rollback is going, if components run different versions or an earlier plan did not come to its end."""

from collections.abc import Mapping, Sequence

from bot.domain.base import Refusal, Value, Version
from bot.domain.evidence import Outcome
from bot.domain.incident import Incident, PlanState
from bot.domain.releases import Choice, Release, Standing, choose, meant
from bot.domain.run import Run

_CAME_TO_NOTHING = (PlanState.SUPERSEDED, PlanState.EXPIRED, PlanState.REJECTED)

_HOW = {
    Outcome.UNKNOWN: "how its run ended is not known",
    Outcome.SUCCEEDED: "a rollback of this incident brought it there",
}


_THERE = "If users are well, close the incident; if not"
_PENDING = "See to it that this takes effect; if something else is to run"


class Goal(Value):
    """Where a plan was going: the version and, where the plan is still known, the exact shape of each component."""

    version: Version
    refs: Mapping[str, str] = {}

    def means(self, release: Release) -> bool:
        """Whether `release` is this, whatever it is called by now."""
        if self.refs:
            return release.refs.items() >= self.refs.items()
        return self.version in (release.version, *release.aliases)

    def among(self, releases: Sequence[Release]) -> Release:
        """The release that this is by now, whatever it is called; where there is none, one that nobody knows more of."""
        same = (r for r in releases if self.means(r))
        return next(same, Release(version=self.version, refs=self.refs))


class Heading(Value):
    """What earlier plans of the incident leave behind for the next one.

    `bound_for` is where the newest plan that came to nothing was going, or the last run unless its target failed:
    where that version runs by now, going back one more unasked would be wrong; `how` says how it came there.
    `last_target` is the last run's, however it ended.
    """

    bound_for: Goal | None = None
    how: str = "someone else moved it"
    last_target: Goal | None = None


class Direction(Value):
    """From which version to which one; components that run the target already stay as they are."""

    leaves: Version
    choice: Choice


def heading(incident: Incident) -> Heading:
    """What the plans before the newest one were heading for."""
    last_target = _goal_of(incident, incident.run) if incident.run else None
    for record in reversed(incident.plans[:-1]):
        if record.state is PlanState.APPROVED:
            run = next((r for r in incident.runs if r.plan_number == record.number), None)
            how = _how(run) if run is not None else None
            if run is None or how is None:
                return Heading(last_target=last_target)
            return Heading(bound_for=_goal_of(incident, run), how=how, last_target=last_target)
        if record.state in _CAME_TO_NOTHING and record.to_version is not None:
            return Heading(bound_for=Goal(version=record.to_version), last_target=last_target)
    return Heading(last_target=last_target)


def in_vain(incident: Incident) -> tuple[Goal, ...]:
    """What was gone back to and did not help."""
    return tuple(_goal_of(incident, r) for r in incident.runs if r.outcome is Outcome.FAILED and r.took_place)


def _how(run: Run) -> str | None:
    """How it may have come to its target; None where that was tried and did not help."""
    if run.outcome is Outcome.FAILED and not run.took_place and run.stranded:
        return "a rollback brought it there, and not all users were brought back to it"
    if run.outcome is Outcome.FAILED and not run.took_place:
        if any(step.blameless for step in run.steps):
            return "its run was kept from its end by what it was to run on"
        return "somebody else was in the way of its run"
    return _HOW.get(run.outcome) if run.outcome is not None else None


def _goal_of(incident: Incident, run: Run) -> Goal:
    plan = next((r.plan for r in incident.plans if r.number == run.plan_number), None)
    refs = {c.component: c.to_ref for c in plan.components if c.to_ref} if plan else {}
    return Goal(version=run.to_version, refs=refs)


def direct(
    service: str,
    running: Mapping[str, Version],
    releases: Sequence[Release],
    *,
    wanted: Version | None = None,
    before: Heading = Heading(),  # noqa: B008 - a value that cannot change
    refs: Mapping[str, str] = {},
    pending: bool = False,
) -> Direction:
    """The way back for components that run `running` (at least one), by the `releases` (newest first).

    `refs` are the shapes that they run, where shapes are told apart; `pending` is whether what is set is not what
    serves yet. Where components differ and nobody named a
    version, the last run is finished first: its target is the default.
    Raises Refusal where there is nothing to return to, where the wish cannot be granted, or where an earlier
    plan has been overtaken.
    """
    bound = before.bound_for.among(releases) if before.bound_for else None
    if wanted is None and bound is not None and not elsewhere(bound, running, refs):
        raise Refusal(
            f"{service} {'is set to' if pending else 'runs'} {bound.version} already, where this rollback was heading: {before.how}. "
            f"{_PENDING if pending else _THERE}, choose a version."
        )
    versions = set(as_one(running, refs, releases).values())
    goal = meant(releases, wanted) if wanted else _unfinished(versions, releases, before)
    left = set(elsewhere(goal, running, refs).values()) if goal and len(versions) > 1 else versions
    leaves = _newest(left or versions, releases)
    if wanted is None and goal is not None:
        why = "where the last rollback was heading; not every component runs it"
        return Direction(leaves=leaves, choice=Choice(version=goal.version, why=why))
    return Direction(leaves=leaves, choice=choose(releases, current=leaves, wanted=wanted))


def elsewhere(
    release: Release, running: Mapping[str, Version], refs: Mapping[str, str]
) -> dict[str, Version]:
    """The components that are not as `release` has them, with what they run."""
    return {c: v for c, v in running.items() if not release.is_at(c, v, refs.get(c, ""))}


def as_one(
    running: Mapping[str, Version], refs: Mapping[str, str], releases: Sequence[Release]
) -> Mapping[str, Version]:
    """What components run, by the name of the release that all of them are at, if there is one.

    A component that has always had the same shape calls it by the plain name, another one by an exact name.
    """
    whole = next((r for r in releases if not elsewhere(r, running, refs)), None)
    return running if whole is None else dict.fromkeys(running, whole.version)


def _unfinished(versions: set[Version], releases: Sequence[Release], before: Heading) -> Release | None:
    if len(versions) == 1:
        return None
    for goal in (before.bound_for, before.last_target):
        found = goal.among(releases) if goal else None
        if found is not None and found in releases and found.standing is not Standing.QUARANTINED:
            return found
    return None


def _newest(versions: set[Version], releases: Sequence[Release]) -> Version:
    """One that no release is known of counts as newer than all of them."""
    rank = {release.version: place for place, release in enumerate(releases)}
    return min(versions, key=lambda version: (rank.get(version, -1), version))
