"""Deciding on the command line, without a bot: the same rules as in chat, and who typed it is on record."""

import contextlib
import getpass
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.clock import now
from bot.domain import decide
from bot.domain import events as e
from bot.domain.chronicle import events_of
from bot.domain.debts import Debt
from bot.domain.incident import Incident
from bot.domain.paging import OnCallName
from bot.domain.quarantine import BadShape
from bot.domain.releases import shape_name
from bot.store import UnitOfWork
from bot.workflows.engine import hold_alone
from sandbox.shop.control import point_current
from sandbox.shop.releases import Shop
from sandbox.shop.releases.builder import build
from tests.contract.cli_worlds import CommandLine, command_line
from tests.contract.shop import copied
from tests.unit.data_worlds import migration, part

TYPIST = f"cli:{getpass.getuser()}" if os.getuid() else "cli:root"
ALICE, BOB = "U0ALICE", "U0BOB"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return build(tmp_path_factory.mktemp("built"), current="v1.3.0")


@pytest.fixture
def kaeru(built: Shop, tmp_path: Path) -> CommandLine:
    copied(built, tmp_path / "shop")
    return command_line(tmp_path)


@pytest.fixture
def planned(kaeru: CommandLine) -> CommandLine:
    """Alice has asked, it is Critical, and the plan is ready."""
    kaeru.plan(ALICE)
    return kaeru


@contextlib.contextmanager
def running(kaeru: CommandLine) -> Iterator[None]:
    """What a bot holds for as long as it runs."""
    lock = hold_alone(f"sqlite:///{kaeru.data}/engine.sqlite")
    assert lock is not None
    with lock:
        yield


def test_without_somebody_to_answer_a_question_points_at_its_option(planned: CommandLine) -> None:
    said = planned("incident", "approve", "--as", "bob")
    assert said.code == 1
    assert "nobody is here to answer. With --yes it does not ask." in said.err


def test_what_is_decided_while_the_bot_runs_begins_now(planned: CommandLine) -> None:
    with running(planned):
        said = planned.ok("incident", "approve", "--yes", "--as", "bob")
    assert "begins now: kaeru goes on with it." in said


def recorded(kaeru: CommandLine, incident: str) -> tuple[e.Event, ...]:
    return events_of(kaeru.stored(lambda uow: uow.timeline.entries(incident)))


def test_a_dry_run_shows_the_plan_and_declares_nothing(kaeru: CommandLine) -> None:
    out = kaeru.ok("rollback", "shop", "--dry-run")
    assert "v1.3.0 → v1.2.9" in out
    assert "What is taken away: " in out
    assert "  files: " in out
    assert "nothing was changed" in out
    assert kaeru.json("incident", "list", "--all") == []


def test_a_rollback_is_declared_for_a_person_and_says_who_typed_it(kaeru: CommandLine) -> None:
    out = kaeru.ok("rollback", "shop", "v1.2.9", "--as", "alice")
    incident = kaeru.incident
    assert incident in out
    declared, requested, note = recorded(kaeru, incident)
    assert isinstance(declared, e.IncidentDeclared)
    assert isinstance(requested, e.PlanRequested)
    assert (declared.by, requested.wanted) == (ALICE, "v1.2.9")
    assert isinstance(note, e.NoteAdded)
    assert note.by == TYPIST
    assert f"<@{ALICE}>" in note.text
    assert kaeru.stored(lambda uow: uow.outbox.get(f"incident:{incident}", "channel")) is not None
    assert "intact: 3 entries" in kaeru.ok("timeline", "verify", incident)


def test_a_slack_id_names_a_person_too(kaeru: CommandLine) -> None:
    kaeru.ok("rollback", "shop", "--as", BOB)
    assert recorded(kaeru, kaeru.incident)[0].by == BOB


