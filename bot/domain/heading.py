"""Where a rollback is going, if components run different versions or an earlier plan did not come to its end."""

from collections.abc import Mapping, Sequence

from bot.domain.base import Refusal, Value, Version
from bot.domain.evidence import Outcome
from bot.domain.incident import Incident, PlanState
from bot.domain.releases import Choice, Release, Standing, choose

_CAME_TO_NOTHING = (PlanState.SUPERSEDED, PlanState.EXPIRED, PlanState.REJECTED)

_HOW = {
    Outcome.UNKNOWN: "how its run ended is not known",
    Outcome.SUCCEEDED: "a rollback of this incident brought it there",
}


class Heading(Value):
    """What earlier plans of the incident leave behind for the next one.

    `bound_for` is where the newest plan that came to nothing was going, or the last run unless it failed:
    where that version runs by now, going back one more unasked would be wrong; `how` says how it came there.
    `last_target` is the last run's, however it ended.
    """

    bound_for: Version | None = None
    how: str = "someone else moved it"
    last_target: Version | None = None


class Direction(Value):
    """From which version to which one; components that run the target already stay as they are."""

    leaves: Version
    choice: Choice


def heading(incident: Incident) -> Heading:
    """What the plans before the newest one were heading for."""
    last_target = incident.run.to_version if incident.run else None
    for record in reversed(incident.plans[:-1]):
        if record.state is PlanState.APPROVED:
            run = next((r for r in incident.runs if r.plan_number == record.number), None)
            how = _HOW.get(run.outcome) if run is not None and run.outcome is not None else None
            if run is None or how is None:
                return Heading(last_target=last_target)
            return Heading(bound_for=run.to_version, how=how, last_target=last_target)
        if record.state in _CAME_TO_NOTHING and record.to_version is not None:
            return Heading(bound_for=record.to_version, last_target=last_target)
    return Heading(last_target=last_target)


def direct(
    service: str,
    running: Mapping[str, Version],
    releases: Sequence[Release],
    *,
    wanted: Version | None = None,
    before: Heading = Heading(),  # noqa: B008 - a value that cannot change
) -> Direction:
    """The way back for components that run `running` (at least one), by the `releases` (newest first).

    Where they differ and nobody named a version, the last run is finished first: its target is the default.
    Raises Refusal where there is nothing to return to, where the wish cannot be granted, or where an earlier
    plan has been overtaken.
    """
    versions = set(running.values())
    if wanted is None and before.bound_for is not None and versions == {before.bound_for}:
        raise Refusal(
            f"{service} runs {before.bound_for} already, where this rollback was heading: {before.how}. "
            "If users are well, close the incident; if not, choose a version."
        )
    goal = wanted or _unfinished(versions, releases, before)
    leaves = _newest(versions - {goal} or versions, releases)
    if wanted is None and goal is not None:
        why = "where the last rollback was heading; not every component runs it"
        return Direction(leaves=leaves, choice=Choice(version=goal, why=why))
    return Direction(leaves=leaves, choice=choose(releases, current=leaves, wanted=wanted))


def _unfinished(versions: set[Version], releases: Sequence[Release], before: Heading) -> Version | None:
    if len(versions) == 1:
        return None
    for goal in (before.bound_for, before.last_target):
        standing = next((r.standing for r in releases if r.version == goal), None)
        if standing not in (None, Standing.QUARANTINED):
            return goal
    return None


def _newest(versions: set[Version], releases: Sequence[Release]) -> Version:
    """One that no release is known of counts as newer than all of them."""
    rank = {release.version: place for place, release in enumerate(releases)}
    return min(versions, key=lambda version: (rank.get(version, -1), version))
