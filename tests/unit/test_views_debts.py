"""What is suspended, on every card that shows it, and the order and the diff of a plan of several components."""

import pytest
from syrupy.assertion import SnapshotAssertion

from bot.domain.incident import Incident, Status
from bot.domain.lifecycle import fold
from bot.domain.plan import Plan
from bot.domain.run import Step, StepState
from bot.views import debts, home, status
from bot.views.blocks import Card
from bot.views.closed_card import closed_card
from bot.views.outcome_card import good_card, stuck_card
from bot.views.plan_facts import facts, in_order
from bot.views.run_card import run_card
from tests import story
from tests.story import ALICE, CAROL
from tests.unit.test_views_cards import POLICY
from tests.unit.views_outline import lines, outline, outline_view

TAKEN, ASKED, KEPT, OWNED = 1, 2, 3, 4


def at_work() -> Incident:
    return fold(story.indebted(20, TAKEN))


def verified(debt_events: int) -> Incident:
    return fold(story.indebted(27, debt_events))


def closed() -> Incident:
    return fold(story.indebted(len(story.events()), OWNED))


def outcome(incident: Incident) -> Card:
    assert incident.run is not None
    return good_card(incident, incident.run, watch_s=300.0)


@pytest.mark.parametrize("debt_events", [TAKEN, ASKED, KEPT, OWNED])
def test_on_the_outcome(debt_events: int, snapshot: SnapshotAssertion) -> None:
    assert outline(outcome(verified(debt_events))) == snapshot


def test_while_it_is_rolled_back_there_is_nothing_to_press(snapshot: SnapshotAssertion) -> None:
    incident = at_work()
    assert incident.run is not None
    assert incident.status is Status.ROLLING_BACK
    assert outline(run_card(incident, incident.run)) == snapshot


def test_on_the_closed_card(snapshot: SnapshotAssertion) -> None:
    assert outline(closed_card(closed())) == snapshot


def test_where_it_is_stuck_and_after_another_plan_was_asked_for() -> None:
    incident = verified(TAKEN)
    assert incident.run is not None
    stuck = incident.model_copy(update={"status": Status.STUCK})
    assert story.DEBT.text.split(",")[0] in outline(stuck_card(stuck, incident.run))
    deciding = incident.model_copy(
        update={"status": Status.DECIDING, "mitigated_at": None, "verified_at": None}
    )
    assert "[Give back]" in outline(outcome(deciding))


def test_status_and_the_refusal_to_close(snapshot: SnapshotAssertion) -> None:
    incident = verified(TAKEN)
    assert "[I see to it]" in outline(status.status_card(incident, POLICY))
    assert outline(debts.refused_close(incident)) == snapshot


def test_the_reminders(snapshot: SnapshotAssertion) -> None:
    for debt_events in (TAKEN, OWNED):
        incident = verified(debt_events)
        assert outline(debts.debts_nudge(incident, incident.debts)) == snapshot


def test_home(snapshot: SnapshotAssertion) -> None:
    known = [home.Known(incident=i, policy=POLICY) for i in (verified(TAKEN), closed())]
    assert outline_view(home.home(CAROL, known, [])) == snapshot
    assert "you see to what is suspended" not in outline_view(home.home(ALICE, known, []))


def test_many_are_counted() -> None:
    owed = verified(TAKEN).debts[0]
    many = verified(TAKEN).model_copy(update={"debts": (owed,) * 6})
    shown = outline(outcome(many))
    assert shown.count("[Give back]") == 4
    assert "and 2 more suspended" in shown


def several(*tiers: int, diff: tuple[str, ...] = ()) -> Plan:
    plan = story.plan()
    names = ("api", "worker", "web", "cron")
    web = plan.components[0].model_copy(update={"diff": diff})
    parts = (
        web.model_copy(update={"component": name, "tier": tier})
        for name, tier in zip(names, tiers, strict=False)
    )
    return plan.model_copy(update={"components": tuple(parts)})


@pytest.mark.parametrize(
    ("tiers", "said"),
    [
        ((0,), ""),
        ((0, 0), "All at once: api and worker."),
        ((0, 0, 1), "First api and worker at once; then web."),
        ((0, 1, 2), "First api; then worker; then web."),
        ((1, 0, 1, 1), "First worker; then api, web and cron at once."),
    ],
)
def test_the_order_of_the_components(tiers: tuple[int, ...], said: str) -> None:
    assert in_order(several(*tiers)) == said


def test_what_changes() -> None:
    few = "\n".join(lines(facts(several(0, diff=("image shop:v1.3.0 → shop:v1.2.9", "env -CURRENCY")))))
    assert "*What changes*\n•  image shop:v1.3.0 → shop:v1.2.9\n•  env -CURRENCY" in few
    many = "\n".join(lines(facts(several(0, 1, diff=tuple(f"env +X{n}" for n in range(8))))))
    assert "•  api: env +X0" in many
    assert "•  worker: env +X3\n•  and 4 more" in many
    assert "What changes" not in "\n".join(lines(facts(several(0))))


def test_several_components_that_go_back_at_once() -> None:
    incident = at_work()
    assert incident.run is not None
    at_once = tuple(
        Step(id=f"apply:{name}", title=f"Take {name} back", state=StepState.RUNNING, detail=detail)
        for name, detail in (("api", "7 of 10 ready, 1 terminating"), ("web", "1 of 3 ready"), ("cron", ""))
    )
    run = incident.run.model_copy(update={"steps": (*at_once, *incident.run.steps[-1:])})
    incident = incident.model_copy(update={"runs": (run,)})
    card = outline(run_card(incident, run))
    assert "*Take api back*\n>7 of 10 ready, 1 terminating" in card
    assert "*Take web back*\n>1 of 3 ready" in card
    assert card.splitlines()[0].endswith("(0 of 4 steps done): Take api back, Take web back and 1 more")
    told = outline(status.status_card(incident, POLICY))
    assert ":hourglass_flowing_sand: Take api back: 7 of 10 ready, 1 terminating" in told
    assert ":hourglass_flowing_sand: Take web back: 1 of 3 ready" in told
