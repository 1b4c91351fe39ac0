"""What severity, holds and preflight do to approvals: told as short stories over the pure decisions."""

from datetime import UTC, datetime, timedelta

import pytest

from bot.domain import decide
from bot.domain import events as e
from bot.domain.base import Refusal
from bot.domain.evidence import Outcome
from bot.domain.incident import Incident, Status
from bot.domain.lifecycle import evolve
from bot.domain.plan import Check, Plan
from bot.domain.policy import Policy
from bot.domain.run import steps_for
from bot.domain.severity import Severity
from tests.unit.test_incident_machine import plan_for

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
ALICE, BOB, CAROL, DAN = "UALICE", "UBOB", "UCAROL", "UDAN"
TWO = Policy(quorum=2, approvers=(BOB, CAROL))
ONE = Policy(quorum=1, approvers=(BOB, CAROL))


class Story:
    """An incident that things happen to."""

    def __init__(self, *, checks: tuple[Check, ...] = ()) -> None:
        self.incident: Incident | None = None
        self.now = NOW
        self.happen(
            decide.declare(
                incident_id="inc-20261124-shop-1",
                service="shop",
                by=ALICE,
                source_channel=None,
                wanted=None,
                detected_at=None,
                now=NOW,
            )
        )
        self.plan: Plan = plan_for(self.state, to="v1.2.9").model_copy(update={"checks": checks})
        self.happen(decide.plan_ready(self.state, self.plan, now=NOW))

    @property
    def state(self) -> Incident:
        assert self.incident is not None
        return self.incident

    def happen(self, events: decide.Events) -> decide.Events:
        for event in events:
            self.incident = evolve(self.incident, event)
        return events

    def severity(self, severity: Severity, *, by: str, policy: Policy) -> None:
        self.happen(
            decide.set_severity(
                self.state,
                severity,
                by=by,
                policy=policy,
                policy_so_far=policy,
                forward_fix_after=timedelta(minutes=30),
                steps=steps_for(self.plan, watch=timedelta(minutes=5)),
                now=self.now,
            )
        )

    def approve(self, by: str, policy: Policy) -> None:
        self.happen(
            decide.approve(
                self.state,
                number=self.plan.number,
                digest=self.plan.digest,
                by=by,
                policy=policy,
                steps=steps_for(self.plan, watch=timedelta(minutes=5)),
                now=self.now,
            )
        )


def test_an_outsider_cannot_begin_a_rollback_by_changing_the_severity() -> None:
    story = Story()
    story.severity(Severity.HIGH, by=ALICE, policy=TWO)
    story.approve(BOB, TWO)
    story.severity(Severity.CRITICAL, by=DAN, policy=ONE)
    assert story.state.status is Status.DECIDING
    story.approve(BOB, ONE)
    assert story.state.status is Status.ROLLING_BACK


def test_an_approver_who_changes_the_severity_completes_the_quorum() -> None:
    story = Story()
    story.severity(Severity.HIGH, by=ALICE, policy=TWO)
    story.approve(BOB, TWO)
    story.severity(Severity.CRITICAL, by=CAROL, policy=ONE)
    assert story.state.status is Status.ROLLING_BACK


def test_approvals_do_not_outlive_a_forward_fix() -> None:
    story = Story()
    story.severity(Severity.HIGH, by=ALICE, policy=TWO)
    story.approve(BOB, TWO)
    with pytest.raises(Refusal, match="not among the approvers"):
        story.severity(Severity.MEDIUM, by=ALICE, policy=ONE)
    story.severity(Severity.MEDIUM, by=BOB, policy=ONE)
    story.now += timedelta(hours=4)
    story.severity(Severity.CRITICAL, by=CAROL, policy=ONE)
    assert story.state.status is Status.DECIDING
    record = story.state.record
    assert record is not None
    assert record.approvals == ()


def test_approvals_that_came_to_suffice_while_held_count_when_the_hold_ends() -> None:
    story = Story()
    story.severity(Severity.HIGH, by=ALICE, policy=TWO)
    story.approve(BOB, TWO)
    story.happen(decide.hold(story.state, by=BOB, reason="", policy=TWO, now=NOW))
    story.severity(Severity.CRITICAL, by=ALICE, policy=ONE)
    assert story.state.status is Status.DECIDING
    steps = steps_for(story.plan, watch=timedelta(minutes=5))
    story.happen(decide.release(story.state, by=CAROL, policy=ONE, steps=steps, now=NOW))
    assert story.state.status is Status.ROLLING_BACK


def test_an_expired_plan_is_not_revived_by_a_severity() -> None:
    story = Story()
    story.severity(Severity.HIGH, by=ALICE, policy=TWO)
    story.approve(BOB, TWO)
    story.now += timedelta(minutes=16)
    story.severity(Severity.CRITICAL, by=CAROL, policy=ONE)
    assert story.state.status is Status.DECIDING


