"""What is decided about suspensions, what people are reminded of, and what the papers say of them."""

import dataclasses
from datetime import UTC, timedelta

import pytest
from syrupy.assertion import SnapshotAssertion

from bot.cli.words import about
from bot.domain import decide
from bot.domain import events as e
from bot.domain.base import Refusal
from bot.domain.debts import Debt
from bot.domain.incident import Incident, Status
from bot.domain.lifecycle import fold
from bot.domain.policy import Policy
from bot.domain.postmortem import Postmortem, build
from bot.domain.timeline import Completeness, Kind
from bot.ports import Inspection, OutcomeUnknown, Refused, Unavailable
from bot.usecases.due import REPAY, due_workflows
from bot.usecases.nudges import due_debts
from bot.views.postmortem import render, summary_blocks
from bot.workflows import repay
from tests import story
from tests.fakes.target import MemoryTarget
from tests.story import ALICE, BOB, CAROL, DEBT, at

NOW = at("14:19:00")
POLICY = Policy(approvers=(BOB, CAROL))


def owing(debt_events: int = 1) -> Incident:
    return fold(story.indebted(27, debt_events))


def test_what_is_known_is_no_news() -> None:
    other = DEBT.model_copy(update={"id": "argocd:argocd/search"})
    assert decide.debts_seen(owing(), (DEBT, other), now=NOW) == (e.DebtTaken(at=NOW, debt=other),)


@pytest.mark.parametrize("named", [DEBT.id, DEBT.key])
def test_an_approver_has_it_given_back_once(named: str) -> None:
    with pytest.raises(Refusal, match=r"not among the approvers.*<@U0BOB> or <@U0CAROL>"):
        decide.give_back(owing(), named, by=ALICE, policy=POLICY, now=NOW)
    (asked,) = decide.give_back(owing(), named, by=BOB, policy=POLICY, now=NOW)
    assert asked == e.RepaymentAsked(at=NOW, by=BOB, debt_id=DEBT.id)
    under_way = fold((*story.indebted(27, 1), asked))
    assert decide.give_back(under_way, named, by=CAROL, policy=POLICY, now=NOW) == ()
    with pytest.raises(Refusal, match="given back already"):
        decide.give_back(owing(6), named, by=BOB, policy=POLICY, now=NOW)


def test_not_while_the_rollback_needs_it() -> None:
    with pytest.raises(Refusal, match="wait until it has ended"):
        decide.give_back(fold(story.indebted(20, 1)), DEBT.id, by=BOB, policy=POLICY, now=NOW)


def test_each_try_is_a_workflow_of_its_own() -> None:
    def repayments(debt_events: int) -> list[tuple[str, str, str]]:
        return [due for due in due_workflows(owing(debt_events)) if due[0] == REPAY]

    first, second = repayments(2), repayments(5)
    assert [len(first), len(second), len(repayments(3)), len(repayments(6))] == [1, 1, 0, 0]
    assert first[0][1] != second[0][1]
    assert first[0][1] == f"repay:{first[0][2]}"


def test_a_try_that_is_over_keeps_nothing() -> None:
    again = owing(5)
    (owed,) = again.debts
    kept = decide.debt_kept(again, DEBT.id, attempt=owed.attempt - 1, reason="old news", now=NOW)
    assert kept == ()
    (kept_now,) = decide.debt_kept(again, DEBT.id, attempt=owed.attempt, reason="no", now=NOW)
    assert kept_now == e.DebtKept(at=NOW, debt_id=DEBT.id, reason="no")


def test_found_given_back_is_the_work_of_whoever_asked_for_it() -> None:
    (found,) = decide.debt_repaid(owing(2), DEBT.id, now=NOW)
    assert isinstance(found, e.DebtRepaid)
    assert (found.by, found.text) == (BOB, DEBT.text)
    (by_others,) = decide.debt_repaid(owing(1), DEBT.id, now=NOW)
    assert by_others.by == "kaeru"
    assert decide.debt_repaid(owing(6), DEBT.id, now=NOW) == ()


def test_by_hand_only_after_kaeru_has_tried() -> None:
    with pytest.raises(Refusal, match="Press Give back first"):
        decide.given_back_by_hand(owing(1), DEBT.key, by=BOB, policy=POLICY, now=NOW)
    with pytest.raises(Refusal, match="not among the approvers"):
        decide.given_back_by_hand(owing(3), DEBT.key, by=ALICE, policy=POLICY, now=NOW)
    (done,) = decide.given_back_by_hand(owing(3), DEBT.key, by=BOB, policy=POLICY, now=NOW)
    assert (done.type, done.by) == ("debt_repaid", BOB)


def test_anybody_may_see_to_it_and_only_then_it_can_be_closed() -> None:
    def close(incident: Incident) -> decide.Events:
        return decide.close(incident, by=ALICE, summary="", unverified=False, policy=POLICY, now=NOW)

    with pytest.raises(Refusal, match=r"still suspended.*Argo CD's automated sync.*Give back or I see to it"):
        close(owing())
    (taken,) = decide.take_over_debt(owing(), DEBT.key, by=ALICE, now=NOW)
    assert decide.take_over_debt(fold((*story.indebted(27, 1), taken)), DEBT.id, by=ALICE, now=NOW) == ()
    seen_to = fold((*story.indebted(27, 1), taken))
    with pytest.raises(Refusal, match=r"v1\.3\.0 is quarantined"):
        close(seen_to)
    at_once = decide.close(
        owing(), by=ALICE, summary="", unverified=False, accept=(decide.ALL,), policy=POLICY, now=NOW
    )
    assert [x.type for x in at_once] == ["debt_taken_over", "debt_accepted", "incident_closed"]
    assert {x.by for x in at_once} == {ALICE}


DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SINCE = story.debt_events()[0].at


@pytest.mark.parametrize(
    ("owned", "after", "days"),
    [
        (False, 0.9 * HOUR, 0),
        (False, HOUR, 1),
        (False, DAY + 0.9 * HOUR, 1),
        (False, DAY + HOUR, 2),
        (True, 0.9 * DAY, 0),
        (True, DAY, 1),
        (True, DAY + HOUR, 2),
        (True, 30 * DAY + HOUR, 31),
    ],
)
def test_a_reminder_a_day_and_earlier_without_an_owner(owned: bool, after: timedelta, days: int) -> None:
    name, due = due_debts(owing(4 if owned else 1), now=SINCE + after)
    assert (len(due), name.rpartition("-")[2]) == ((1, str(days)) if days else (0, ""))


def test_nobody_is_reminded_in_the_middle_of_a_rollback() -> None:
    running = fold(story.indebted(20, 1))
    assert running.status is Status.ROLLING_BACK
    assert due_debts(running, now=SINCE + 9 * DAY) == ("", ())


@dataclasses.dataclass
class Stubborn(MemoryTarget):
    """`keeps` says that it was given back and keeps it; `blind` cannot be looked at."""

    keeps: bool = False
    blind: bool = False

    async def repay(self, debt: Debt, key: str) -> None:
        if not self.keeps:
            await super().repay(debt, key)

    async def inspect(self) -> Inspection:
        if self.blind:
            raise Unavailable("The cluster does not answer.")
        return await super().inspect()


def indebted_target(*, keeps: bool = False, blind: bool = False) -> Stubborn:
    return Stubborn("v2", ("v1", "v2"), debts={DEBT.id: DEBT}, keeps=keeps, blind=blind)


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repay, "INSIST_FOR_S", 0.1)
    monkeypatch.setattr(repay, "LOOK_AGAIN_S", 0.02)


async def test_it_is_given_back_until_that_is_seen() -> None:
    target = indebted_target()
    await repay.given_back(target, DEBT, "k")
    assert (target.debts, target.repaid) == ({}, ["k"])
    await repay.given_back(target, DEBT, "k")
    assert target.repaid == ["k"]


async def test_said_and_not_done_is_no_success() -> None:
    with pytest.raises(Refused, match="is suspended still"):
        await repay.given_back(indebted_target(keeps=True), DEBT, "k")


async def test_done_and_not_seen_is_unknown() -> None:
    with pytest.raises(OutcomeUnknown, match=r"could not be seen\. The cluster does not answer"):
        await repay.given_back(indebted_target(blind=True), DEBT, "k")


async def test_what_does_not_answer_is_given_up_in_time() -> None:
    target = indebted_target()
    target.declines += [Unavailable("Not now.", retry_after_s=0.03) for _ in range(9)]
    with pytest.raises(Unavailable):
        await repay.given_back(target, DEBT, "k")
    assert 0 < len(target.declines) < 9


def papers(debt_events: int) -> Postmortem:
    happened = story.indebted(len(story.events()), debt_events)
    sealed = story.seal_all(
        story.ID, [(x.at, Kind.EVENT, x.by, None, x.model_dump(mode="json")) for x in happened]
    )
    return build(
        fold(happened),
        sealed,
        (),
        kept=Completeness.of(sealed),
        expected_messages=0,
        verification=story.verification(sealed),
        names=story.NAMES,
        zone=UTC,
        now=at("14:31:08"),
    )


def test_the_postmortem_of_what_is_suspended_still(snapshot: SnapshotAssertion) -> None:
    postmortem = papers(4)
    assert postmortem.actions[0].text == f"Give back: {DEBT.text} {DEBT.until}"
    assert postmortem.actions[0].owner == "Carol"
    text = render(postmortem)
    assert _about_debts(text) == snapshot
    assert f"- [ ] Give back: {DEBT.text}" in text
    assert f"Give back: {DEBT.text}" in str(summary_blocks(postmortem))


def test_the_postmortem_of_what_was_given_back(snapshot: SnapshotAssertion) -> None:
    postmortem = papers(6)
    assert len(postmortem.actions) == 2
    assert _about_debts(render(postmortem)) == snapshot
    (line,) = postmortem.debts
    assert (line.owner, line.repaid_at, line.repaid_by) == ("Carol", at("14:18:02"), "Carol")


def _about_debts(text: str) -> list[str]:
    marks = (DEBT.id, "suspended", "Suspended")
    return [line for line in text.splitlines() if any(mark in line for mark in marks)]


def test_the_command_line_tells_it() -> None:
    rows = "\n".join(about(owing(4), None, story.NAMES, UTC))
    assert f"suspended  {DEBT.text} {DEBT.until} (since 2026-11-24 14:13:03 UTC; Carol sees to it;" in rows
    assert "It could not be given back: Argo CD would sync v1.3.0 at once." in rows
    assert "nobody sees to it yet" in "\n".join(about(owing(1), None, story.NAMES, UTC))