def test_a_second_rollback_joins_the_first(kaeru: CommandLine) -> None:
    kaeru.ok("rollback", "shop", "--as", "alice")
    out = kaeru.ok("rollback", "shop", "--as", "bob")
    assert f"open incident already: {kaeru.incident}" in out
    assert len(kaeru.json("incident", "list")) == 1
    assert kaeru.json("incident", "show")["joined"] == [BOB]


def test_without_a_name_it_is_the_operating_system_user(kaeru: CommandLine) -> None:
    said = kaeru("rollback", "shop", LOGNAME="alice", USER="alice", SUDO_USER="alice")
    assert said.code == 0
    kaeru.ok("incident", "note", "shop", "looking", "at", "it")
    found = recorded(kaeru, kaeru.incident)
    assert {event.by for event in found} == {TYPIST}
    assert isinstance(found[-1], e.NoteAdded)
    assert found[-1].text == "looking at it"


@pytest.mark.parametrize("who", ["U0STRANGER", "oncall"])
def test_who_is_not_in_the_file_cannot_be_named(kaeru: CommandLine, who: str) -> None:
    said = kaeru("rollback", "shop", "--as", who)
    assert said.code == 1
    assert "has no person" in said.err
    assert not (kaeru.data / "kaeru.sqlite").exists()


@pytest.mark.parametrize("verb", ["approve", "reject"])
def test_an_operating_system_user_is_no_approver(planned: CommandLine, verb: str) -> None:
    before = len(recorded(planned, planned.incident))
    said = planned("incident", verb, typed="y\n")
    assert said.code == 1
    assert "--as" in said.err
    assert len(recorded(planned, planned.incident)) == before


def test_policies_apply_as_in_chat_and_people_have_their_names(planned: CommandLine) -> None:
    said = planned("incident", "approve", "--yes", "--as", "alice")
    assert said.code == 1
    assert "another person's approval" in said.err
    assert "Bob" in said.err
    assert "<@" not in said.err
    said = planned("incident", "approve", "--yes", "--as", "dan")
    assert said.code == 1
    assert "not among the approvers" in said.err


def test_who_is_not_known_to_a_policy_is_told_how_to_say_who_it_is(planned: CommandLine) -> None:
    nobody = planned("incident", "hold")
    assert nobody.code == 1
    assert nobody.err.rstrip().endswith("If you are one of them, say so: --as NAME.")
    outsider = planned("incident", "hold", "--as", "dan")
    assert outsider.code == 1
    assert "not among the approvers" in outsider.err
    assert "--as" not in outsider.err


def test_no_means_no(planned: CommandLine) -> None:
    for answer in ("n\n", "\n", ""):
        said = planned("incident", "approve", "--as", "bob", typed=answer)
        assert said.code == 1
        assert "v1.3.0 → v1.2.9" in said.out
    assert planned.json("incident", "show")["status"] == "deciding"


def test_an_approval_begins_the_run_and_quarantines_what_it_leaves(planned: CommandLine) -> None:
    out = planned.ok("incident", "approve", "--as", "bob", typed="y\n")
    assert "Approved" in out
    shown = planned.json("incident", "show")
    assert shown["status"] == "rolling_back"
    assert shown["runs"][0]["approved_by"] == [BOB]
    assert [(q["service"], q["version"]) for q in planned.json("quarantine", "list")] == [("shop", "v1.3.0")]
    given, approved, note = recorded(planned, planned.incident)[-3:]
    assert isinstance(given, e.ApprovalGiven)
    assert isinstance(approved, e.RollbackApproved)
    assert isinstance(note, e.NoteAdded)
    assert "approval given" in note.text
    assert note.by == TYPIST


