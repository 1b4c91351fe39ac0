"""Where a rollback goes when components differ, or when an earlier plan did not come to its end."""

from datetime import UTC, datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.domain.base import Refusal
from bot.domain.evidence import Outcome
from bot.domain.heading import Goal, Heading, direct, heading
from bot.domain.incident import Incident, PlanRecord, PlanState, Status
from bot.domain.plan import ComponentChange, Plan
from bot.domain.releases import Release, Standing
from bot.domain.run import Run

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
NAMES = ("v4", "v3", "v2", "v1")
V2 = Goal(version="v2")


def releases(*quarantined: str) -> tuple[Release, ...]:
    return tuple(
        Release(version=v, standing=Standing.QUARANTINED if v in quarantined else Standing.UNKNOWN)
        for v in NAMES
    )


def incident(*states: tuple[PlanState, str | None], outcome: Outcome | None = None) -> Incident:
    """Plans with their targets, the newest last; where one was approved, its run ended so."""
    plans = tuple(
        PlanRecord(number=n, state=state, requested_at=NOW, to_version=to)
        for n, (state, to) in enumerate(states, 1)
    )
    runs = tuple(
        Run(
            id=f"inc-run-{r.number}",
            plan_number=r.number,
            digest="d",
            from_version="v3",
            to_version=r.to_version or "v2",
            approved_at=NOW,
            approved_by=("UBOB",),
            outcome=outcome,
        )
        for r in plans
        if r.state is PlanState.APPROVED
    )
    return Incident(
        id="inc",
        service="shop",
        status=Status.DECIDING,
        declared_at=NOW,
        declared_by="UALICE",
        plans=plans,
        runs=runs,
    )


ARMING = (PlanState.ARMING, None)
BLOCKED = (PlanState.BLOCKED, None)


@pytest.mark.parametrize("state", [PlanState.SUPERSEDED, PlanState.EXPIRED, PlanState.REJECTED])
@pytest.mark.parametrize("blocked", [0, 1, 2])
def test_what_came_to_nothing_is_remembered_through_blocked_plans(state: PlanState, blocked: int) -> None:
    found = heading(incident((state, "v2"), *[BLOCKED] * blocked, ARMING))
    assert (found.bound_for, found.how) == (V2, "someone else moved it")


@pytest.mark.parametrize("blocked", [0, 1, 2])
def test_a_run_whose_end_is_unknown_is_remembered(blocked: int) -> None:
    plans = [(PlanState.APPROVED, "v2"), *[BLOCKED] * blocked, ARMING]
    found = heading(incident(*plans, outcome=Outcome.UNKNOWN))
    assert (found.bound_for, found.how) == (V2, "how its run ended is not known")


def test_a_run_that_failed_binds_nobody() -> None:
    plans = ((PlanState.EXPIRED, "v2"), (PlanState.APPROVED, "v2"), ARMING)
    assert heading(incident(*plans, outcome=Outcome.FAILED)) == Heading(last_target=V2)


@pytest.mark.parametrize("blocked", [0, 1, 2])
def test_a_run_that_was_disturbed_is_remembered(blocked: int) -> None:
    """Paused, say, and resumed after kaeru had given up: it runs by now where it was to go."""
    found = incident((PlanState.APPROVED, "v2"), *[BLOCKED] * blocked, ARMING, outcome=Outcome.FAILED)
    runs = tuple(run.model_copy(update={"took_place": False}) for run in found.runs)
    before = heading(found.model_copy(update={"runs": runs}))
    assert before.bound_for == V2
    with pytest.raises(Refusal, match=r"runs v2 already, .*: somebody else was in the way of its run"):
        direct("shop", {"web": "v2"}, releases(), before=before)
    with pytest.raises(Refusal, match=r"^shop is set to v2 already, where this rollback was heading"):
        direct("shop", {"web": "v2"}, releases(), before=before, pending=True)
    assert direct("shop", {"web": "v3"}, releases(), before=before).choice.version == "v2"


def test_what_a_rollback_brought_is_not_left_unasked() -> None:
    plans = ((PlanState.EXPIRED, "v2"), (PlanState.APPROVED, "v2"), ARMING)
    found = heading(incident(*plans, outcome=Outcome.SUCCEEDED))
    assert (found.bound_for, found.how) == (V2, "a rollback of this incident brought it there")


def test_the_newest_plan_does_not_look_at_itself() -> None:
    assert heading(incident(ARMING)) == Heading()
    assert heading(incident((PlanState.EXPIRED, "v2"))) == Heading()


@pytest.mark.parametrize("how", ["how its run ended is not known", "someone else moved it"])
def test_it_does_not_go_one_further_back_unasked(how: str) -> None:
    before = Heading(bound_for=V2, how=how)
    with pytest.raises(Refusal, match=f"runs v2 already, where this rollback was heading: {how}"):
        direct("shop", {"web": "v2"}, releases("v3"), before=before)
    asked = direct("shop", {"web": "v2"}, releases("v3"), wanted="v1", before=before)
    assert (asked.leaves, asked.choice.version) == ("v2", "v1")


