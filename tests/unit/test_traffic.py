"""What is decided about users who are taken off and brought back, what is owed to them, and where a run leaves them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from bot.catalog.model import Adapter
from bot.catalog.model import Traffic as Configured
from bot.domain import decide
from bot.domain import events as e
from bot.domain.afterwards import (
    UNSEEN,
    CachePart,
    TrafficPart,
    TrafficState,
    cache_of,
    is_all,
    is_of_traffic,
    is_suspension,
    kept_users,
    stale_cache,
)
from bot.domain.base import Refusal
from bot.domain.databases import DatabasePart
from bot.domain.evidence import Baseline, BaselineSource, EndpointStats, Finding, Outcome
from bot.domain.incident import Incident, PlanState, Status
from bot.domain.lifecycle import evolve, fold
from bot.domain.plan import Changes, ComponentChange, Plan
from bot.domain.policy import Policy
from bot.domain.ramp import Ramp, Stage
from bot.domain.run import OFF, PROVE, RAMP, WATCH, Run, StepState, apply_step, cache_step, steps_for
from bot.domain.severity import Severity
from bot.ports import OutcomeUnknown, Refused, Unavailable
from bot.ports.traffic import ShiftPlan
from bot.usecases.around_parts import Around, in_stages
from bot.usecases.nudges import ASKED_AGAIN_MOST, due_question
from bot.views.traffic_card import traffic_card, traffic_nudge
from bot.views.wording import next_step
from bot.workflows import shifting
from bot.workflows.ascent import starting_at
from bot.workflows.giving_up import Stage as Where
from bot.workflows.shifting import set_share
from bot.workflows.users import while_coming_back
from bot.workflows.verdict import how_it_ended, stage_of
from tests.fakes.traffic import MemoryTraffic
from tests.unit.data_worlds import migration, part

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
POLICY = Policy(approvers=("UBOB",))
SOAK = timedelta(seconds=90)
RAMP_ = Ramp(stages=tuple(Stage(share=share, soak=SOAK) for share in (0.25, 0.5, 1.0)))
TRAFFIC = TrafficPart(off=True, ramp=RAMP_, actions=("bring users back",))
CDN = CachePart(name="cdn", paths=("/*",), actions=("forget",))


def plan_of(
    traffic: TrafficPart | None = TRAFFIC,
    caches: Sequence[CachePart] = (CDN,),
    databases: Sequence[DatabasePart] = (),
) -> Plan:
    change = ComponentChange(
        component="web",
        kind="memory",
        from_version="v1.3.0",
        to_version="v1.2.9",
        fingerprint="f",
        actions=("switch",),
        expected_s=1.0,
    )
    return Plan(
        number=1,
        service="shop",
        from_version="v1.3.0",
        to_version="v1.2.9",
        why="test",
        components=(change,),
        changes=Changes(known=False),
        warnings=(),
        checks=(),
        baseline=Baseline(source=BaselineSource.THRESHOLDS),
        candidates=(),
        created_at=NOW,
        databases=tuple(databases),
        traffic=traffic,
        caches=tuple(caches),
    )


def rolling_back(*more: e.Event, ramping: bool = True) -> Incident:
    """Its run is bringing users back, unless it has not come so far."""
    plan = plan_of()
    run_id = "inc-20261124-shop-1-run-1"
    events: list[e.Event] = [
        e.IncidentDeclared(
            at=NOW,
            by="UALICE",
            incident_id="inc-20261124-shop-1",
            service="shop",
            source_channel=None,
            wanted=None,
            detected_at=None,
        ),
        e.PlanRequested(at=NOW, number=1, reason=""),
        e.SeveritySet(at=NOW, by="UALICE", severity=Severity.HIGH),
        e.PlanReady(at=NOW, plan=plan),
        e.RollbackApproved(
            at=NOW,
            by="UBOB",
            number=1,
            digest=plan.digest,
            run_id=run_id,
            approved_by=("UBOB",),
            steps=steps_for(plan, watch=timedelta(minutes=5)),
        ),
    ]
    if ramping:
        events.append(e.StepStarted(at=NOW, run_id=run_id, step_id=RAMP, detail=""))
    return fold((*events, *more))


RUN = rolling_back().runs[0].id
ASKED = e.TrafficAsked(at=NOW, run_id=RUN, sentence="nobody knows")


def applied(incident: Incident, events: decide.Events) -> TrafficState:
    for event in events:
        incident = evolve(incident, event)
    return incident.runs[0].traffic


def test_what_is_done_around_it_is_in_the_digest_and_nothing_where_there_is_nothing() -> None:
    digests = {
        plan_of().digest,
        plan_of(TRAFFIC.model_copy(update={"off": False})).digest,
        plan_of(TRAFFIC.model_copy(update={"ramp": Ramp()})).digest,
        plan_of(caches=()).digest,
        plan_of(caches=(CDN.model_copy(update={"paths": ("/images/*",)}),)).digest,
        plan_of(None).digest,
        plan_of(None, ()).digest,
    }
    assert len(digests) == 7
    kept = plan_of(None, ()).model_dump(mode="json", exclude={"traffic", "caches"})
    assert Plan.model_validate(kept).digest == plan_of(None, ()).digest


def test_the_checklist_has_it_in_the_order_in_which_it_is_done() -> None:
    def ids(plan: Plan) -> list[str]:
        return [step.id for step in steps_for(plan, watch=timedelta(minutes=5))]

    assert ids(plan_of()) == [OFF, apply_step("web"), PROVE, cache_step("cdn"), RAMP, WATCH]
    assert ids(plan_of(TRAFFIC.model_copy(update={"off": False}), ())) == [
        apply_step("web"),
        PROVE,
        RAMP,
        WATCH,
    ]
    assert ids(plan_of(None, ())) == [apply_step("web"), PROVE, WATCH]


def test_who_may_let_it_go_on_and_when() -> None:
    with pytest.raises(Refusal, match="not being brought back"):
        decide.continue_traffic(rolling_back(ramping=False), by="UBOB", policy=POLICY, now=NOW)
    with pytest.raises(Refusal, match="goes on by itself"):
        decide.continue_traffic(rolling_back(), by="UBOB", policy=POLICY, now=NOW)
    with pytest.raises(Refusal, match="not among the approvers"):
        decide.continue_traffic(rolling_back(ASKED), by="UALICE", policy=POLICY, now=NOW)
    held = rolling_back(ASKED, e.HoldPlaced(at=NOW, by="UALICE", reason=""))
    with pytest.raises(Refusal, match="on hold"):
        decide.continue_traffic(held, by="UBOB", policy=POLICY, now=NOW)
    events = decide.continue_traffic(rolling_back(ASKED), by="UBOB", policy=POLICY, now=NOW)
    assert events == (e.TrafficContinued(at=NOW, by="UBOB", run_id=RUN),)
    assert applied(rolling_back(ASKED), events) == TrafficState(asks=1, continued=1)


def test_who_may_stop_it_once() -> None:
    with pytest.raises(Refusal, match="not among the approvers"):
        decide.stop_traffic(rolling_back(), by="UALICE", policy=POLICY, now=NOW)
    events = decide.stop_traffic(rolling_back(ASKED), by="UBOB", policy=POLICY, now=NOW)
    assert applied(rolling_back(ASKED), events) == TrafficState(asks=1, stopped_by="UBOB")
    stopped = rolling_back(ASKED, *events)
    assert decide.stop_traffic(stopped, by="UBOB", policy=POLICY, now=NOW) == ()
    assert decide.traffic_asked(stopped, RUN, "again", now=NOW) == ()
    with pytest.raises(Refusal, match="stopped already"):
        decide.continue_traffic(stopped, by="UBOB", policy=POLICY, now=NOW)


def test_what_was_set_is_written_down_once_and_what_it_was_before_is_kept() -> None:
    def shift(incident: Incident, share: float, *, back: bool = False) -> decide.Events:
        return decide.traffic_shifted(incident, RUN, share, "why", now=NOW, before=share + 1, back=back)

    first = shift(rolling_back(), 0.0)
    assert shift(rolling_back(*first), 0.0) == ()
    second = shift(rolling_back(*first), 0.5)
    third = shift(rolling_back(*first, *second), 0.25, back=True)
    state = rolling_back(*first, *second, *third).runs[0].traffic
    assert state == TrafficState(share=0.25, before=1.0, moves=3, failures=1)
    ended = rolling_back(
        e.RollbackFailed(at=NOW, run_id=RUN, outcome=Outcome.FAILED, reason="", safe_state="")
    )
    assert shift(ended, 0.5) == ()


def test_what_is_owed_says_how_many_users_and_is_news_only_where_it_changes() -> None:
    half, none, unknown = kept_users("shop", 0.5), kept_users("shop", 0.0), kept_users("shop", None)
    assert "Only 50 % of the traffic reaches shop" in half.text
    assert "No user reaches shop" in none.text
    assert "could not be seen" in unknown.text
    assert {half.id, none.id, unknown.id} == {"traffic:shop"}
    assert is_of_traffic(half)
    assert not is_suspension(half.id)
    cache = stale_cache("shop", "cdn", "It declined.")
    assert (cache_of(cache), cache_of(half)) == ("cdn", None)
    assert is_suspension("argocd:argocd/shop")
    incident = rolling_back(e.DebtTaken(at=NOW, debt=half))
    assert decide.still_owed(incident, (half,), now=NOW) == ()
    assert decide.still_owed(incident, (none,), now=NOW) == (e.DebtTaken(at=NOW, debt=none),)


@pytest.mark.parametrize(
    ("share", "stages", "stage"),
    [
        (None, (0.25, 0.5, 1.0), -1),
        (0.0, (0.25, 0.5, 1.0), -1),
        (0.004, (0.25, 0.5, 1.0), -1),
        (0.246, (0.25, 0.5, 1.0), 0),
        (0.5, (0.25, 0.5, 1.0), 1),
        (0.4, (0.25, 0.4, 0.5, 1.0), 1),
        (0.1, (0.1, 0.25, 0.5, 1.0), 0),
        (1.0, (0.25, 0.5, 1.0), 2),
    ],
)
def test_a_ramp_begins_from_wherever_it_is(
    share: float | None, stages: tuple[float, ...], stage: int
) -> None:
    ramp, at = starting_at(RAMP_, share)
    assert (tuple(s.share for s in ramp.stages), at) == (stages, stage)
    assert {s.soak for s in ramp.stages} == {SOAK}


@pytest.mark.parametrize(
    ("maintenance", "changes", "off"),
    [
        ("never", True, False),
        ("when data changes", False, False),
        ("when data changes", True, True),
        ("always", False, True),
    ],
)
def test_when_users_see_the_maintenance_page(maintenance: str, changes: bool, off: bool) -> None:
    databases = [part(migration("0002"))] if changes else []
    databases = [d.model_copy(update={"way": "down migration"}) for d in databases]
    adapter = Adapter(kind="memory", settings=RAMP_)
    around = Around(TRAFFIC.model_copy(update={"off": False}))
    decided = around.with_data(databases, Configured(adapter, RAMP_, maintenance))
    assert decided.traffic is not None
    assert decided.traffic.off is off


def test_the_card_says_how_users_come_back() -> None:
    assert (
        in_stages(RAMP_)
        == "Bring users back in stages of 25 %, 50 %, 100 %, each of which has to go well for 1 min 30 s"
    )
    fast = RAMP_.model_copy(update={"fast": True})
    assert (
        in_stages(fast)
        == "Bring users back as fast as healthy backends allow: 25 %, 50 %, 100 %, without soaks"
    )


def ended(**states: StepState) -> Run:
    """Of a run with these ends; `off`, `apply`, `prove`, `cache`, `ramp`. What is not named has not begun."""
    names = {"off": OFF, "apply": apply_step("web"), "prove": PROVE, "cache": cache_step("cdn"), "ramp": RAMP}
    run = rolling_back(ramping=False).runs[0]
    for name, state in states.items():
        changes = {"state": state, "started_at": NOW, "finished_at": NOW, "detail": f"{name} {state}"}
        run = run.with_step(names[name], **changes, untouched=name == "off")
    return run


GOOD, BAD, UNKNOWN = StepState.SUCCEEDED, StepState.FAILED, StepState.UNKNOWN


def test_what_went_wrong_beside_it_is_not_the_reason_unless_nothing_else_is() -> None:
    run = ended(off=UNKNOWN, apply=BAD)
    assert how_it_ended(run) == (Outcome.FAILED, "Take web back to v1.2.9: apply failed")
    assert stage_of(run, plan_of()) is Where.APPLY
    alone = ended(off=UNKNOWN)
    assert how_it_ended(alone)[0] is Outcome.UNKNOWN
    assert stage_of(alone, plan_of()) is Where.UNTOUCHED


def test_a_ramp_that_ends_ill_blames_nobody_unless_probes_do() -> None:
    run = ended(off=GOOD, apply=GOOD, prove=GOOD, cache=BAD, ramp=BAD)
    assert stage_of(run, plan_of()) is Where.RAMP
    assert how_it_ended(run) == (Outcome.FAILED, "Bring users back: ramp failed")
    decided = while_coming_back(run, Outcome.FAILED)
    assert (decided.go_back, decided.target_is_bad) == (False, False)
    stats = EndpointStats(endpoint="/", count=9, errors=5, p50_ms=1, p95_ms=1)
    finding = Finding(
        endpoint="/",
        stats=stats,
        limit_error_rate=0.02,
        limit_p95_ms=1,
        verdict=Outcome.FAILED,
        sentence="5 of 9 failed",
    )
    ill = run.model_copy(update={"findings": (finding,)})
    decided = while_coming_back(ill, Outcome.FAILED)
    assert (decided.go_back, decided.target_is_bad) == (False, True)
    decided = while_coming_back(ill, Outcome.UNKNOWN)
    assert (decided.go_back, decided.target_is_bad) == (False, False)


def test_nearly_everybody_is_everybody() -> None:
    assert [is_all(share) for share in (None, 0.0, 0.98, 0.995, 1.0)] == [False, False, False, True, True]


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shifting, "LOOK_AGAIN_S", 0.01)


@pytest.mark.usefixtures("patient")
async def test_a_share_is_set_once_whatever_becomes_of_the_answer() -> None:
    traffic = MemoryTraffic()
    traffic.failing = [Unavailable("It is busy.", retry_after_s=0.01)]
    seen = await set_share(traffic, 0.25, "k", insist_s=5)
    assert seen.share == 0.25
    traffic.ready = 0
    with pytest.raises(Refused, match="No backend is healthy"):
        await set_share(traffic, 1.0, "k", insist_s=5)
    assert traffic.shifts == [0.25]


@pytest.mark.usefixtures("patient")
async def test_what_is_not_known_stays_so_where_it_cannot_be_looked_at_later() -> None:
    """The shift's answer is lost, and from then on nothing answers."""
    traffic = MemoryTraffic()
    gone = [Unavailable("It is gone.", retry_after_s=0.01)] * 100
    # Asked in turn: for the plan, which is given, for the shift, which is done, and for the plan again.
    plan = traffic.plan

    async def planned(share: float) -> ShiftPlan:
        found = await plan(share)
        traffic.failing = [OutcomeUnknown("The answer was lost."), *gone] if not traffic.shifts else gone
        return found

    traffic.plan = planned  # type: ignore[method-assign]  # breaks down once it was asked
    with pytest.raises(OutcomeUnknown, match="gone"):
        await set_share(traffic, 0.5, "k", insist_s=0.1)
    assert traffic.shifts == [0.5]