def test_an_approval_counts_for_the_plan_that_was_shown_only(planned: CommandLine) -> None:
    with planned.started("incident", "approve", "--as", "bob") as approving:
        try:
            assert approving.stdout is not None
            assert "digest" in approving.stdout.readline()
            planned.ok("rollback", "shop", "v1.2.8", "--as", "carol")
            planned.arm()
            out, err = approving.communicate("y\n", timeout=30)
        finally:
            approving.kill()
    assert approving.returncode == 1, out
    assert "out of date" in err
    shown = planned.json("incident", "show")
    assert (shown["status"], shown["plans"][-1]["to_version"]) == ("deciding", "v1.2.8")
    assert shown["plans"][-1]["approvals"] == []


def test_a_script_can_name_the_plan_it_means(planned: CommandLine) -> None:
    said = planned("incident", "approve", "--yes", "--digest", "0123456789abcdef", "--as", "bob")
    assert said.code == 1
    assert "another one by now" in said.err
    plan = planned.stored(lambda uow: uow.incidents.get(planned.incident)).record
    assert plan is not None
    assert plan.plan is not None
    planned.ok("incident", "approve", "--yes", "--digest", plan.plan.digest, "--as", "bob")


def test_glass_is_broken_with_a_reason(planned: CommandLine) -> None:
    planned.ok("incident", "approve", "--yes", "--break-glass", "nobody answers", "--as", "alice")
    run = planned.json("incident", "show")["runs"][0]
    assert run["break_glass_reason"] == "nobody answers"


def test_a_hold_stops_an_approval_until_it_is_released(planned: CommandLine) -> None:
    planned.ok("incident", "hold", "--reason", "a dump is running", "--as", "carol")
    said = planned("incident", "approve", "--yes", "--as", "bob")
    assert said.code == 1
    assert "Carol" in said.err
    planned.ok("incident", "release", "--as", "carol")
    planned.ok("incident", "approve", "--yes", "--as", "bob")


def test_a_rejected_plan_is_dead(planned: CommandLine) -> None:
    planned.ok("incident", "reject", "--reason", "it is the cache", "--as", "bob")
    said = planned("incident", "approve", "--yes", "--as", "carol")
    assert said.code == 1
    assert "rejected" in said.err
    assert "kaeru rollback" in said.err


def test_roles_actions_lessons_and_the_close_are_recorded(planned: CommandLine) -> None:
    incident = planned.incident
    planned.ok("incident", "role", "shop", "Lead", "bob", "--as", "alice")
    planned.ok("incident", "action", "shop", "add", "a", "timeout", "--owner", "carol", "--as", "alice")
    planned.ok("incident", "close", "--summary", "fixed by hand", "--as", "alice")
    assert (
        "closed" in planned("incident", "note", "shop", "late").err or planned("incident", "show").code == 1
    )
    planned.ok("incident", "lessons", incident, "--root-cause", "currencies", "--as", "alice")
    planned.ok(
        "incident", "lessons", incident, "--lessons", "test the till", "--action", "tell Mara", "--as", "bob"
    )
    shown = planned.json("incident", "show", incident)
    assert (shown["status"], shown["summary"]) == ("closed", "fixed by hand")
    assert shown["roles"] == {"lead": BOB}
    assert [a["text"] for a in shown["actions"]] == ["add a timeout", "tell Mara"]
    assert (shown["root_cause"], shown["lessons"]) == ("currencies", "test the till")
    assert shown["postmortem_wanted"] == 3
    assert "intact" in planned.ok("timeline", "verify", incident)


def test_a_quarantine_is_lifted_by_an_approver_on_record(planned: CommandLine) -> None:
    incident = planned.incident
    planned.ok("incident", "approve", "--yes", "--as", "bob")
    assert planned("quarantine", "lift", "shop", "v1.3.0").code == 1
    assert planned("quarantine", "lift", "shop", "v1.3.0", "--as", "dan").code == 1
    assert planned("quarantine", "lift", "shop", "v1.2.9", "--as", "bob").code == 1
    planned.ok("quarantine", "lift", "shop", "v1.3.0", "--as", "bob")
    assert planned.json("quarantine", "list") == []
    lifted = recorded(planned, incident)[-2]
    assert isinstance(lifted, e.QuarantineLifted)
    assert (lifted.by, lifted.version) == (BOB, "v1.3.0")