def test_a_plan_whose_preflight_failed_cannot_be_approved_and_may_be_replaced() -> None:
    broken = Check(name="restart command", ok=False, detail="/nonexistent is not an executable program")
    story = Story(checks=(broken,))
    story.severity(Severity.HIGH, by=ALICE, policy=ONE)
    with pytest.raises(Refusal, match=r"restart command, /nonexistent is not.* type `/rollback shop` again"):
        story.approve(BOB, ONE)
    story.happen(
        decide.join(story.state, by=ALICE, source_channel=None, wanted=None, policy=ONE, now=story.now)
    )
    assert len(story.state.plans) == 2


def test_what_an_ill_service_alone_may_cause_does_not_stop_its_rollback() -> None:
    silent = Check(name="version can be observed", ok=False, detail="says nothing", required=False)
    story = Story(checks=(silent,))
    story.severity(Severity.HIGH, by=ALICE, policy=ONE)
    story.approve(BOB, ONE)
    assert story.state.status is Status.ROLLING_BACK


def test_a_new_fixer_owns_the_forward_fix() -> None:
    story = Story()
    story.severity(Severity.LOW, by=ALICE, policy=ONE)
    story.happen((e.RoleAssigned(at=NOW, by=ALICE, role="fixer", user=CAROL),))
    assert story.state.forward_fix is not None
    assert story.state.forward_fix.owner == CAROL


def test_whoever_chose_the_version_does_not_approve_it() -> None:
    story = Story()
    story.severity(Severity.HIGH, by=ALICE, policy=ONE)
    story.happen(
        decide.choose_version(
            story.state, wanted="v1.2.8", by=BOB, now=NOW, reason="v1.2.8 was chosen", policy=ONE
        )
    )
    story.plan = plan_for(story.state, to="v1.2.8")
    story.happen(decide.plan_ready(story.state, story.plan, now=NOW))
    with pytest.raises(Refusal, match=r"You chose this version, .* Ask <@UCAROL>"):
        story.approve(BOB, ONE)
    story.happen(decide.world_moved(story.state, number=2, reason="a deploy", now=NOW))
    story.plan = plan_for(story.state, to="v1.2.8")
    story.happen(decide.plan_ready(story.state, story.plan, now=NOW))
    with pytest.raises(Refusal, match="You chose this version"):
        story.approve(BOB, ONE)
    story.approve(CAROL, ONE)
    assert story.state.status is Status.ROLLING_BACK


def test_closing_an_incident_with_an_open_plan_is_to_reject_it() -> None:
    story = Story()
    story.severity(Severity.HIGH, by=ALICE, policy=ONE)
    with pytest.raises(Refusal, match="not among the approvers"):
        decide.close(story.state, by=DAN, summary="", unverified=False, policy=ONE, now=NOW)
    assert decide.close(story.state, by=BOB, summary="", unverified=False, policy=ONE, now=NOW)


def test_a_verified_incident_that_is_ill_again_gets_a_new_plan() -> None:
    story = Story()
    story.severity(Severity.HIGH, by=ALICE, policy=ONE)
    story.approve(BOB, ONE)
    run_id = story.state.runs[0].id
    story.happen((e.IncidentMitigated(at=NOW, run_id=run_id), e.IncidentVerified(at=NOW, run_id=run_id)))
    story.happen(decide.join(story.state, by=DAN, source_channel=None, wanted=None, policy=ONE, now=NOW))
    assert story.state.status is Status.DECIDING
    assert len(story.state.plans) == 2


@pytest.mark.parametrize("took_place", [True, False])
def test_an_incident_whose_rollback_failed_is_no_easier_to_close_than_a_mitigated_one(
    *, took_place: bool
) -> None:
    story = Story()
    story.severity(Severity.HIGH, by=ALICE, policy=ONE)
    story.approve(BOB, ONE)
    run = story.state.run
    assert run is not None
    story.happen(
        (
            e.RollbackFailed(
                at=NOW,
                run_id=run.id,
                outcome=Outcome.FAILED,
                reason="/checkout: 3 of 3 failed",
                safe_state="It serves as before.",
                took_place=took_place,
            ),
        )
    )
    with pytest.raises(Refusal, match=r"to v1\.2\.9, did not succeed, .* `/incident close unverified`"):
        decide.close(story.state, by=BOB, summary="", unverified=False, policy=ONE, now=NOW)
    everything = (decide.ALL,)
    assert decide.close(
        story.state, by=BOB, summary="", unverified=True, accept=everything, policy=ONE, now=NOW
    )
    story.happen(decide.request_plan(story.state, by=BOB, now=NOW))
    assert decide.why_unverified(story.state).startswith("The last rollback")


def test_where_nothing_was_rolled_back_it_is_closed_without_a_word() -> None:
    story = Story()
    story.severity(Severity.HIGH, by=ALICE, policy=ONE)
    assert decide.why_unverified(story.state) == ""
