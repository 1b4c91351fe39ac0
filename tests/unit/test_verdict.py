"""Where the service is left when a rollback did not succeed."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.catalog.health_spec import HealthSpec
from bot.domain.evidence import Baseline, BaselineSource, Outcome, Probe
from bot.domain.plan import Changes, ComponentChange, Plan
from bot.domain.run import PROVE, Run, StepState, apply_step, steps_for
from bot.domain.ways_back import Way
from bot.workflows.schemas import on_schemas, taken_back
from bot.workflows.verdict import (
    BEFORE,
    Requests,
    Stage,
    around,
    how_it_ended,
    looked_at_since,
    safest,
    stage_of,
    to_put_back,
)
from tests.unit.data_worlds import migration, part

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
NONE = Requests()


def requests(errors: int, count: int = 10) -> Requests:
    return Requests(errors=errors, count=count)


@pytest.mark.parametrize("stage", list(Stage))
def test_nothing_is_moved_on_an_unknown_outcome(stage: Stage) -> None:
    decided = safest(stage, Outcome.UNKNOWN, requests(5), requests(10))
    assert not decided.go_back
    assert not decided.target_is_bad


def test_where_nothing_was_changed_nothing_is_put_back_and_nobody_is_blamed() -> None:
    decided = safest(Stage.UNTOUCHED, Outcome.FAILED, requests(5), requests(5))
    assert not decided.go_back
    assert not decided.target_is_bad


def test_halfway_is_no_place_to_stay_and_the_target_is_not_to_blame() -> None:
    decided = safest(Stage.HALFWAY, Outcome.FAILED, requests(5), requests(5))
    assert decided.go_back
    assert not decided.target_is_bad
    assert decided.sentence != "Nothing of this change is in place."


def test_nothing_is_blamed_or_put_back_where_only_a_database_was_touched() -> None:
    decided = safest(Stage.DATA, Outcome.FAILED, requests(5), requests(5))
    assert not decided.go_back
    assert not decided.target_is_bad
    assert decided.sentence == "Nothing was switched: what ran before runs now."


@pytest.mark.parametrize("stage", [Stage.HALFWAY, Stage.APPLY, Stage.PROVE])
def test_newer_code_is_not_put_back_on_a_schema_that_was_taken_back(stage: Stage) -> None:
    fits = safest(stage, Outcome.FAILED, requests(0), requests(10))
    decided = safest(stage, Outcome.FAILED, requests(0), requests(10), schemas=("orders",))
    assert fits.go_back
    assert not decided.go_back
    assert decided.target_is_bad is fits.target_is_bad
    assert decided.sentence.startswith(fits.sentence)
    assert "the schema of orders was taken back, and the newer version needs its own" in decided.sentence


def test_a_switch_that_failed_is_put_back() -> None:
    decided = safest(Stage.APPLY, Outcome.FAILED, requests(5), NONE)
    assert decided.go_back
    assert decided.target_is_bad
    assert "put back" not in decided.sentence  # that is said once it has been tried


def test_a_switch_that_something_else_kept_from_succeeding_is_put_back_and_not_held_against_the_version() -> (
    None
):
    decided = safest(Stage.HINDERED, Outcome.FAILED, requests(5), NONE, version="v1.4.2")
    assert decided.go_back
    assert not decided.target_is_bad
    assert "not held against v1.4.2" in decided.sentence


@pytest.mark.parametrize(
    ("before", "after", "go_back"),
    [
        (requests(3), requests(8), True),
        (requests(8), requests(3), False),
        (requests(5), requests(5), False),
        (requests(8, 30), requests(8, 27), False),
        (requests(0, 500), requests(40, 500), False),  # 8 points: surely worse, not by much
        (requests(0, 3), requests(1, 3), False),  # a third more, of three
        (requests(0, 3), requests(3, 3), True),  # it serves nobody
        (requests(10), requests(10), False),  # and neither did the one before
        (requests(10), NONE, False),
        (requests(2), NONE, True),
        (NONE, requests(9), False),  # it serves somebody
        (NONE, requests(10), True),
        (NONE, NONE, True),
    ],
)
def test_a_bad_target_stays_unless_it_is_clearly_worse(
    before: Requests, after: Requests, go_back: bool
) -> None:
    decided = safest(Stage.PROVE, Outcome.FAILED, before, after)
    assert decided.go_back is go_back
    assert decided.target_is_bad
    assert ("left in place" in decided.sentence) is not go_back


def test_that_nothing_was_measured_before_is_said() -> None:
    assert (
        "nothing was measured of the one before it"
        in safest(Stage.PROVE, Outcome.FAILED, NONE, requests(3)).sentence
    )


counted = st.integers(0, 300).flatmap(
    lambda count: st.integers(0, count).map(lambda e: Requests(errors=e, count=count))
)


@given(counted, counted)
def test_two_versions_are_never_both_clearly_worse(one: Requests, other: Requests) -> None:
    assert not (one.worse_than(other) and other.worse_than(one))
    assert not one.worse_than(one)


# Which component is put back.


def plan_of(versions: Sequence[str], to: str = "v2") -> Plan:
    return Plan(
        number=1,
        service="shop",
        from_version="v3",
        to_version=to,
        why="test",
        components=tuple(
            ComponentChange(
                component=f"c{n}",
                kind="memory",
                from_version=version,
                to_version=to,
                fingerprint="f",
                actions=(),
                expected_s=1.0,
            )
            for n, version in enumerate(versions)
        ),
        changes=Changes(known=False),
        warnings=(),
        checks=(),
        baseline=Baseline(source=BaselineSource.THRESHOLDS),
        candidates=(),
        created_at=NOW,
    )


def run_of(plan: Plan, ended_well: int, last: StepState | None, *, began: datetime = NOW) -> Run:
    """The first `ended_well` components are back; the next one is in the state `last`, where that is given."""
    run = Run(
        id="inc-run-1",
        plan_number=1,
        digest="d",
        from_version="v3",
        to_version="v2",
        approved_at=began,
        approved_by=("UBOB",),
        steps=steps_for(plan, watch=timedelta(minutes=5)),
    )
    for place, component in enumerate(plan.components[: ended_well + (last is not None)]):
        state = StepState.SUCCEEDED if place < ended_well else (last or StepState.PENDING)
        at = began + timedelta(seconds=10 * place)
        run = run.with_step(
            apply_step(component.component),
            state=state,
            started_at=at,
            finished_at=at + timedelta(seconds=10),
        )
    return run


@st.composite
def halted(draw: st.DrawFn) -> tuple[Plan, Run, str]:
    """A run that ended at one component: its plan, the run, and the step that ended it."""
    versions = draw(st.lists(st.sampled_from(["v3", "v2"]), min_size=1, max_size=6))
    place = draw(st.integers(0, len(versions) - 1))
    plan = plan_of(versions)
    return plan, run_of(plan, place, StepState.FAILED), apply_step(f"c{place}")


@given(halted())
def test_only_what_was_touched_is_put_back_the_last_one_first(story: tuple[Plan, Run, str]) -> None:
    plan, run, ended_at = story
    place = int(ended_at.removeprefix("apply:c"))
    differ = [n for n, c in enumerate(plan.components) if c.from_version != "v2"]
    assert to_put_back(run, plan) == tuple(f"c{n}" for n in reversed(differ) if n <= place)
    declined = run.with_step(ended_at, untouched=True)
    assert to_put_back(declined, plan) == tuple(f"c{n}" for n in reversed(differ) if n < place)


@given(halted())
def test_untouched_is_said_only_where_no_component_was_touched(story: tuple[Plan, Run, str]) -> None:
    plan, run, ended_at = story
    assert stage_of(run, plan) is Stage.APPLY
    declined = run.with_step(ended_at, untouched=True)
    stage = stage_of(declined, plan)
    touched = to_put_back(declined, plan)
    assert stage is (Stage.HALFWAY if touched else Stage.UNTOUCHED)
    assert safest(stage, Outcome.FAILED, NONE, NONE).go_back is bool(touched)


@given(halted(), st.booleans())
def test_one_switch_at_fault_is_enough_for_the_version_to_be(
    story: tuple[Plan, Run, str], blameless: bool
) -> None:
    plan, run, ended_at = story
    run = run.with_step(ended_at, blameless=blameless)
    assert stage_of(run, plan) is (Stage.HINDERED if blameless else Stage.APPLY)
    first = plan.components[0].component
    if apply_step(first) != ended_at:
        at_fault = run.with_step(apply_step(first), state=StepState.FAILED)
        assert stage_of(at_fault, plan) is Stage.APPLY
        declined = at_fault.with_step(apply_step(first), untouched=True)
        assert stage_of(declined, plan) is stage_of(run, plan)


def test_a_run_whose_components_are_all_back_went_wrong_while_it_was_proven() -> None:
    plan = plan_of(["v3", "v3"])
    assert stage_of(run_of(plan, 2, None), plan) is Stage.PROVE


def test_of_components_that_go_back_at_once_the_one_that_declined_is_left_alone() -> None:
    plan = plan_of(["v3", "v3", "v3"])
    run = run_of(plan, 1, StepState.FAILED).with_step(apply_step("c1"), untouched=True)
    run = run.with_step(apply_step("c2"), state=StepState.FAILED, started_at=NOW, finished_at=NOW)
    assert stage_of(run, plan) is Stage.APPLY
    assert to_put_back(run, plan) == ("c2", "c0")


@pytest.mark.parametrize("states", [("failed", "unknown"), ("unknown", "failed")])
def test_what_is_unknown_of_one_component_is_unknown_of_the_run(states: tuple[str, str]) -> None:
    """However the others ended: nothing is moved on an unknown outcome."""
    run = run_of(plan_of(["v3", "v3"]), 2, None)
    for component, state in zip(("c0", "c1"), states, strict=True):
        run = run.with_step(apply_step(component), state=StepState(state), detail=f"It is {state}.")
    outcome, reason = how_it_ended(run)
    assert outcome is Outcome.UNKNOWN
    titles = [run.step(apply_step(component)).title for component in ("c0", "c1")]
    assert reason == f"{titles[0]}: It is {states[0]}; {titles[1]}: It is {states[1]}."


def test_a_run_that_failed_says_which_step_and_why() -> None:
    run = run_of(plan_of(["v3", "v3"]), 1, StepState.FAILED)
    outcome, reason = how_it_ended(run.with_step(apply_step("c1"), detail="The disk is full."))
    assert (outcome, reason) == (
        Outcome.FAILED,
        f"{run.step(apply_step('c1')).title}: The disk is full.",
    )
    assert how_it_ended(run_of(plan_of(["v3"]), 1, None)) == (
        Outcome.UNKNOWN,
        "a step ended without a result",
    )


# What counts as before and as after.


def probe(seconds: float, *, ok: bool = True, version: str | None = None) -> Probe:
    return Probe(endpoint="/", at=NOW + timedelta(seconds=seconds), ok=ok, version=version)


def test_a_proof_of_the_usual_length_leaves_the_evidence_of_before() -> None:
    """The proof takes as long as the time before it that is looked at; both are there when it has failed."""
    plan = plan_of(["v3"])
    run = run_of(plan, 1, None)
    end = HealthSpec.model_fields["prove_for"].default.total_seconds() + 10
    ticks = [n for n in range(-600, int(end)) if not 0 <= n < 10]
    probes = [probe(n, ok=n % 2 == 0, version="v3" if n < 0 else "v2") for n in ticks]
    before, after = around(run, [p for p in probes if p.at >= looked_at_since(run)])
    assert len(before) == BEFORE.total_seconds()
    assert len(after) == end - 10
    assert {p.version for p in before} == {"v3"}
    assert {p.version for p in after} == {"v2"}


def test_what_was_not_answered_belongs_to_the_version_of_its_time() -> None:
    run = run_of(plan_of(["v3", "v3"]), 2, None)
    silent = [probe(n, ok=False) for n in (-300, -121, -120, -1, 0, 5, 10, 19, 20, 60)]
    before, after = around(run, silent)
    assert [p.at for p in before] == [NOW - timedelta(seconds=s) for s in (120, 1)]
    assert [p.at for p in after] == [NOW + timedelta(seconds=s) for s in (20, 60)]


def test_an_answer_of_the_other_version_says_nothing_about_this_one() -> None:
    run = run_of(plan_of(["v3"]), 1, None)
    before, after = around(run, [probe(-5, version="v2"), probe(-4, version="v3"), probe(30, version="v3")])
    assert [p.version for p in before] == ["v3"]
    assert after == ()


def test_two_that_call_themselves_the_same_are_told_apart_by_the_time() -> None:
    """Only settings changed: what was measured before belongs to the settings of before."""
    run = run_of(plan_of(["v2+r4711"], to="v2"), 1, None).model_copy(update={"from_version": "v2+r4711"})
    before, after = around(run, [probe(-5, version="v2"), probe(-4, ok=False), probe(30, version="v2")])
    assert [p.ok for p in before] == [True, False]
    assert [p.version for p in after] == ["v2"]


def test_a_run_that_touched_nothing_has_no_before_and_after() -> None:
    run = run_of(plan_of(["v3"]), 0, None)
    assert around(run, [probe(-1), probe(1)]) == ((), ())
    assert run.step(PROVE).started_at is None


def migrating(
    migrate: StepState, apply: StepState | None = None, *, untouched: bool = False
) -> tuple[Run, Plan]:
    """A run that was to take the schema of orders back, and then web."""
    plan = plan_of(["v3"], "v2").model_copy(
        update={"databases": (part(migration("0002"), migration("0003"), way=Way.DOWN_MIGRATION, by="UBOB"),)}
    )
    run = run_of(plan, 0, None)
    run = run.with_step("migrate:orders", state=migrate, started_at=NOW, finished_at=NOW, untouched=untouched)
    if apply is not None:
        run = run.with_step(
            apply_step(plan.components[0].component),
            state=apply,
            started_at=NOW,
            finished_at=NOW,
            untouched=untouched,
        )
    return run, plan


@pytest.mark.parametrize(
    ("migrate", "apply", "untouched", "stage", "said"),
    [
        (StepState.FAILED, None, True, Stage.UNTOUCHED, "The schema of orders is as it was."),
        (StepState.FAILED, None, False, Stage.DATA, "is between the one of v3 and the one of v2"),
        (StepState.UNKNOWN, None, False, Stage.DATA, "What has become of the schema of orders is not known"),
        (StepState.SUCCEEDED, StepState.FAILED, True, Stage.DATA, "v3 needs them: where it still runs"),
        (StepState.SUCCEEDED, StepState.FAILED, False, Stage.APPLY, "is the one of v2 now: 0003, 0002 undone."),
        (StepState.SUCCEEDED, StepState.SUCCEEDED, False, Stage.PROVE, "is the one of v2 now: 0003, 0002 undone."),
    ],
)  # fmt: skip
def test_where_the_schema_is_left(
    migrate: StepState, apply: StepState | None, untouched: bool, stage: Stage, said: str
) -> None:
    run, plan = migrating(migrate, apply, untouched=untouched)
    assert stage_of(run, plan) is stage
    (sentence,) = on_schemas(run, plan)
    assert said in sentence
    assert taken_back(run) == (("orders",) if migrate is StepState.SUCCEEDED else ())