def test_the_quarantine_of_settings_is_listed_and_lifted_by_their_exact_name(planned: CommandLine) -> None:
    incident = planned.incident
    name = shape_name("v1.2.9", "aa")
    shapes = [BadShape(component=component, ref="aa", version=name) for component in ("web", "worker")]

    def keep_out(uow: UnitOfWork) -> None:
        for shape in shapes:
            uow.bad_shapes.quarantine("shop", shape, incident, now())

    planned.stored(keep_out, write=True)
    listed = planned.json("quarantine", "list")
    assert [(q["version"], q["component"], q["incident"]) for q in listed] == [
        (name, "web", incident),
        (name, "worker", incident),
    ]
    assert f"shop  {name} (these settings of worker only)  since " in planned.ok("quarantine", "list")
    said = planned("quarantine", "lift", "shop", "v1.2.9", "--as", "bob")
    assert (said.code, f"Of its settings these are: {name}." in said.err) == (1, True)
    assert planned("quarantine", "lift", "shop", name, "--as", "dan").code == 1
    planned.ok("quarantine", "lift", "shop", name, "--as", "bob")
    assert planned.json("quarantine", "list") == []
    lifted = [x.version for x in recorded(planned, incident) if isinstance(x, e.QuarantineLifted)]
    assert lifted == [name]


def test_a_version_that_cannot_be_run_declares_nothing(kaeru: CommandLine) -> None:
    said = kaeru("rollback", "shop", "v9.9.9", "--as", "alice")
    assert said.code == 1
    assert "v9.9.9" in said.err
    assert kaeru.json("incident", "list", "--all") == []


def test_the_incident_must_be_clear(kaeru: CommandLine) -> None:
    kaeru.ok("rollback", "shop")
    said = kaeru("incident", "show", "inc-20200101-shop-9")
    assert said.code == 1
    assert "incident list --all" in said.err
    kaeru.ok("incident", "close", "--summary", "a false alarm", "--as", "alice")
    said = kaeru("incident", "show")
    assert said.code == 1
    assert "No incident is open" in said.err


def test_a_plan_made_for_another_world_is_shown_anew(kaeru: CommandLine) -> None:
    """The shop is moved by hand after a dry run: the next one tells of the world as it is."""
    assert "v1.3.0 → v1.2.9" in kaeru.ok("rollback", "shop", "--dry-run")
    point_current(kaeru.folder / "shop", "v1.2.9")
    assert "v1.2.9 → v1.2.8" in kaeru.ok("rollback", "shop", "--dry-run")


def asking(incident: Incident) -> decide.Events:
    """A fresh plan about whose database somebody has to decide."""
    record = incident.record
    assert record is not None
    assert record.plan is not None
    dead, asked = decide.world_moved(incident, number=record.number, reason="a deploy", now=now())
    plan = record.plan.model_copy(
        update={"number": record.number + 1, "databases": (part(migration("0002")),)}
    )
    return (dead, asked, e.PlanReady(at=now(), plan=plan))


def test_a_database_is_decided_about_and_nothing_is_approved_before(planned: CommandLine) -> None:
    incident = planned.incident
    planned.change(incident, asking)
    refused = planned("incident", "approve", "--yes", "--as", "bob")
    assert "Nobody has decided yet what is done about the database orders" in refused.err
    assert "somebody has to choose down migration, forward fix or code only" in refused.out
    wrong = planned("incident", "way", incident, "orders", "sideways", "--as", "bob")
    assert "Say one of: code only, down migration, restore backup, forward fix." in wrong.err
    assert "--as NAME" in planned("incident", "way", incident, "orders", "down", "--yes").err
    shut = planned("incident", "way", incident, "orders", "restore", "--yes", "--as", "bob")
    assert "Restore backup is no way for the database orders here" in shut.err
    out = planned.ok("incident", "way", incident, "orders", "down", "--yes", "--as", "bob")
    assert "Decided: down migration for the database orders." in out
    chosen = next(x for x in recorded(planned, incident) if isinstance(x, e.WayChosen))
    assert (chosen.by, chosen.database, chosen.way.value) == (BOB, "orders", "down migration")
    asked = [x for x in recorded(planned, incident) if isinstance(x, e.PlanRequested)][-1]
    assert [(way.database, way.by) for way in asked.ways] == [("orders", BOB)]


