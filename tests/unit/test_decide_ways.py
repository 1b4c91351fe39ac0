"""Who decides about a database, what follows, and who has to agree."""

from datetime import timedelta

import pytest

from bot.domain import decide
from bot.domain import events as e
from bot.domain.base import BOT, Refusal
from bot.domain.databases import DatabasePart
from bot.domain.incident import Incident, PlanRecord, PlanState, Status
from bot.domain.migrations import Effect
from bot.domain.plan import Plan
from bot.domain.policy import Policy
from bot.domain.run import steps_for
from bot.domain.severity import Severity
from bot.domain.ways_back import Way
from tests.unit.data_worlds import gone, migration, part
from tests.unit.test_decide import ALICE, BOB, CAROL, DAN, NOW, ONE, TWO, Story
from tests.unit.test_incident_machine import plan_for

TRUSTING = Policy(quorum=1, approvers=(ALICE, BOB), requester_may_approve=True, break_glass=True)


class Decided(Story):
    """A story whose plan has databases."""

    def __init__(
        self, *parts: DatabasePart, severity: Severity = Severity.HIGH, policy: Policy = ONE
    ) -> None:
        super().__init__()
        self.parts = parts
        self.policy = policy
        self.severity(severity, by=ALICE, policy=policy)
        # Anew, as the story's own plan has none.
        self.happen(decide.world_moved(self.state, number=1, reason="a deploy", now=NOW))
        self.ready()

    def ready(self) -> None:
        """The fresh plan, with what was decided."""
        record = self.record
        chosen = {way.database: way for way in record.ways}
        made = tuple(gone(p, chosen[p.name]) if p.name in chosen else p for p in self.parts)
        self.plan: Plan = plan_for(self.state, to="v1.2.9").model_copy(update={"databases": made})
        self.happen(decide.plan_ready(self.state, self.plan, now=self.now))

    @property
    def record(self) -> PlanRecord:
        assert self.state.record is not None
        return self.state.record

    def choose(self, way: Way, *, by: str = BOB, database: str = "orders") -> decide.Events:
        return self.happen(
            decide.choose_way(
                self.state,
                number=self.plan.number,
                digest=self.plan.digest,
                database=database,
                way=way,
                by=by,
                policy=self.policy,
                forward_fix_after=timedelta(minutes=30),
                now=self.now,
            )
        )

    def break_glass(self, by: str) -> None:
        self.happen(
            decide.break_glass(
                self.state,
                number=self.plan.number,
                digest=self.plan.digest,
                by=by,
                reason="payments are down",
                policy=self.policy,
                steps=steps_for(self.plan, watch=timedelta(minutes=5)),
                now=self.now,
            )
        )


def test_nothing_is_approved_before_somebody_has_decided() -> None:
    story = Decided(part(migration("0002")), severity=Severity.CRITICAL, policy=TRUSTING)
    with pytest.raises(Refusal, match="Nobody has decided yet what is done about the database orders"):
        story.approve(BOB, TRUSTING)
    with pytest.raises(Refusal, match="Nobody has decided yet"):
        story.break_glass(BOB)


def test_a_decision_asks_for_a_fresh_plan_that_goes_that_way() -> None:
    story = Decided(part(migration("0002")))
    before = story.plan.digest
    chosen, dead, asked = story.choose(Way.DOWN_MIGRATION)
    assert isinstance(chosen, e.WayChosen)
    assert (chosen.by, chosen.way, chosen.why[:30]) == (
        BOB,
        Way.DOWN_MIGRATION,
        "The older code may fail on the",
    )
    assert isinstance(dead, e.PlanSuperseded)
    assert isinstance(asked, e.PlanRequested)
    assert asked.by == BOT
    story.ready()
    (made,) = story.plan.databases
    assert (made.way, made.chosen_by) == (Way.DOWN_MIGRATION, BOB)
    assert story.plan.digest != before
    steps = [step.id for step in steps_for(story.plan, watch=timedelta(minutes=5))]
    assert steps == ["migrate:orders", "apply:web", "prove", "watch"]
    with pytest.raises(Refusal, match="decided already"):
        story.choose(Way.DOWN_MIGRATION, by=CAROL)


def test_who_decides_by_policy_decides_about_databases() -> None:
    story = Decided(part(migration("0002")))
    with pytest.raises(Refusal, match="not among the approvers"):
        story.choose(Way.CODE_ONLY, by=DAN)


@pytest.mark.parametrize("way", [Way.DOWN_MIGRATION, Way.RESTORE_BACKUP])
def test_only_what_is_offered_can_be_chosen(way: Way) -> None:
    story = Decided(part(migration("0002"), down=False))
    with pytest.raises(Refusal, match=r"There is (code only|forward fix) and (code only|forward fix)\."):
        story.choose(way)


def test_a_database_without_a_verdict_or_name_is_refused() -> None:
    story = Decided(part(migration("0002")), DatabasePart(name="cache"))
    for name in ("cache", "nothing"):
        with pytest.raises(Refusal, match=r"There is orders\."):
            story.choose(Way.CODE_ONLY, database=name)


def test_whoever_decided_does_not_approve_alone_though_one_is_enough() -> None:
    story = Decided(part(migration("0002")), policy=TRUSTING)
    story.choose(Way.CODE_ONLY)
    story.ready()
    with pytest.raises(Refusal, match=r"takes another person's approval\. Ask <@UALICE>"):
        story.approve(BOB, TRUSTING)
    story.approve(ALICE, TRUSTING)
    assert story.state.status is Status.ROLLING_BACK


