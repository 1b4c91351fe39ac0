"""The parts of a plan, put together from what was seen and found out. Pure."""

from collections.abc import Mapping

from bot.catalog.model import Service
from bot.domain.base import Refusal, Version
from bot.domain.plan import ComponentChange, Level, Warn
from bot.domain.releases import NOTHING_KNOWN, Choice, Release, Standing
from bot.ports import Change, Inspection, TargetPlan
from bot.usecases.fleet import Hands

NOTICED = 3
"""How much of what was noticed of the targets is said where there is no plan."""


def running_versions(inspections: Mapping[str, Inspection]) -> dict[str, Version]:
    """What every component is set to run."""
    if not inspections:
        raise Refusal("This service has no components in kaeru.yml, so there is nothing to roll back.")
    return {name: seen.current for name, seen in inspections.items()}


def refs_of(inspections: Mapping[str, Inspection]) -> dict[str, str]:
    """The exact shapes that are set to run, empty where a target does not tell them apart."""
    return {name: seen.current_ref for name, seen in inspections.items()}


def is_pending(inspections: Mapping[str, Inspection]) -> bool:
    """Whether a component is known to serve something else than what it is set to."""
    return any(seen.running not in (seen.current, None) for seen in inspections.values())


def with_reasons(refusal: Refusal, inspections: Mapping[str, Inspection]) -> str:
    """Why there is nothing to return to may be in what was noticed of the targets: history that is gone, say."""
    noticed = dict.fromkeys(w.text for seen in inspections.values() for w in seen.warnings)
    told = list(noticed)[:NOTICED]
    # Where nothing is known of any other release, what was noticed is why.
    return " ".join([*told, str(refusal)] if NOTHING_KNOWN in str(refusal) else [str(refusal), *told])


def component_change(
    hands: Hands, change: Change, plan: TargetPlan, seen: Inspection, *, tier: int
) -> ComponentChange:
    there = change.to_version == seen.current and seen.running in (seen.current, None)
    return ComponentChange(
        component=change.component,
        kind=hands.targets[change.component].capabilities.kind,
        from_version=change.from_version,
        to_version=change.to_version,
        fingerprint=change.fingerprint,
        actions=(f"Nothing to do: it runs {seen.current} already",) if there else plan.actions,
        expected_s=0.0 if there else plan.expected_s,
        tier=tier,
        from_ref=change.from_ref,
        to_ref=change.to_ref,
        payload=plan.payload,
        diff=() if there else plan.diff,
    )


def warnings_of(
    inspections: Mapping[str, Inspection],
    running: Mapping[str, Version],
    plans: Mapping[str, TargetPlan],
    choice: Choice,
    releases: tuple[Release, ...],
    *,
    own: str = "",
) -> tuple[Warn, ...]:
    """`running` is what the components run, by one name where it is one release (`bot.domain.heading.as_one`).

    `own` is the incident that has quarantined what it is to leave and has not got away from it yet.
    """
    warnings = [w for seen in inspections.values() for w in seen.warnings]
    warnings += [w for plan in plans.values() for w in plan.warnings]
    if len(set(running.values())) > 1:
        listed = ", ".join(f"{name} {version}" for name, version in running.items())
        warnings.append(Warn(level=Level.WARNING, text=f"The components run different versions: {listed}."))
    chosen = next(r for r in releases if r.version == choice.version)
    if chosen.last_good_at is None:
        text = f"Nobody has seen {chosen.version} serve well yet, as far as kaeru remembers."
        warnings.append(Warn(level=Level.WARNING, text=text))
    warnings += _about_what_is_left(set(running.values()) - {choice.version}, releases, own)
    return tuple(dict.fromkeys(warnings))


def proof_s_of(service: Service) -> float:
    """How long the proof takes when all is well: the first round is asked at once."""
    health = service.health
    return 0.0 if health is None else (health.consecutive - 1) * health.interval.total_seconds()


def _about_what_is_left(left: set[Version], releases: tuple[Release, ...], own: str) -> list[Warn]:
    """Leaving a version that served well may help nobody; one that is quarantined should not be there at all."""
    said = []
    for release in releases:
        if release.version not in left:
            continue
        if release.standing is Standing.QUARANTINED:
            # By this incident itself: nothing but what it is here for.
            if not own or release.quarantined_by != own:
                by = f" by {release.quarantined_by}" if release.quarantined_by else ""
                text = f"{release.version} is quarantined{by}, and is what is deployed all the same."
                said.append(Warn(level=Level.INFO, text=text))
        elif release.last_good_at is not None:
            text = f"{release.version} itself was seen serving well: is it really this release that makes it ill?"
            said.append(Warn(level=Level.WARNING, text=text))
    return said