@pytest.mark.usefixtures("patient")
async def test_what_is_not_known_stays_so_where_it_is_refused_later() -> None:
    traffic = MemoryTraffic()
    declined = Refused("The socket may not be written.", remedy="Grant it.")
    traffic.failing = [OutcomeUnknown("The answer was lost."), declined]
    with pytest.raises(OutcomeUnknown, match=r"may not be written\. Grant it"):
        await set_share(traffic, 0.5, "k", insist_s=5)


@pytest.mark.usefixtures("patient")
async def test_it_is_not_tried_again_before_it_can_have_come_to_its_end() -> None:
    traffic = MemoryTraffic()
    traffic.failing = [OutcomeUnknown("It is under way.", retry_after_s=10.0)]
    with pytest.raises(OutcomeUnknown, match="under way"):
        await set_share(traffic, 0.5, "k", insist_s=5)
    assert traffic.shifts == []


def test_whose_move_it_is() -> None:
    assert decide.is_coming_back(rolling_back())
    assert not decide.is_coming_back(rolling_back(ramping=False))
    assert rolling_back().status is Status.ROLLING_BACK


def test_the_question_calls_those_who_can_answer_and_is_asked_again_and_again() -> None:
    asked = rolling_back(ASKED)
    run = asked.runs[0]
    assert "<@UBOB>" in str(traffic_card(asked, run).blocks)
    minutes = (0, 4.9, 5, 14.9, 15, 35, 75, 10_000)
    due = [due_question(asked, run, now=NOW + timedelta(minutes=m)) for m in minutes]
    assert due == [0, 0, 1, 1, 2, 3, 4, ASKED_AGAIN_MOST]
    assert "<@UBOB> kaeru still waits" in traffic_nudge(asked, run).text


