"""A staged restore, look by look."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from bot.domain.evidence import EndpointStats, Finding, Outcome
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

T0 = datetime(2026, 11, 25, 12, tzinfo=UTC)
PER_S = 10


def finding(verdict: Outcome = Outcome.SUCCEEDED) -> Finding:
    stats = EndpointStats(endpoint="/health", count=20, errors=0, p50_ms=10, p95_ms=20)
    sentence = "0 % errors, p95 20 ms" if verdict is Outcome.SUCCEEDED else "p95 900 ms (at most 100 ms)"
    return Finding(
        endpoint="/health",
        stats=stats,
        limit_error_rate=0.02,
        limit_p95_ms=100,
        verdict=verdict,
        sentence=sentence,
    )


class Restore:
    """A ramp with a world that does what is decided. Everything may be changed between looks."""

    def __init__(self, ramp: Ramp | None = None, *, share: float | None = 0.0) -> None:
        self.ramp = ramp or Ramp()
        self.at = T0
        self.standing = begun(T0)
        self.share = share
        self.served_share: float | None = None  # None: as configured
        self.error_rate = 0.0
        self.findings: tuple[Finding, ...] = (finding(),)
        self.ready: int | None = 2
        self.measures = True
        self._counts = (0.0, 0.0, 0.0)

    def served(self) -> Served | None:
        to_service, total, errors = (round(each) for each in self._counts)
        if not self.measures:
            return None
        return Served(at=self.at, to_service=to_service, total=total, errors=errors, service_errors=errors)

    def counters_begin_anew(self) -> None:
        self._counts = (0.0, 0.0, 0.0)

    def look(self, seconds: float = 0.0, said: Said | None = None) -> Decision:
        """What is decided after so many seconds; what is decided is done."""
        self.at += timedelta(seconds=seconds)
        share = (self.share or 0.0) if self.served_share is None else self.served_share
        total = PER_S * seconds
        self._counts = tuple(
            a + b
            for a, b in zip(
                self._counts, (total * share, total, total * share * self.error_rate), strict=True
            )
        )
        look = Look(
            at=self.at,
            share=self.share,
            ready=self.ready,
            wanted=2,
            served=self.served(),
            findings=self.findings,
            said=said,
        )
        # What a restarted bot has of it.
        self.standing = Standing.model_validate_json(self.standing.model_dump_json())
        self.standing, decision = next_step(self.ramp, self.standing, look)
        if decision.moves:
            self.share = decision.share
            self.standing = arrived(self.standing, decision, self.at, self.served())
        return decision

    def until(self, *actions: Action, every_s: float = 10.0) -> Decision:
        for _ in range(1000):
            decision = self.look(every_s)
            if decision.action in actions:
                return decision
        raise AssertionError(f"none of {actions} came")


def test_every_stage_is_soaked_and_then_it_is_done() -> None:
    restore = Restore()
    shares, times = [], []
    while (decision := restore.look(10)).action is not Action.DONE:
        if decision.moves:
            shares.append(decision.share)
            times.append(restore.at)
    assert shares == [0.1, 0.25, 0.5, 1.0]
    soaks = [later - earlier for earlier, later in zip(times, [*times[1:], restore.at], strict=True)]
    assert all(timedelta(minutes=2) <= soak <= timedelta(minutes=3) for soak in soaks), soaks
    assert decision.sentence == "traffic is back, verified"
    assert restore.look(10).action is Action.DONE


def test_it_begins_from_wherever_traffic_is() -> None:
    for share in (0.0, 1.0, None):
        decision = Restore(share=share).look()
        assert (decision.action, decision.share) == (Action.GO_ON, 0.1)


def test_what_is_asked_for_is_not_believed() -> None:
    restore = Restore()
    restore.look()
    restore.served_share = 0.5  # sticky sessions, say
    decision = restore.until(Action.STEP_BACK, Action.GO_ON)
    assert (decision.action, decision.share) == (Action.STEP_BACK, 0.0)
    assert "50 % of" in decision.sentence
    assert "asked for: 10 %" in decision.sentence


def test_errors_take_it_back_to_the_stage_before_and_then_it_tries_once_more() -> None:
    restore = Restore()
    while restore.share != 0.5:
        restore.look(10)
    restore.error_rate = 0.2
    decision = restore.look(10)
    assert (decision.action, decision.share) == (Action.STEP_BACK, 0.25)
    assert "errors: 10 of 50 requests failed" in decision.sentence
    restore.error_rate = 0.0
    assert restore.until(Action.GO_ON).share == 0.5
    restore.error_rate = 0.2
    decision = restore.look(10)
    assert (decision.action, decision.share) == (Action.STEP_BACK, 0.25)
    assert "and people are asked" in decision.sentence
    restore.error_rate = 0.0
    assert restore.look(1000).action is Action.ASK
    assert restore.look(1000, Said.CONTINUE).action is Action.GO_ON


def test_back_to_zero_where_that_is_wanted() -> None:
    restore = Restore(Ramp(back_to=BackTo.ZERO))
    while restore.share != 0.5:
        restore.look(10)
    restore.findings = (finding(Outcome.FAILED),)
    decision = restore.look(10)
    assert (decision.action, decision.stage, decision.share) == (Action.STEP_BACK, -1, 0.0)
    assert "probes: /health: p95 900 ms" in decision.sentence
    restore.findings = (finding(),)
    assert restore.look(10).action is Action.WAIT  # not again at once
    assert restore.until(Action.GO_ON).share == 0.1


def test_no_healthy_backend_takes_it_back() -> None:
    restore = Restore()
    restore.look()
    restore.ready = 0
    decision = restore.look(10)
    assert (decision.action, decision.sentence) == (
        Action.STEP_BACK,
        "back to 0 %: backends: none of 2 backends is healthy",
    )


def test_it_does_not_begin_on_what_is_ill() -> None:
    restore = Restore()
    restore.findings = (finding(Outcome.FAILED),)
    assert restore.look(10).action is Action.WAIT
    assert restore.until(Action.ASK).sentence.startswith("it cannot begin: probes:")
    assert restore.share == 0.0


def test_without_measurements_it_asks_and_people_stand_for_it() -> None:
    restore = Restore()
    restore.measures = False
    for share in (0.1, 0.25, 0.5, 1.0):
        assert restore.share == share or restore.look().share == share
        decision = restore.until(Action.ASK, Action.GO_ON, Action.DONE)
        assert decision.action is Action.ASK
        assert "share served: what was served was not measured" in decision.sentence
        decision = restore.look(10, Said.CONTINUE)
    assert decision.action is Action.DONE
    assert "accepted by people" in decision.sentence


def test_probes_that_are_missing_are_not_good() -> None:
    restore = Restore()
    restore.look()
    restore.findings = ()
    decision = restore.until(Action.ASK, Action.GO_ON)
    assert (decision.action, decision.sentence) == (
        Action.ASK,
        "not verified: probes: no probe of the service",
    )


def test_few_requests_are_waited_for() -> None:
    restore = Restore(Ramp(stages=(Stage(share=1.0, soak=timedelta(seconds=1)),)))
    restore.look()
    decision = restore.look(1.5)  # all 15 of 15 requests are not enough to be certain
    assert (decision.action, decision.sentence.startswith("not verified yet: ")) == (Action.WAIT, True)
    assert restore.until(Action.DONE, Action.ASK, every_s=1).action is Action.DONE


def test_counters_that_begin_anew_begin_the_soak_anew() -> None:
    restore = Restore()
    restore.look()
    restore.look(115)
    restore.counters_begin_anew()
    assert restore.look(10).action is Action.WAIT
    assert restore.look(60).action is Action.WAIT
    assert restore.look(70).action is Action.GO_ON


def test_held_it_does_not_go_up_and_still_steps_back() -> None:
    restore = Restore()
    restore.look()
    assert restore.look(10, Said.HOLD).sentence == "people hold it"
    assert restore.look(100_000).action is Action.WAIT
    assert restore.look(10, Said.CONTINUE).share == 0.25
    restore.look(10, Said.HOLD)
    restore.error_rate = 0.5
    assert restore.look(10).action is Action.STEP_BACK


def test_after_a_long_time_that_went_well_new_errors_show() -> None:
    restore = Restore()
    restore.look()
    restore.look(10, Said.HOLD)
    for _ in range(600):
        restore.look(60)
    restore.error_rate = 0.3
    began = restore.at
    restore.until(Action.STEP_BACK)
    # Ten hours that went well, and 1 request of the service a second.
    assert restore.at - began <= timedelta(minutes=2)


def test_continue_does_not_overrule_what_fails() -> None:
    restore = Restore(Ramp(fast=True))
    restore.look()
    restore.error_rate = 0.5
    assert restore.look(30).action is Action.ASK
    assert restore.look(30, Said.CONTINUE).action is Action.ASK
    restore.error_rate = 0.0
    restore.counters_begin_anew()
    restore.look(30, Said.CONTINUE)
    assert restore.until(Action.DONE, Action.STEP_BACK).action is Action.DONE


def test_continue_does_not_shorten_a_soak() -> None:
    restore = Restore()
    restore.look()
    assert restore.look(60, Said.CONTINUE).action is Action.WAIT


def test_somebody_elses_share_is_asked_about() -> None:
    restore = Restore()
    restore.look()
    restore.share = 0.9
    decision = restore.look(10)
    assert (decision.action, decision.sentence) == (
        Action.ASK,
        "somebody else has set traffic to 90 %, not to 10 %",
    )


def test_fast_goes_from_error_to_good_at_once() -> None:
    restore = Restore(Ramp(fast=True))
    decision = restore.look()
    assert (decision.action, decision.share) == (Action.GO_ON, 1.0)
    assert restore.look(10).action is Action.DONE


def test_fast_sends_no_more_than_there_is_capacity_for() -> None:
    restore = Restore(Ramp(fast=True))
    restore.ready = 0
    assert restore.look(1).action is Action.WAIT
    restore.ready = 1
    decision = restore.look(1)
    assert (decision.action, decision.share) == (Action.GO_ON, 0.5)
    decision = restore.look(1)
    assert decision.sentence == "1 of 2 backends are healthy, which is enough for no more"
    restore.ready = 2
    assert restore.look(1).share == 1.0


def test_fast_never_steps_back_to_an_error() -> None:
    restore = Restore(Ramp(fast=True))
    restore.look()
    restore.error_rate = 0.3
    decision = restore.look(30)
    assert decision.action is Action.ASK
    assert decision.sentence.endswith("there is nothing better to go back to")
    assert restore.share == 1.0


@pytest.mark.parametrize("shares", [(), (0.5, 0.25), (0.5, 0.5), (0.0, 1.0), (0.5, 1.1)])
def test_stages_have_to_rise(shares: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError):
        Ramp.model_validate({"stages": [{"share": share, "soak": 60} for share in shares]})


def test_a_question_keeps_its_reason() -> None:
    restore = Restore()
    restore.until(Action.GO_ON)
    restore.findings = ()
    first = restore.until(Action.ASK)
    assert "no probe of the service" in first.sentence
    restore.findings = (finding(),)
    assert restore.look(10).sentence == first.sentence
    assert restore.look(10, Said.CONTINUE).action is not Action.ASK
    assert restore.standing.why == ""