def test_one_component_is_behind_after_a_rollback_that_came_halfway() -> None:
    halfway = {"web": "v2", "worker": "v3"}
    way = direct("shop", halfway, releases("v3"), before=Heading(last_target=V2))
    assert (way.leaves, way.choice.version) == ("v3", "v2")


def test_a_target_that_did_not_help_is_not_finished() -> None:
    halfway = {"web": "v2", "worker": "v3"}
    way = direct("shop", halfway, releases("v3", "v2"), before=Heading(last_target=V2))
    assert (way.leaves, way.choice.version) == ("v3", "v1")


def test_a_deploy_that_came_halfway_is_taken_back() -> None:
    way = direct("shop", {"web": "v2", "worker": "v3"}, releases())
    assert (way.leaves, way.choice.version) == ("v3", "v2")


components = st.lists(st.sampled_from(NAMES), min_size=1, max_size=6).map(
    lambda versions: {f"c{n}": version for n, version in enumerate(versions)}
)
maybe = st.none() | st.sampled_from(NAMES)
goals = st.none() | st.builds(Goal, version=st.sampled_from(NAMES), refs=st.just({}))


@given(
    components,
    st.sets(st.sampled_from(NAMES)),
    maybe,
    st.builds(Heading, bound_for=goals, last_target=goals),
)
def test_whatever_runs_something_is_left_and_nothing_bad_is_chosen(
    running: dict[str, str], bad: set[str], wanted: str | None, before: Heading
) -> None:
    try:
        way = direct("shop", running, releases(*bad), wanted=wanted, before=before)
    except Refusal:
        assume(False)
        raise
    assert way.leaves in running.values()
    assert way.choice.version != way.leaves
    assert way.choice.version not in bad
    assert wanted in (None, way.choice.version)
    assert wanted or before.bound_for is None or set(running.values()) != {before.bound_for.version}


@given(components, st.sampled_from(NAMES))
def test_while_components_differ_the_last_run_is_finished(running: dict[str, str], target: str) -> None:
    assume(len(set(running.values())) > 1)
    assert (
        direct("shop", running, releases(), before=Heading(last_target=Goal(version=target))).choice.version
        == target
    )


def test_where_it_was_heading_is_known_by_the_shape_and_not_by_the_name() -> None:
    """It went to `v1+r4711`, which is called `v1` by now; what was left is called `v1+r0815`."""
    now_called = (
        Release(version="v1", refs={"web": "good"}),
        Release(version="v1+r0815", refs={"web": "bad"}),
        Release(version="v0", refs={"web": "old"}),
    )
    before = Heading(bound_for=Goal(version="v1+r4711", refs={"web": "good"}))
    with pytest.raises(Refusal, match="shop runs v1 already"):
        direct("shop", {"web": "v1"}, now_called, before=before, refs={"web": "good"})
    way = direct("shop", {"web": "v1+r0815"}, now_called, before=before, refs={"web": "bad"})
    assert way.leaves == "v1+r0815"


def test_a_name_that_means_another_shape_by_now_is_not_where_it_was_heading() -> None:
    now_called = (
        Release(version="v1", refs={"web": "worse"}),
        Release(version="v1+r4711", refs={"web": "good"}, last_good_at=NOW),
    )
    before = Heading(bound_for=Goal(version="v1", refs={"web": "good"}))
    way = direct("shop", {"web": "v1"}, now_called, before=before, refs={"web": "worse"})
    assert (way.leaves, way.choice.version) == ("v1", "v1+r4711")


def test_components_of_one_release_may_have_names_of_their_own() -> None:
    """Only the web has other settings: its worker is the same in both releases."""
    offered = (
        Release(version="v1+r0815", refs={"web": "bad", "worker": "only"}),
        Release(version="v1", refs={"web": "good", "worker": "only"}, last_good_at=NOW),
        Release(version="v0", refs={"web": "old", "worker": "older"}),
    )
    refs = {"web": "bad", "worker": "only"}
    way = direct("shop", {"web": "v1+r0815", "worker": "v1"}, offered, refs=refs)
    assert (way.leaves, way.choice.version) == ("v1+r0815", "v1")
    with pytest.raises(Refusal, match="is what runs now"):
        direct("shop", {"web": "v1+r0815", "worker": "v1"}, offered, wanted="v1+r0815", refs=refs)


def test_a_run_says_which_shapes_it_was_heading_for() -> None:
    found = incident((PlanState.APPROVED, "v2"), ARMING, outcome=Outcome.SUCCEEDED)
    change = ComponentChange(
        component="web", kind="k", from_version="v3", to_version="v2", fingerprint="f", actions=(), expected_s=1,
        from_ref="bad", to_ref="good",
    )  # fmt: skip
    plan = Plan.model_construct(number=1, components=(change,))
    plans = (found.plans[0].model_copy(update={"plan": plan}), found.plans[1])
    before = heading(found.model_copy(update={"plans": plans}))
    assert before.bound_for == before.last_target == Goal(version="v2", refs={"web": "good"})
