"""What an incident finds bad: an image with all its shapes, or only settings."""

from datetime import UTC, datetime

from bot.domain.plan import ComponentChange, Plan
from bot.domain.quarantine import Bad, BadShape, left_by, unhelpful
from bot.domain.releases import shape_name
from bot.domain.run import Run

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


def change(name: str, left: str, to: str) -> ComponentChange:
    """`left` and `to` are versions with their refs behind a slash, where there are any."""
    (from_version, _, from_ref), (to_version, _, to_ref) = left.partition("/"), to.partition("/")
    return ComponentChange(
        component=name,
        kind="memory",
        from_version=from_version,
        to_version=to_version,
        fingerprint="f",
        actions=(),
        expected_s=1.0,
        from_ref=from_ref,
        to_ref=to_ref,
    )


def carried_out(*changes: ComponentChange) -> tuple[Run, Plan]:
    run = Run(
        id="inc-run-1",
        plan_number=1,
        digest="d",
        from_version=changes[0].from_version,
        to_version=changes[0].to_version,
        approved_at=NOW,
        approved_by=("UBOB",),
    )
    return run, Plan.model_construct(number=1, components=changes)


def shape(component: str, version: str, ref: str) -> BadShape:
    return BadShape(component=component, ref=ref, version=shape_name(version, ref))


def test_another_image_is_bad_in_every_shape() -> None:
    run, plan = carried_out(change("web", "v2+r7/bb", "v1/aa"))
    assert left_by(run, plan) == Bad(versions=("v2",))
    assert unhelpful(run, plan) == Bad(versions=("v1",))


def test_of_the_same_image_only_the_settings_are_bad() -> None:
    for left, to in (("v1/bb", "v1+r7/aa"), ("v1+r7/bb", "v1/aa"), ("v1+r7/bb", "v1+r8/aa")):
        run, plan = carried_out(change("web", left, to))
        assert left_by(run, plan) == Bad(shapes=(shape("web", "v1", "bb"),))
        assert unhelpful(run, plan) == Bad(shapes=(shape("web", "v1", "aa"),))


def test_a_component_that_stays_as_it_is_has_nothing_bad() -> None:
    run, plan = carried_out(change("web", "v1+r7/bb", "v1/aa"), change("worker", "v1/cc", "v1/cc"))
    assert left_by(run, plan) == Bad(shapes=(shape("web", "v1", "bb"),))
    assert unhelpful(run, plan) == Bad(shapes=(shape("web", "v1", "aa"),))


def test_images_and_settings_may_be_left_at_once() -> None:
    run, plan = carried_out(change("web", "v2/bb", "v1/aa"), change("worker", "v1+r7/dd", "v1/cc"))
    assert left_by(run, plan) == Bad(versions=("v2",), shapes=(shape("worker", "v1", "dd"),))
    assert unhelpful(run, plan) == Bad(versions=("v1",))


def test_settings_that_somebody_asked_for_by_their_name_say_nothing_of_the_image() -> None:
    run, plan = carried_out(change("web", "v2/bb", "v1+r7/aa"), change("worker", "v2/dd", "v1/cc"))
    assert left_by(run, plan) == Bad(versions=("v2",))
    assert unhelpful(run, plan) == Bad(shapes=(shape("web", "v1", "aa"),))


def test_where_shapes_are_not_told_apart_versions_are_bad_by_their_names() -> None:
    run, plan = carried_out(change("web", "v2+r7", "v1"), change("worker", "v1", "v1"))
    assert left_by(run, plan) == Bad(versions=("v2+r7",))
    assert unhelpful(run, plan) == Bad(versions=("v1",))
    assert left_by(run, None) == Bad(versions=("v2+r7",))