def test_two_who_decided_about_two_databases_approve_each_others_decision() -> None:
    story = Decided(part(migration("0002")), part(migration("0002"), name="stock"), policy=TRUSTING)
    story.choose(Way.CODE_ONLY, by=ALICE)
    story.ready()
    story.choose(Way.CODE_ONLY, by=BOB, database="stock")
    story.ready()
    story.approve(ALICE, TRUSTING)
    assert story.state.status is Status.DECIDING
    story.approve(BOB, TRUSTING)
    assert story.state.status is Status.ROLLING_BACK


def test_a_quorum_of_two_is_two_with_whoever_decided() -> None:
    story = Decided(part(migration("0002")), policy=TWO)
    story.choose(Way.CODE_ONLY)
    story.ready()
    story.approve(BOB, TWO)
    story.approve(CAROL, TWO)
    assert story.state.status is Status.ROLLING_BACK


def test_a_lower_quorum_does_not_make_one_of_it() -> None:
    """The severity changes, and with it the policy: what was approved is counted again, and is still one person."""
    story = Decided(part(migration("0002")), policy=TWO)
    story.choose(Way.CODE_ONLY)
    story.ready()
    story.approve(BOB, TWO)
    story.severity(Severity.CRITICAL, by=BOB, policy=ONE)
    assert story.state.status is Status.DECIDING
    story.approve(CAROL, ONE)
    assert story.state.status is Status.ROLLING_BACK


def test_broken_glass_does_not_get_round_the_second_person() -> None:
    story = Decided(part(migration("0002")), severity=Severity.CRITICAL, policy=TRUSTING)
    story.choose(Way.CODE_ONLY)
    story.ready()
    with pytest.raises(Refusal, match="nobody decides that alone, not even with broken glass"):
        story.break_glass(BOB)
    story.break_glass(ALICE)
    assert story.state.status is Status.ROLLING_BACK


def test_a_forward_fix_sets_the_plan_aside_and_has_an_owner_and_a_clock() -> None:
    story = Decided(part(migration("0002")))
    assert len(story.choose(Way.FORWARD_FIX)) == 1
    fix = story.state.forward_fix
    assert fix is not None
    assert (story.state.status, fix.owner, fix.due_at, fix.database, fix.chosen_by) == (
        Status.FIXING_FORWARD,
        ALICE,
        NOW + timedelta(minutes=30),
        "orders",
        BOB,
    )
    with pytest.raises(Refusal, match="A forward fix is under way"):
        story.choose(Way.CODE_ONLY)
    story.happen(decide.roll_back_after_all(story.state, by=CAROL, now=NOW))
    assert story.record.state is PlanState.READY
    assert story.plan.databases[0].undecided
    story.choose(Way.CODE_ONLY)


def test_a_decision_outlives_a_world_that_moves_and_not_another_version() -> None:
    story = Decided(part(migration("0002")))
    story.choose(Way.CODE_ONLY)
    story.happen(decide.world_moved(story.state, number=story.record.number, reason="a deploy", now=NOW))
    # It was not ready yet, so nothing moved.
    story.ready()
    story.happen(decide.world_moved(story.state, number=story.record.number, reason="a deploy", now=NOW))
    assert [way.way for way in story.record.ways] == [Way.CODE_ONLY]
    story.happen(decide.plan_blocked(story.state, number=story.record.number, reason="no", now=NOW))
    story.happen(decide.request_plan(story.state, by=CAROL, now=NOW))
    assert [way.by for way in story.record.ways] == [BOB]
    story.happen(
        decide.choose_version(story.state, wanted="v1.2.8", by=CAROL, now=NOW, reason="older", policy=ONE)
    )
    assert story.record.ways == ()


def test_to_reject_a_plan_is_to_reject_what_was_decided_for_it() -> None:
    story = Decided(part(migration("0002")))
    story.choose(Way.CODE_ONLY)
    story.ready()
    story.happen(
        decide.reject(story.state, number=story.record.number, by=CAROL, reason="", policy=ONE, now=NOW)
    )
    story.happen(decide.request_plan(story.state, by=CAROL, now=NOW))
    assert story.record.ways == ()


def test_a_decision_is_not_the_choice_of_a_version() -> None:
    """Bob decides about the database of a rollback to a version that Carol chose: she stays its requester."""
    story = Decided(part(migration("0002")))
    story.happen(
        decide.choose_version(story.state, wanted="v1.2.8", by=CAROL, now=NOW, reason="older", policy=ONE)
    )
    story.ready()
    story.choose(Way.CODE_ONLY)
    assert story.state.requesters == (ALICE, CAROL)


def test_what_only_adds_is_not_asked_about_and_may_be_approved_by_one() -> None:
    story = Decided(part(migration("0002", Effect.EXPAND)))
    assert story.plan.databases[0].way is Way.CODE_ONLY
    story.approve(BOB, ONE)
    assert story.state.status is Status.ROLLING_BACK


def test_an_incident_reads_itself_back() -> None:
    story = Decided(part(migration("0002")))
    story.choose(Way.DOWN_MIGRATION)
    story.ready()
    assert Incident.model_validate_json(story.state.model_dump_json()) == story.state
