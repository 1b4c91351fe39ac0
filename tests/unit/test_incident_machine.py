"""Whatever people and the clock do in whatever order, an incident stays lawful."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bot.domain import decide
from bot.domain import events as e
from bot.domain.afterwards import TrafficPart
from bot.domain.backups import Taken
from bot.domain.base import BOT, Refusal
from bot.domain.databases import undecided
from bot.domain.debts import Debt
from bot.domain.evidence import Baseline, BaselineSource, Outcome
from bot.domain.incident import Incident, PlanRecord, PlanState, Status
from bot.domain.left_open import left_open
from bot.domain.lifecycle import evolve, fold
from bot.domain.plan import Changes, ComponentChange, Level, Plan, Warn
from bot.domain.policy import Policy, tally
from bot.domain.ramp import Ramp
from bot.domain.reports import Standing
from bot.domain.run import RAMP, Step, steps_for
from bot.domain.severity import Severity
from bot.domain.verdict import Moment, VerdictTable
from bot.domain.ways_back import Way
from tests.unit.data_worlds import gone, migration, part

PEOPLE = ["UALICE", "UBOB", "UCAROL", "UDAN", "UEVE"]
POLICIES = {
    Severity.CRITICAL: Policy(quorum=1, approvers=("UALICE", "UBOB"), break_glass=True),
    Severity.HIGH: Policy(quorum=2, approvers=("UALICE", "UBOB", "UCAROL")),
    Severity.MEDIUM: Policy(quorum=1, requester_may_approve=True, expires_after=timedelta(minutes=2)),
    Severity.LOW: Policy(quorum=3),
}
DEBTS = [
    Debt(id=f"argocd:{name}", component="web", text=f"{name} is not synced.", until="Give it back.")
    for name in ("shop", "search")
]
AFTER_THE_CLOSE = (
    e.DebtTakenOver,
    e.RepaymentAsked,
    e.DebtKept,
    e.DebtRepaid,
    e.BackupFinished,
    e.BackupFailed,
    e.Paged,
    e.PageFailed,
    e.PageSpared,
    e.PagerTold,
)
SMALL = Warn(level=Level.DANGER, text="It is much smaller than usual.")
people = st.sampled_from(PEOPLE)


def with_database(plan: Plan, record: PlanRecord) -> Plan:
    """The same plan with a database about which somebody has to decide, or has decided."""
    asked = part(migration("0002"))
    chosen = next((way for way in record.ways if way.database == asked.name), None)
    return plan.model_copy(update={"databases": (gone(asked, chosen) if chosen else asked,)})


def plan_for(incident: Incident, *, to: str) -> Plan:
    record = incident.record
    assert record is not None
    change = ComponentChange(
        component="web",
        kind="memory",
        from_version="v1.3.0",
        to_version=to,
        fingerprint=f"f{record.number}",
        actions=("switch",),
        expected_s=1.0,
    )
    return Plan(
        number=record.number,
        service="shop",
        from_version="v1.3.0",
        to_version=to,
        why="test",
        components=(change,),
        changes=Changes(known=False),
        warnings=(),
        checks=(),
        baseline=Baseline(source=BaselineSource.THRESHOLDS),
        candidates=(),
        created_at=record.requested_at,
    )


class IncidentMachine(RuleBasedStateMachine):
    """Commands at random; the invariants hold after each of them."""

    @initialize(by=people)
    def declare(self, by: str) -> None:
        self.now = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
        self.log: list[e.Event] = []
        self.incident: Incident | None = None
        self.record(
            decide.declare(
                incident_id="inc-20261124-shop-1",
                service="shop",
                by=by,
                source_channel="C1",
                wanted=None,
                detected_at=None,
                databases=("orders",),
                now=self.now,
            )
        )

    def record(self, events: decide.Events) -> None:
        for event in events:
            self.incident = evolve(self.incident, event)
            self.log.append(event)
        if self.incident is not None:
            severity = self.incident.severity
            called = decide.page_due(self.incident, events, wanted=Policy().pages(severity))
            for event in called:
                self.incident = evolve(self.incident, event)
                self.log.append(event)

    def attempt(self, decision: Callable[[], decide.Events]) -> None:
        """A refusal is an answer, and it changes nothing."""
        before = self.incident
        try:
            events = decision()
        except Refusal as refusal:
            sentence, events = str(refusal), ()
            assert sentence.strip().endswith((".", "`"))
        self.record(events)
        assert events or self.incident is before

    @property
    def policy(self) -> Policy:
        severity = self.incident.severity if self.incident else None
        return POLICIES[severity or Severity.LOW]

    @rule(minutes=st.integers(0, 20))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        self.attempt(lambda: decide.expire(self.incident, policy=self.policy, now=self.now))
        self.attempt(
            lambda: decide.remind_of_forward_fix(
                self.incident, again_after=timedelta(minutes=30), now=self.now
            )
        )

    @rule(by=people, severity=st.sampled_from(list(Severity)))
    def set_severity(self, by: str, severity: Severity) -> None:
        self.attempt(
            lambda: decide.set_severity(
                self.incident,
                severity,
                by=by,
                policy=POLICIES[severity],
                policy_so_far=self.policy,
                forward_fix_after=timedelta(minutes=30),
                steps=self.steps(),
                now=self.now,
            )
        )

    def steps(self) -> tuple[Step, ...]:
        record = self.incident.record
        return steps_for(record.plan, watch=timedelta(minutes=5)) if record and record.plan else ()

    @rule(to=st.sampled_from(["v1.2.9", "v1.2.8"]), database=st.booleans(), traffic=st.booleans())
    def plan_is_ready(self, to: str, database: bool, traffic: bool) -> None:
        plan = plan_for(self.incident, to=to)
        if traffic:
            plan = plan.model_copy(update={"traffic": TrafficPart(off=True, ramp=Ramp())})
        if database or self.incident.record.ways:
            plan = with_database(plan, self.incident.record)
        self.attempt(lambda: decide.plan_ready(self.incident, plan, now=self.now))

    @rule()
    def plan_is_blocked(self) -> None:
        number = self.incident.record.number
        self.attempt(
            lambda: decide.plan_blocked(self.incident, number=number, reason="no way back", now=self.now)
        )

    @rule(by=people, stale=st.booleans())
    def approve(self, by: str, stale: bool) -> None:
        record = self.incident.record
        digest = "0" * 16 if stale or record.plan is None else record.plan.digest
        number = record.number
        self.attempt(
            lambda: decide.approve(
                self.incident,
                number=number,
                digest=digest,
                by=by,
                policy=self.policy,
                steps=self.steps(),
                now=self.now,
            )
        )

    @precondition(lambda self: self.incident and self.incident.record and self.incident.record.plan)
    @rule(by=people, way=st.sampled_from(list(Way)), stale=st.booleans())
    def choose_way(self, by: str, way: Way, stale: bool) -> None:
        record = self.incident.record
        self.attempt(
            lambda: decide.choose_way(
                self.incident,
                number=record.number,
                digest="0" * 16 if stale else record.plan.digest,
                database="orders",
                way=way,
                by=by,
                policy=self.policy,
                forward_fix_after=timedelta(minutes=30),
                now=self.now,
            )
        )

    @rule(by=people, reason=st.sampled_from(["", "  ", "payments are down"]))
    def break_glass(self, by: str, reason: str) -> None:
        record = self.incident.record
        digest = record.plan.digest if record.plan else ""
        number = record.number
        self.attempt(
            lambda: decide.break_glass(
                self.incident,
                number=number,
                digest=digest,
                by=by,
                reason=reason,
                policy=self.policy,
                steps=self.steps(),
                now=self.now,
            )
        )

    @rule(by=people)
    def reject(self, by: str) -> None:
        number = self.incident.record.number
        self.attempt(
            lambda: decide.reject(
                self.incident, number=number, by=by, reason="", policy=self.policy, now=self.now
            )
        )

    @rule(by=people, wanted=st.sampled_from([None, "v1.2.8"]))
    def choose_version(self, by: str, wanted: str | None) -> None:
        self.attempt(
            lambda: decide.choose_version(
                self.incident, wanted=wanted, by=by, now=self.now, reason="chosen", policy=self.policy
            )
        )

    @rule(by=people, wanted=st.sampled_from([None, "v1.2.9", "v1.2.8"]))
    def join(self, by: str, wanted: str | None) -> None:
        if self.incident.is_open:
            self.attempt(
                lambda: decide.join(
                    self.incident,
                    by=by,
                    source_channel="C2",
                    wanted=wanted,
                    policy=self.policy,
                    now=self.now,
                )
            )

    @rule()
    def world_moves(self) -> None:
        number = self.incident.record.number
        self.attempt(
            lambda: decide.world_moved(self.incident, number=number, reason="a deploy", now=self.now)
        )

    @rule(by=people, users=st.integers(0, 3), standing=st.sampled_from(["still", "again", "gone"]))
    def users_report(self, by: str, users: int, standing: Standing) -> None:
        self.attempt(
            lambda: decide.report_users(
                self.incident,
                by=by,
                text="500",
                users=users,
                standing=standing,
                seen_since=None,
                now=self.now,
            )
        )

    @rule(by=people, place=st.integers(0, 3))
    def a_report_is_taken_back(self, by: str, place: int) -> None:
        reports = self.incident.reports
        wanted = reports[place].id if place < len(reports) else "r0"
        self.attempt(lambda: decide.withdraw_report(self.incident, wanted, by=by, now=self.now))

    @invariant()
    def each_report_counts_once(self) -> None:
        reports = self.incident.reports if getattr(self, "incident", None) else ()
        assert len({one.id for one in reports}) == len(reports)

    @rule(by=people)
    def hold(self, by: str) -> None:
        self.attempt(lambda: decide.hold(self.incident, by=by, reason="", policy=self.policy, now=self.now))

    @rule(by=people)
    def release(self, by: str) -> None:
        self.attempt(
            lambda: decide.release(self.incident, by=by, policy=self.policy, steps=self.steps(), now=self.now)
        )

    @rule(by=people)
    def after_all(self, by: str) -> None:
        self.attempt(lambda: decide.roll_back_after_all(self.incident, by=by, now=self.now))

    @rule(by=people)
    def back_up_again(self, by: str) -> None:
        self.attempt(lambda: decide.back_up_again(self.incident, "orders", by=by, now=self.now))

    @rule(stale=st.booleans(), warnings=st.sampled_from([(), (SMALL,)]))
    def backup_is_there(self, stale: bool, warnings: tuple[Warn, ...]) -> None:
        number = self.incident.backup("orders").number - stale
        taken = Taken(
            id="b", at=self.now, bytes=1, sha256="0" * 64, seconds=1, proof="read", warnings=warnings
        )
        self.attempt(lambda: decide.backup_taken(self.incident, "orders", number, taken, now=self.now))

    @rule(stale=st.booleans())
    def backup_fails(self, stale: bool) -> None:
        number = self.incident.backup("orders").number - stale
        self.attempt(
            lambda: decide.backup_failed(self.incident, "orders", number, "The disk is full.", now=self.now)
        )

    def newest_page(self) -> int:
        return len(self.incident.pages)

    @precondition(lambda self: self.incident.pages)
    @rule(stale=st.booleans(), called=st.booleans(), unknown=st.booleans())
    def page_ends(self, stale: bool, called: bool, unknown: bool) -> None:
        number = self.newest_page() - stale
        if called:
            self.attempt(
                lambda: decide.paged(self.incident, number, through="p", people=(), note="", now=self.now)
            )
        else:
            self.attempt(
                lambda: decide.page_failed(
                    self.incident, number, through="p", reason="No.", unknown=unknown, now=self.now
                )
            )

    @precondition(lambda self: self.incident.pages)
    @rule(by=people)
    def acknowledge(self, by: str) -> None:
        self.attempt(lambda: decide.acknowledge_page(self.incident, by=by, now=self.now))

    @precondition(lambda self: self.incident.pages)
    @rule(action=st.sampled_from(["acknowledge", "resolve"]), works=st.booleans())
    def pager_hears(self, action: str, works: bool) -> None:
        number = self.newest_page()
        if works:
            self.attempt(lambda: decide.pager_told(self.incident, number, action, through="p", now=self.now))
        else:
            self.attempt(
                lambda: decide.pager_not_told(
                    self.incident, number, action, through="p", reason="No.", now=self.now
                )
            )

    @invariant()
    def people_are_called_once_and_again_for_every_relapse(self) -> None:
        begun = [event for event in self.log if isinstance(event, e.PageBegun)]
        assert [event.number for event in begun] == list(range(1, len(begun) + 1))
        assert all(event.why == "relapsed" for event in begun[1:])
        relapses = sum(isinstance(event, e.IncidentRelapsed) for event in self.log)
        assert len(begun) <= relapses + 1
        ended = [
            event.number
            for event in self.log
            if isinstance(event, e.Paged | e.PageSpared)
            or (isinstance(event, e.PageFailed) and event.action == "page")
        ]
        assert len(set(ended)) == len(ended)

    @rule(by=people, decision=st.sampled_from([decide.use_backup, decide.skip_backup]), stale=st.booleans())
    def decide_on_the_backup(self, by: str, decision: Callable[..., decide.Events], stale: bool) -> None:
        number = self.incident.backup("orders").number - stale
        policy, now = self.policy, self.now
        self.attempt(lambda: decision(self.incident, "orders", number=number, by=by, policy=policy, now=now))

    @precondition(lambda self: self.incident and self.incident.runs)
    @rule(taken=st.sets(st.sampled_from(DEBTS)))
    def suspended(self, taken: set[Debt]) -> None:
        self.attempt(lambda: decide.debts_seen(self.incident, tuple(taken), now=self.now))

    @rule(by=people, debt=st.sampled_from(DEBTS), named=st.sampled_from(["id", "key"]))
    def give_back(self, by: str, debt: Debt, named: str) -> None:
        self.attempt(
            lambda: decide.give_back(
                self.incident, getattr(debt, named), by=by, policy=self.policy, now=self.now
            )
        )

    @rule(debt=st.sampled_from(DEBTS), stale=st.booleans())
    def cannot_be_given_back(self, debt: Debt, stale: bool) -> None:
        attempt = next((o.attempt for o in self.incident.debts if o.debt == debt), 0) - stale
        self.attempt(
            lambda: decide.debt_kept(self.incident, debt.id, attempt=attempt, reason="not now", now=self.now)
        )

    @rule(debt=st.sampled_from(DEBTS), by=st.sampled_from([BOT, "UBOB"]))
    def given_back(self, debt: Debt, by: str) -> None:
        self.attempt(lambda: decide.debt_repaid(self.incident, debt.id, by=by, now=self.now))

    @rule(by=people, debt=st.sampled_from(DEBTS))
    def done_by_hand(self, by: str, debt: Debt) -> None:
        self.attempt(
            lambda: decide.given_back_by_hand(self.incident, debt.id, by=by, policy=self.policy, now=self.now)
        )

    @rule(by=people, debt=st.sampled_from(DEBTS))
    def take_over(self, by: str, debt: Debt) -> None:
        self.attempt(lambda: decide.take_over_debt(self.incident, debt.key, by=by, now=self.now))

    @precondition(lambda self: self.incident and self.incident.run and self.incident.run.has(RAMP))
    @rule(share=st.sampled_from([None, 0.0, 0.25, 1.0]), asks=st.booleans())
    def users_come_back(self, share: float | None, asks: bool) -> None:
        run = self.incident.run
        if share is None and self.incident.status is Status.ROLLING_BACK:
            self.record((e.StepStarted(at=self.now, run_id=run.id, step_id=RAMP, detail="begun"),))
        if share is not None:
            self.attempt(lambda: decide.traffic_shifted(self.incident, run.id, share, "why", now=self.now))
        if asks:
            self.attempt(lambda: decide.traffic_asked(self.incident, run.id, "nobody knows", now=self.now))

    @rule(by=people, goes_on=st.booleans())
    def decide_on_traffic(self, by: str, goes_on: bool) -> None:
        decision = decide.continue_traffic if goes_on else decide.stop_traffic
        self.attempt(lambda: decision(self.incident, by=by, policy=self.policy, now=self.now))

    @precondition(lambda self: self.incident and self.incident.status is Status.ROLLING_BACK)
    @rule(outcome=st.sampled_from(list(Outcome)))
    def run_ends(self, outcome: Outcome) -> None:
        run_id = self.incident.run.id
        if outcome is Outcome.SUCCEEDED:
            self.record((e.IncidentMitigated(at=self.now, run_id=run_id),))
        else:
            self.record(
                (
                    e.RollbackFailed(
                        at=self.now, run_id=run_id, outcome=outcome, reason="bad", safe_state="as before"
                    ),
                )
            )

    @precondition(lambda self: self.incident and self.incident.status is Status.MITIGATED)
    @rule(well=st.booleans())
    def watch_ends(self, well: bool) -> None:
        run_id = self.incident.run.id
        event = (
            e.IncidentVerified(at=self.now, run_id=run_id)
            if well
            else e.IncidentRelapsed(at=self.now, run_id=run_id, reason="errors again")
        )
        self.record((event,))

    @precondition(lambda self: self.incident and self.incident.status is Status.MITIGATED)
    @rule(moment=st.sampled_from(list(Moment)), gives_up=st.booleans())
    def is_judged(self, moment: Moment, gives_up: bool) -> None:
        run_id = self.incident.run.id
        self.record(
            (e.VerdictReached(at=self.now, run_id=run_id, table=VerdictTable(moment=moment, at=self.now)),)
        )
        if gives_up and self.incident.run.ended_at is None:
            self.record((e.IncidentLeftUnverified(at=self.now, run_id=run_id, reason="orders unknown"),))

    @rule(by=people, unverified=st.booleans(), accept=st.booleans())
    def close(self, by: str, unverified: bool, accept: bool) -> None:
        left, was_open = left_open(self.incident), self.incident.is_open
        self.attempt(
            lambda: decide.close(
                self.incident,
                by=by,
                summary="",
                unverified=unverified,
                accept=(decide.ALL,) if accept else (),
                policy=self.policy,
                now=self.now,
            )
        )
        if was_open and left and not self.incident.is_open:
            assert accept
            assert left_open(self.incident) == ()

    @invariant()
    def state_is_the_fold_of_its_events(self) -> None:
        if self.incident is not None:
            assert fold(self.log) == self.incident
            assert Incident.model_validate_json(self.incident.model_dump_json()) == self.incident

    @invariant()
    def one_plan_at_most_is_alive(self) -> None:
        if self.incident is not None:
            alive = [r for r in self.incident.plans if r.state in (PlanState.ARMING, PlanState.READY)]
            assert len(alive) <= 1
            assert all(r is self.incident.plans[-1] for r in alive)

    @invariant()
    def a_run_is_under_way_exactly_while_rolling_back(self) -> None:
        if self.incident is not None:
            unfinished = [r for r in self.incident.runs if r.outcome is None]
            assert len(unfinished) == (self.incident.status is Status.ROLLING_BACK)

    @invariant()
    def every_run_was_approved_as_the_policy_wants(self) -> None:
        severity: Severity | None = None
        requester = ""
        for event in getattr(self, "log", []):
            match event:
                case e.IncidentDeclared():
                    requester = event.by
                case e.SeveritySet():
                    severity = event.severity
                case e.RollbackApproved():
                    assert severity is not None
                    policy = POLICIES[severity]
                    assert len(set(event.approved_by)) == len(event.approved_by)
                    if event.break_glass_reason:
                        assert severity is Severity.CRITICAL
                        assert policy.allows(event.by)
                        continue
                    assert len(event.approved_by) >= policy.quorum
                    assert all(policy.allows(u) for u in event.approved_by)
                    assert policy.requester_may_approve or requester not in event.approved_by
                case _:
                    pass

    @invariant()
    def a_quorum_that_is_reached_is_one_word_away_from_its_run(self) -> None:
        """An outsider's change of severity may complete it, but never starts it; one of the approvers can."""
        incident = self.incident
        if incident is None or incident.status is not Status.DECIDING or incident.held_by is not None:
            return
        record = incident.record
        if record is None or record.state is not PlanState.READY or record.plan is None:
            return
        due = decide.expires_at(incident, self.policy)
        count = tally(
            self.policy, record.approvals, requesters=incident.requesters, deciders=incident.deciders
        )
        if count.reached and due is not None and self.now < due:
            events = decide.approve(
                incident,
                number=record.number,
                digest=record.plan.digest,
                by=count.approvals[0],
                policy=self.policy,
                steps=self.steps(),
                now=self.now,
            )
            assert any(isinstance(event, e.RollbackApproved) for event in events)

    @invariant()
    def only_those_who_may_decide_begin_a_run(self) -> None:
        severity: Severity | None = None
        for event in getattr(self, "log", []):
            if isinstance(event, e.SeveritySet):
                severity = event.severity
            elif isinstance(event, e.RollbackApproved):
                assert severity is not None
                assert POLICIES[severity].allows(event.by)

    @invariant()
    def users_come_back_only_as_far_as_approvers_let_them(self) -> None:
        severity: Severity | None = None
        asked = False
        for event in getattr(self, "log", []):
            match event:
                case e.SeveritySet():
                    severity = event.severity
                case e.TrafficAsked():
                    asked = True
                case e.TrafficContinued() | e.TrafficStopped():
                    assert severity is not None
                    assert POLICIES[severity].allows(event.by)
                    assert asked or isinstance(event, e.TrafficStopped)
                    asked = False
                case e.RollbackApproved():
                    asked = False
                case _:
                    pass

    @invariant()
    def nobody_decides_about_a_database_alone(self) -> None:
        if self.incident is None:
            return
        for run in self.incident.runs:
            plan = next(r.plan for r in self.incident.plans if r.number == run.plan_number)
            assert plan is not None
            assert not undecided(plan.databases)
            for decider in plan.deciders:
                assert set(run.approved_by) - {decider}

    @invariant()
    def a_forward_fix_that_was_chosen_has_an_owner(self) -> None:
        if self.incident is not None and self.incident.status is Status.FIXING_FORWARD:
            assert self.incident.forward_fix is not None

    @invariant()
    def nothing_begins_while_held(self) -> None:
        held = False
        for event in getattr(self, "log", []):
            if isinstance(event, e.HoldPlaced):
                held = True
            elif isinstance(event, e.HoldReleased):
                held = False
            else:
                assert not (held and isinstance(event, e.RollbackApproved))

    @invariant()
    def each_debt_is_taken_and_repaid_in_turn(self) -> None:
        open_: set[str] = set()
        tries: set[int] = set()
        for number, event in enumerate(getattr(self, "log", []), start=1):
            match event:
                case e.DebtTaken():
                    assert event.debt.id not in open_
                    open_.add(event.debt.id)
                case e.DebtRepaid():
                    open_.remove(event.debt_id)
                case e.RepaymentAsked():
                    assert event.debt_id in open_
                    tries.add(number)
                case _:
                    pass
        if self.incident is not None:
            assert {owed.debt.id for owed in self.incident.debts} == open_
            assert {o.attempt for o in self.incident.debts} <= tries | {0}

    @invariant()
    def each_backup_is_begun_and_ended_in_turn(self) -> None:
        number, under_way, doubtful = 0, False, False
        severity: Severity | None = None
        for event in getattr(self, "log", []):
            match event:
                case e.SeveritySet():
                    severity = event.severity
                case e.BackupBegun():
                    assert (event.number, under_way) == (number + 1, False)
                    number, under_way, doubtful = event.number, True, False
                case e.BackupFinished() | e.BackupFailed():
                    assert (event.number, under_way) == (number, True)
                    under_way = False
                    doubtful = isinstance(event, e.BackupFinished) and bool(event.backup.dangers)
                case e.BackupAccepted():
                    assert doubtful
                    doubtful = False
                    assert POLICIES[severity or Severity.LOW].allows(event.by)
                case e.BackupSkipped():
                    assert POLICIES[severity or Severity.LOW].allows(event.by)
                case _:
                    pass

    @invariant()
    def what_is_suspended_at_the_close_has_an_owner(self) -> None:
        if self.incident is not None and not self.incident.is_open:
            assert self.incident.unowned == ()

    @invariant()
    def only_those_who_may_decide_have_it_given_back(self) -> None:
        severity: Severity | None = None
        for event in getattr(self, "log", []):
            if isinstance(event, e.SeveritySet):
                severity = event.severity
            elif isinstance(event, e.RepaymentAsked):
                assert severity is not None
                assert POLICIES[severity].allows(event.by)

    @invariant()
    def closed_is_final(self) -> None:
        closed_at = next(
            (i for i, event in enumerate(getattr(self, "log", [])) if isinstance(event, e.IncidentClosed)),
            None,
        )
        if closed_at is not None:
            # What is suspended may still be given back; nothing else happens any more.
            later = self.log[closed_at + 1 :]
            assert all(isinstance(event, AFTER_THE_CLOSE) for event in later)


IncidentMachine.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestIncident = IncidentMachine.TestCase