def test_nobody_is_reminded_of_what_is_not_asked() -> None:
    later = NOW + timedelta(hours=1)
    answered = rolling_back(ASKED, e.TrafficContinued(at=NOW, run_id=RUN, by="UBOB"))
    held = rolling_back(ASKED, e.HoldPlaced(at=NOW, by="UBOB", reason=""))
    for incident in (rolling_back(), answered, held):
        assert due_question(incident, incident.runs[0], now=later) == 0


def test_whoever_closes_is_told_that_kaeru_waits_for_an_answer() -> None:
    with pytest.raises(Refusal, match="press Continue or Stop"):
        decide.close(rolling_back(ASKED), by="UBOB", summary="", unverified=True, policy=POLICY, now=NOW)


def test_a_share_that_cannot_be_seen_is_not_stated_and_the_question_ends_once_it_is_seen() -> None:
    half = e.TrafficShifted(at=NOW, run_id=RUN, share=0.5, sentence="on")
    blind = rolling_back(
        half, e.TrafficAsked(at=NOW, run_id=RUN, sentence=f"Since 12:00 {UNSEEN}: revive it.")
    )
    shown = str(traffic_card(blind, blind.runs[0]).blocks)
    assert "was 50 % when it was last seen" in shown
    assert "50 % of the traffic reaches" not in shown
    assert decide.traffic_asked(blind, RUN, f"Since 12:01 {UNSEEN}: still.", now=NOW) == ()
    assert len(decide.traffic_asked(blind, RUN, "not verified: probes", now=NOW)) == 1
    seen = evolve(blind, e.TrafficShifted(at=NOW, run_id=RUN, share=1.0, sentence="on"))
    assert seen.runs[0].traffic.asked == ""


def test_the_balancer_is_looked_at_before_a_plan_is_chosen() -> None:
    owed = e.DebtTaken(at=NOW, debt=kept_users("shop", None))
    incident = rolling_back(owed)
    record = incident.plans[-1].model_copy(update={"state": PlanState.BLOCKED})
    blocked = incident.model_copy(
        update={"status": Status.DECIDING, "plans": (*incident.plans[:-1], record), "service": "shop"}
    )
    said = next_step(blocked, POLICY)
    assert said.startswith("Users are kept from the service (traffic:shop): see that the balancer answers")


def test_the_next_step_says_that_the_balancer_cannot_be_seen() -> None:
    blind = e.StepStarted(at=NOW, run_id=RUN, step_id=RAMP, detail=f"Since 12:00 {UNSEEN}: revive it.")
    assert next_step(rolling_back(blind), POLICY).startswith("Look at the balancer: Since 12:00")
