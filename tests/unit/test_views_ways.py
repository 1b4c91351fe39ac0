"""What people see of a database that migrations have changed: the question, the decision, and who has to agree."""

from syrupy.assertion import SnapshotAssertion

from bot.cli.plans import plan_text
from bot.domain import events as e
from bot.domain.databases import ChosenWay, DatabasePart
from bot.domain.incident import Incident
from bot.domain.lifecycle import fold
from bot.domain.migrations import Effect, Undo
from bot.domain.plan import Plan
from bot.domain.policy import Policy
from bot.domain.ways_back import Way
from bot.ports.chat import Post
from bot.views import status
from bot.views.blocks import Card
from bot.views.data_facts import ways_card
from bot.views.limits import CONFIRM_TEXT, validate
from bot.views.plan_card import plan_card
from bot.views.project import Context, project, project_event
from tests.story import ALICE, BOB, CAROL, at, events, plan
from tests.unit.data_worlds import migration, part
from tests.unit.views_outline import outline

POLICY = Policy(quorum=1, approvers=(ALICE, BOB, CAROL), requester_may_approve=True, break_glass=True)
CONTEXT = Context(
    policy=POLICY,
    responders=(ALICE,),
    stakeholders=None,
    watch_s=300.0,
    critical=("/checkout",),
    bot_user="U0KAERU",
)
LOSSY = Undo(exists=True, loses=("the values of carts.total, gone since the migration ran",))
ASKED = part(
    migration("0042", undo=LOSSY, does=("drops the column carts.total",)),
    migration("0043", Effect.EXPAND, does=("creates the table rates",)),
)


def with_databases(*parts: DatabasePart) -> Plan:
    return plan(2, fingerprint="91bc", ready="14:12:06.1").model_copy(update={"databases": parts})


def story(*parts: DatabasePart) -> tuple[e.Event, ...]:
    """Critical, with a plan for these databases."""
    return (*events()[:11], e.PlanReady(at=at("14:12:06.1"), plan=with_databases(*parts)), events()[12])


def card_of(incident: Incident) -> Card:
    assert incident.record is not None
    return plan_card(incident, incident.record, POLICY)


def pressed(card: Card) -> list[str]:
    return [
        element["text"]["text"]
        for block in card.blocks
        if block["type"] == "actions"
        for element in block["elements"]
    ]


def test_the_card_asks(snapshot: SnapshotAssertion) -> None:
    card = card_of(fold(story(ASKED)))
    assert outline(card) == snapshot
    assert pressed(card)[:3] == ["Fix forward", "Run migrations backwards", "Code only"]
    assert "Approve" not in pressed(card)
    assert "Break glass" not in pressed(card)


def test_each_way_says_what_it_means_and_loses_before_it_is_chosen() -> None:
    card = card_of(fold(story(ASKED)))
    elements = [el for b in card.blocks if b["type"] == "actions" for el in b["elements"]]
    confirms = {el["text"]["text"]: el["confirm"]["text"]["text"] for el in elements if "confirm" in el}
    assert confirms["Run migrations backwards"] == (
        "orders: the newer version's migrations are run backwards, then the code goes back (0043, 0042). "
        "It loses the values of carts.total, gone since the migration ran. "
        "A fresh plan follows, and somebody else has to approve it."
    )
    assert "the clock of the forward fix runs" in confirms["Fix forward"]
    assert "the older code runs on the schema as it is" in confirms["Code only"]
    assert all(len(text) <= CONFIRM_TEXT for text in confirms.values())


def test_the_card_says_what_was_decided_and_who_has_to_agree(snapshot: SnapshotAssertion) -> None:
    decided = ASKED.model_copy(update={"way": Way.DOWN_MIGRATION, "chosen_by": BOB})
    card = card_of(fold(story(decided)))
    assert outline(card) == snapshot
    assert "needed, from <@U0ALICE> or <@U0CAROL>" in str(card.blocks)


def test_many_databases_with_many_migrations_fit() -> None:
    many = tuple(
        part(*(migration(f"{n:04}", does=("drops the column x.y " * 20,)) for n in range(40)), name=f"d{i}")
        for i in range(20)
    )
    card = card_of(fold(story(*many)))
    assert validate({"text": card.text, "blocks": card.blocks}) == []
    assert "Fix forward" in pressed(card)


def test_on_hold_nothing_is_decided() -> None:
    held = e.HoldPlaced(at=at("14:12:50"), by=ALICE, reason="")
    assert pressed(card_of(fold((*story(ASKED), held)))) == ["Release hold", "Reject", "Choose version"]


def test_a_forward_fix_for_the_sake_of_a_database(snapshot: SnapshotAssertion) -> None:
    chosen = e.WayChosen(
        at=at("14:13:00"),
        by=BOB,
        number=2,
        database="orders",
        way=Way.FORWARD_FIX,
        why="The older code may fail.",
        owner=CAROL,
        forward_fix_due_at=at("14:43:00"),
    )
    incident = fold((*story(ASKED), chosen))
    shown = {s.slot: s.operation for s in project(incident, CONTEXT) if isinstance(s.operation, Post)}
    fix = shown["forward-fix-0"]
    assert outline(Card(fix.text, fix.blocks)) == snapshot
    aside = next(post for name, post in shown.items() if name.startswith("plan-2"))
    assert "is set aside" in aside.text
    (told,) = project_event(incident, chosen, 99, CONTEXT)
    assert isinstance(told.operation, Post)
    assert told.operation.text.startswith(":card_file_box: <@U0BOB> decided about the database *orders*")


def test_the_status_and_the_answer_to_a_bare_command_say_what_is_open() -> None:
    incident = fold(story(ASKED))
    shown = outline(status.status_card(incident, POLICY))
    assert "Somebody has to decide which way the database goes (orders), on the plan card" in shown
    assert "*Database orders*: undecided, forward fix, down migration or code only" in shown
    assert "`/incident way orders forward fix` decides." in outline(ways_card(incident))
    assert "Nothing is to be decided" in outline(ways_card(fold(events()[:11])))


def test_the_same_in_plain_text(snapshot: SnapshotAssertion) -> None:
    decided = ASKED.model_copy(update={"way": Way.DOWN_MIGRATION, "chosen_by": BOB})
    both = with_databases(ASKED.model_copy(update={"name": "stock"}), decided)
    assert plan_text(both, {BOB: "Bob"}) == snapshot


def test_what_needs_no_decision_is_said_and_asks_nothing() -> None:
    card = card_of(fold(story(part(migration("0042", Effect.EXPAND)))))
    assert "The migrations only add" in str(card.blocks)
    assert pressed(card)[0] == "Approve"


def test_a_decision_travels_within_the_limits_of_a_button() -> None:
    chosen = ChosenWay(database="orders", way=Way.CODE_ONLY, by=BOB, question=ASKED.question)
    asked = e.PlanRequested(at=at("14:13:00"), number=3, ways=(chosen,))
    assert e.parse(asked.model_dump(mode="json")) == asked
