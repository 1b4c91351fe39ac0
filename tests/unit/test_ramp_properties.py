"""What holds of every staged restore, whatever the world does meanwhile."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.evidence import Finding, Outcome
from bot.domain.ramp import (
    Action,
    BackTo,
    Decision,
    Look,
    Ramp,
    Said,
    Stage,
    Standing,
    arrived,
    begun,
    next_step,
)
from bot.domain.served import Served
from tests.unit.test_ramp import T0, finding

LOOKS = 60


@st.composite
def ramps(draw: st.DrawFn, *, fast: st.SearchStrategy[bool] = st.booleans()) -> Ramp:  # noqa: B008 - a strategy is a description
    shares = sorted(draw(st.sets(st.sampled_from([0.05, 0.1, 0.25, 0.5, 0.75, 1.0]), min_size=1)))
    seconds = st.integers(0, 300)
    return Ramp(
        stages=tuple(Stage(share=share, soak=timedelta(seconds=draw(seconds))) for share in shares),
        fast=draw(fast),
        back_to=draw(st.sampled_from(BackTo)),
        retries=draw(st.integers(0, 3)),
        patience=timedelta(seconds=draw(seconds)),
    )


class Moment:
    """What the world does between two looks."""

    def __init__(  # noqa: PLR0917 - as Hypothesis builds it and shows it
        self,
        seconds: int,
        share: float,
        errors: float,
        seen: tuple[Outcome, ...],
        ready: int,
        said: Said | None,
        gap: str,
    ) -> None:
        self.seconds, self.share, self.errors = seconds, share, errors
        self.seen, self.ready, self.said, self.gap = seen, ready, said, gap

    def __repr__(self) -> str:
        return f"Moment{tuple(vars(self).values())}"


MOMENTS = st.builds(
    Moment,
    seconds=st.integers(1, 400),
    share=st.sampled_from([1.0, 1.0, 1.0, 0.3]),  # how much of what was asked for is served
    errors=st.sampled_from([0.0, 0.0, 0.0, 0.3]),
    seen=st.sampled_from([(Outcome.SUCCEEDED,), (Outcome.SUCCEEDED,), (Outcome.FAILED,), ()]),
    ready=st.sampled_from([2, 2, 2, 1, 0]),
    said=st.sampled_from([None, None, None, Said.HOLD, Said.CONTINUE]),
    gap=st.sampled_from(["", "", "", "no counts", "anew"]),
)


class Story:
    """A restore in such a world: all looks with what was decided, and where it stood before."""

    def __init__(self, ramp: Ramp) -> None:
        self.ramp = ramp
        self.at = T0
        self.standing = begun(T0)
        self.share = 0.0
        self.counts = (0, 0, 0)
        self.told: list[tuple[Standing, Look, Decision]] = []

    def live(self, moment: Moment) -> Decision:
        self.at += timedelta(seconds=moment.seconds)
        if moment.gap == "anew":
            self.counts = (0, 0, 0)
        total = 20 * moment.seconds
        reached = round(total * self.share * moment.share)
        to_service, known, errors = self.counts
        self.counts = (to_service + reached, known + total, errors + round(reached * moment.errors))
        look = Look(
            at=self.at,
            share=self.share,
            ready=moment.ready,
            wanted=2,
            served=None if moment.gap == "no counts" else self.served(),
            findings=tuple(_finding(outcome) for outcome in moment.seen),
            said=moment.said,
        )
        before = self.standing
        self.standing, decision = next_step(self.ramp, before, look)
        self.told.append((before, look, decision))
        if decision.moves:
            self.share = decision.share
            self.standing = arrived(self.standing, decision, self.at, look.served)
        return decision

    def served(self) -> Served:
        to_service, total, errors = self.counts
        return Served(at=self.at, to_service=to_service, total=total, errors=errors, service_errors=errors)


def _finding(outcome: Outcome) -> Finding:
    return finding(outcome)


@given(ramps(), st.lists(MOMENTS, max_size=LOOKS))
def test_it_never_goes_up_while_something_fails(ramp: Ramp, moments: list[Moment]) -> None:
    story = Story(ramp)
    for moment in moments:
        story.live(moment)
    for standing, look, decision in story.told:
        failing = any(part.outcome is Outcome.FAILED for part in decision.parts)
        if failing or look.ready == 0 or any(f.verdict is Outcome.FAILED for f in look.findings):
            assert decision.stage <= standing.stage
            assert decision.action is not Action.DONE or standing.done


@given(ramps(fast=st.just(False)), st.lists(MOMENTS, max_size=LOOKS))
def test_a_slow_one_skips_no_stage_and_no_soak(ramp: Ramp, moments: list[Moment]) -> None:
    story = Story(ramp)
    for moment in moments:
        story.live(moment)
    came = T0
    for standing, look, decision in story.told:
        if decision.action is Action.GO_ON:
            assert decision.stage == standing.stage + 1
            accepted = look.said is Said.CONTINUE and standing.asked
            if standing.stage >= 0 and not accepted:
                assert look.at - came >= ramp.stages[standing.stage].soak
        if decision.moves:
            came = look.at


@given(ramps(), st.lists(MOMENTS, max_size=LOOKS))
def test_it_passes_only_on_what_was_measured(ramp: Ramp, moments: list[Moment]) -> None:
    story = Story(ramp)
    for moment in moments:
        story.live(moment)
    for standing, look, decision in story.told:
        accepted = look.said is Said.CONTINUE and standing.asked
        proves = standing.stage >= 0 and not (ramp.fast and standing.stage < ramp.top)
        passes = decision.action in (Action.GO_ON, Action.DONE) and not standing.done
        if passes and proves and not accepted:
            assert look.served is not None
            assert look.findings
            assert {part.outcome for part in decision.parts} == {Outcome.SUCCEEDED}
            assert {"share served", "probes"} <= {part.name for part in decision.parts}


@given(ramps(), st.lists(MOMENTS, min_size=1, max_size=LOOKS))
@settings(max_examples=50)
def test_left_alone_it_comes_to_an_end(ramp: Ramp, moments: list[Moment]) -> None:
    """Whatever goes on happening, without people it is done or it asks, and then it stays where it is or lower."""
    story = Story(ramp)
    soak = sum((stage.soak for stage in ramp.stages), timedelta(0))
    longest = (soak + ramp.patience * len(ramp.stages) + timedelta(minutes=10)) * (ramp.retries + 2) * 8
    looks = 0
    for moment in moments:
        moment.said = None
    while story.at - T0 < longest and looks < 5000:
        decision = story.live(moments[looks % len(moments)])
        looks += 1
        if decision.action is Action.DONE or (decision.action is Action.ASK and story.standing.asked):
            break
    assert decision.action in (Action.DONE, Action.ASK)
    stage = story.standing.stage
    for moment in moments:
        assert story.live(moment).action is not Action.GO_ON
        assert story.standing.stage <= stage


@given(ramps(), st.lists(MOMENTS, max_size=LOOKS))
def test_held_it_does_not_go_up(ramp: Ramp, moments: list[Moment]) -> None:
    story = Story(ramp)
    for moment in moments:
        story.live(moment)
    for standing, look, decision in story.told:
        held = look.said is Said.HOLD or (standing.held and look.said is not Said.CONTINUE)
        if held:
            assert decision.action is not Action.GO_ON


@given(ramps(), st.lists(MOMENTS, max_size=LOOKS))
def test_where_it_stands_can_be_read_back(ramp: Ramp, moments: list[Moment]) -> None:
    story = Story(ramp)
    for moment in moments:
        story.live(moment)
    standing, look, decision = (
        story.told[-1] if story.told else (story.standing, Look(at=T0, share=0.0), None)
    )
    again = Standing.model_validate_json(standing.model_dump_json())
    read = Look.model_validate_json(look.model_dump_json())
    assert decision is None or next_step(ramp, again, read)[1] == decision