@pytest.fixture
def indebted(kaeru: CommandLine) -> CommandLine:
    """Two things are suspended because of Alice's incident."""
    kaeru.plan(ALICE)
    debts = [
        Debt(id=f"argocd:{name}", component="shop", text=f"{name} is not synced.", until="Give it back.")
        for name in ("shop", "search")
    ]
    kaeru.change(kaeru.incident, lambda now_it_is: decide.debts_seen(now_it_is, debts, now=now()))
    return kaeru


def test_a_page_is_acknowledged_as_in_chat(planned: CommandLine) -> None:
    assert "Nobody was paged" in planned("incident", "ack", "--as", "bob").err
    people = (OnCallName(name="Ana", user=BOB), OnCallName(name="Ben", level=2))
    planned.change(planned.incident, lambda _: (e.PageBegun(at=now(), number=1),))
    planned.change(
        planned.incident,
        lambda incident: decide.paged(incident, 1, through="x", people=people, note="", now=now()),
    )
    assert "called: Ana (level 1), Ben (level 2)" in planned.ok("incident", "show")
    assert "--as NAME" in planned("incident", "ack").err
    assert "The pager is stopped as soon as kaeru runs" in planned.ok("incident", "ack", "--as", "bob")
    shown = planned.ok("incident", "show")
    assert ". Bob is on it" in shown or f". {BOB} is on it" in shown
    (acknowledged,) = (x for x in recorded(planned, planned.incident) if isinstance(x, e.PageAcknowledged))
    assert acknowledged.by == BOB


def test_what_is_suspended_keeps_an_incident_open(indebted: CommandLine) -> None:
    assert "argocd:shop" in indebted.ok("incident", "show")
    refused = indebted("incident", "close", "--as", "bob")
    assert refused.code != 0
    assert "Run `kaeru incident give-back` or `take-over`, then close." in refused.err
    assert "Say which one with --debt: argocd:shop, argocd:search." in indebted("incident", "take-over").err


def test_what_is_suspended_is_given_back_and_taken_over_as_in_chat(indebted: CommandLine) -> None:
    incident = indebted.incident
    assert "--as NAME" in indebted("incident", "give-back", "--debt", "argocd:shop").err
    indebted.ok("incident", "give-back", "--debt", "argocd:shop", "--as", "bob")
    by_hand = indebted("incident", "given-back", "--debt", "argocd:search", "--as", "bob")
    assert "kaeru has not tried yet" in by_hand.err
    indebted.ok("incident", "take-over", "--debt", "argocd:search", "--as", "bob")
    told = [x for x in recorded(indebted, incident) if isinstance(x, (e.RepaymentAsked, e.DebtTakenOver))]
    assert [(x.type, x.by, x.debt_id) for x in told] == [
        ("repayment_asked", BOB, "argocd:shop"),
        ("debt_taken_over", BOB, "argocd:search"),
    ]


def test_users_who_come_back_are_decided_on_as_in_chat(kaeru: CommandLine) -> None:
    kaeru.plan(ALICE)
    assert "--as NAME" in kaeru("incident", "traffic", "continue").err
    refused = kaeru("incident", "traffic", "stop", "--as", "bob")
    assert refused.code != 0
    assert "Users are not being brought back here at the moment" in refused.err
    assert "continue" in kaeru("incident", "traffic", "faster", "--as", "bob").err
