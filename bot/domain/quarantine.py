"""What an incident finds bad, so that it is not chosen again: an image with all its shapes, or only one exact shape."""

from bot.domain.base import Value, Version
from bot.domain.plan import ComponentChange, Plan
from bot.domain.releases import shape_name, spoken
from bot.domain.run import Run


class BadShape(Value):
    """One exact shape of one component. `version` is its exact name, whatever it is called at the time."""

    component: str
    ref: str
    version: Version


class Bad(Value):
    """`versions` are bad in every shape; of `shapes` only these are: the image has others that may be well."""

    versions: tuple[Version, ...] = ()
    shapes: tuple[BadShape, ...] = ()


def left_by(run: Run, plan: Plan | None) -> Bad:
    """What an approved rollback leaves: the image of every component that gets another one.

    Where a component keeps its image, the settings are what ails it: the shape alone is bad.
    """
    if plan is None:
        return Bad(versions=(run.from_version,))
    kept = {spoken(c.to_version) for c in plan.components}
    left = [c for c in plan.components if spoken(c.from_version) not in kept]
    # Where shapes are not told apart, a name is nothing but a name.
    versions = {spoken(c.from_version) if c.from_ref else c.from_version for c in left}
    shapes = (
        _shape(c.component, c.from_version, c.from_ref)
        for c in plan.components
        if c not in left and _is_other_shape(c)
    )
    return Bad(versions=tuple(sorted(versions)), shapes=tuple(shapes))


def unhelpful(run: Run, plan: Plan) -> Bad:
    """What did not help when it was gone back to: the image, or the shapes where only the settings had changed.

    The same goes for a shape that was asked for by its exact name: of the plain version nothing was learned.
    """
    changed = [c for c in plan.components if _is_other_shape(c)]
    same_images = all(spoken(c.from_version) == spoken(c.to_version) for c in plan.components)
    exact = [c for c in changed if same_images or c.to_version != spoken(c.to_version)]
    if exact:
        return Bad(shapes=tuple(_shape(c.component, c.to_version, c.to_ref) for c in exact))
    return Bad(versions=(run.to_version,))


def _is_other_shape(change: ComponentChange) -> bool:
    return bool(change.from_ref and change.to_ref) and change.from_ref != change.to_ref


def _shape(component: str, version: Version, ref: str) -> BadShape:
    return BadShape(component=component, ref=ref, version=shape_name(spoken(version), ref))
