"""Which answers count as the target's when a rollback is proven."""

from datetime import timedelta

from bot.domain.run import StepState, apply_step
from bot.workflows.proving import counts_from, switched_at
from tests.unit.test_verdict import NOW, plan_of, run_of


def test_rounds_count_since_the_last_component_began_to_change() -> None:
    plan = plan_of(["v3", "v3"])
    assert counts_from(run_of(plan, 2, None), plan) == NOW + timedelta(seconds=10)


def test_a_shape_that_calls_itself_like_the_one_before_has_to_be_asked_after_the_change() -> None:
    plan = plan_of(["v2+r4"], to="v2")
    assert counts_from(run_of(plan, 1, None), plan) == NOW + timedelta(seconds=10)
    step = apply_step("c0")
    late = run_of(plan, 0, StepState.SUCCEEDED).with_step(step, finished_at=NOW + timedelta(seconds=99))
    assert counts_from(late, plan) == NOW + timedelta(seconds=99)


def test_without_a_step_rounds_count_since_the_approval() -> None:
    plan = plan_of(["v3"])
    assert counts_from(run_of(plan, 0, None), plan) == NOW


def test_the_target_alone_answers_once_the_last_component_has_changed() -> None:
    plan = plan_of(["v3", "v3"])
    run = run_of(plan, 2, None)
    for number, seconds in enumerate((50, 40)):
        at = NOW + timedelta(seconds=seconds)
        run = run.with_step(apply_step(f"c{number}"), state=StepState.SUCCEEDED, finished_at=at)
    assert switched_at(run, plan) == NOW + timedelta(seconds=50)
    assert counts_from(run, plan) < switched_at(run, plan)
