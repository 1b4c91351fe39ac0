"""What is decided about restores: two people, one plan, one restore at a time."""

from datetime import timedelta

import pytest

from bot.domain import decide
from bot.domain import events as e
from bot.domain.base import Refusal
from bot.domain.evidence import Outcome
from bot.domain.incident import Incident
from bot.domain.lifecycle import evolve, fold
from bot.domain.narrate import narrate
from bot.domain.plan import Check
from bot.domain.policy import Policy
from bot.domain.restores import RestorePlan, RestoreState, Shelved, chosen
from bot.usecases.due import PLAN_RESTORE, RESTORE, due_workflows
from bot.views.restore_card import on_the_shelf
from tests import story
from tests.story import ALICE, BOB, CAROL, at

NOW = at("14:19:00")
POLICY = Policy(approvers=(ALICE, BOB, CAROL), requester_may_approve=False)
PLAN = RestorePlan(
    backup="b-1", into="shop", replaces=True, actions=("Restore it.",), fingerprint="f", lost_since=NOW
)


def grown(incident: Incident, *events: e.Event) -> Incident:
    for event in events:
        incident = evolve(incident, event)
    return incident


def asked() -> Incident:
    incident = fold(story.events()[:2])
    return grown(incident, *ask(incident))


def ask(incident: Incident) -> tuple[e.Event, ...]:
    return decide.ask_restore(
        incident, database="shop", backup="", into="", replace=True, by=ALICE, policy=POLICY, now=NOW
    )


def planned(plan: RestorePlan = PLAN) -> Incident:
    return grown(asked(), *decide.restore_planned(asked(), 1, plan, (), now=NOW))


def agree(incident: Incident, by: str, **otherwise: object) -> tuple[e.Event, ...]:
    said: dict[str, object] = {"digest": incident.restore(1).digest, "policy": POLICY, "now": NOW}
    return decide.approve_restore(incident, number=1, by=by, **{**said, **otherwise})  # type: ignore[arg-type]  # the defaults are of the right types


def test_two_different_people_have_to_agree_and_whoever_asked_may_be_one() -> None:
    once = grown(planned(), *agree(planned(), ALICE))
    assert once.restore(1).state is RestoreState.READY
    with pytest.raises(Refusal, match="a second person has to"):
        agree(once, ALICE)
    both = agree(once, BOB)
    assert [type(event) for event in both] == [e.RestoreApproved, e.RestoreBegun]
    assert grown(once, *both).restoring is not None


def test_one_person_is_not_enough_whatever_the_policy_says() -> None:
    alone = Policy(quorum=1, requester_may_approve=True, break_glass=True)
    (given,) = agree(planned(), ALICE, policy=alone)
    assert isinstance(given, e.RestoreApproved)


def test_an_agreement_counts_only_of_people_who_may_decide_by_now() -> None:
    once = grown(planned(), *agree(planned(), ALICE))
    (given,) = agree(once, BOB, policy=Policy(approvers=(BOB, CAROL)))
    assert isinstance(given, e.RestoreApproved)
    with pytest.raises(Refusal, match="not among the approvers"):
        agree(once, "U0DAN")


@pytest.mark.parametrize(
    ("incident", "otherwise", "sentence"),
    [
        (asked(), {}, "still being made"),
        (planned(), {"digest": "0" * 16}, "older plan"),
        (grown(planned(), e.HoldPlaced(at=NOW, by=CAROL)), {}, "put this on hold"),
        (planned(), {"now": NOW + timedelta(hours=1)}, "has expired"),
        (
            planned(PLAN.model_copy(update={"checks": (Check(name="rights", ok=False, detail="none"),)})),
            {},
            "would fail: rights, none",
        ),
    ],
)
def test_what_cannot_be_agreed_to_says_why(
    incident: Incident, otherwise: dict[str, object], sentence: str
) -> None:
    with pytest.raises(Refusal, match=sentence):
        agree(incident, BOB, **otherwise)


def test_what_is_planned_is_part_of_the_digest() -> None:
    other = planned(PLAN.model_copy(update={"fingerprint": "g"}))
    assert other.restore(1).digest != planned().restore(1).digest
    longer = planned(PLAN.model_copy(update={"expected_s": 3.0}))
    assert longer.restore(1).digest == planned().restore(1).digest


def test_while_it_runs_nothing_else_is_begun_and_nothing_is_closed() -> None:
    running = grown(planned(), *agree(planned(), BOB))
    running = grown(running, *agree(running, CAROL))
    with pytest.raises(Refusal, match="under way"):
        ask(running)
    with pytest.raises(Refusal, match="under way"):
        decide.close(running, by=BOB, summary="", unverified=True, policy=POLICY, now=NOW)
    done = grown(running, *decide.restore_ended(running, 1, Outcome.SUCCEEDED, "It is back.", now=NOW))
    assert done.restoring is None
    assert decide.restore_ended(done, 1, Outcome.FAILED, "again", now=NOW) == ()


def test_another_wish_sets_the_one_that_waits_aside() -> None:
    incident = grown(planned(), *ask(planned()))
    assert [one.state for one in incident.restores] == [RestoreState.REJECTED, RestoreState.PLANNING]
    with pytest.raises(Refusal, match="set aside"):
        agree(incident, BOB)


def test_plan_and_restore_are_workflows_of_their_own() -> None:
    def due(incident: Incident) -> list[tuple[str, str]]:
        return [(name, argument) for name, _, argument in due_workflows(incident) if "restore" in name]

    running = grown(planned(), *agree(planned(), BOB))
    running = grown(running, *agree(running, CAROL))
    here = f"{running.id}/1"
    assert due(asked()) == [(PLAN_RESTORE, here)]
    assert due(planned()) == []
    assert due(running) == [(RESTORE, here)]


def test_the_newest_proven_one_is_meant_unless_one_is_named() -> None:
    def of(name: str, minute: int, proof: str = "read") -> Shelved:
        return Shelved(id=name, at=at(f"14:{minute:02}:00"), bytes=1, proof=proof)

    there = [of("old", 1), of("new", 5), of("unproven", 9, "none")]
    assert chosen(there, "") == there[1]
    assert chosen(there, "unproven") == there[2]
    assert chosen(there, "", before=at("14:03:00")) == there[0]
    assert chosen(there, "gone") is None
    assert chosen([there[2]], "") is None
    doubtful = of("smaller", 10).model_copy(update={"dangers": ("It is suddenly much smaller.",)})
    assert chosen([*there, doubtful], "") == there[1]
    assert chosen([*there, doubtful], "smaller") == doubtful
    assert on_the_shelf(doubtful).endswith("proven by a full read, doubtful")


def test_each_event_has_its_sentence() -> None:
    running = grown(planned(), *agree(planned(), BOB))
    events = (*ask(asked()), *agree(planned(), BOB), *agree(running, CAROL))
    said = [narrate(event) for event in events]
    assert said[1].startswith(
        "Restore 2 asked for by <@U0ALICE>: the newest proven backup of shop, to replace it"
    )
    assert all(sentence.startswith("Restore ") for sentence in said)
