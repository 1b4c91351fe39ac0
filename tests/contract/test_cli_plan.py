"""On the command line as by the buttons: another plan, a rollback after all, and messages that are marked."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.cli.words import spoken
from bot.clock import now
from bot.domain import events as e
from bot.domain.chronicle import events_of
from bot.domain.incident import PlanRecord
from bot.domain.timeline import Kind
from bot.store import UnitOfWork
from sandbox.shop.releases import Shop
from sandbox.shop.releases.builder import build
from tests.contract.cli_worlds import CommandLine, command_line
from tests.contract.shop import copied

ALICE, BOB = "U0ALICE", "U0BOB"
TS = "1764000000.000100"
LINK = "https://shop.slack.com/archives/C0INC/p1764000000000100"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return build(tmp_path_factory.mktemp("built"), current="v1.3.0")


@pytest.fixture
def kaeru(built: Shop, tmp_path: Path) -> CommandLine:
    """Alice has asked, it is Critical, and the plan is ready."""
    copied(built, tmp_path / "shop")
    made = command_line(tmp_path)
    made.plan(ALICE)
    return made


def plans(kaeru: CommandLine) -> tuple[PlanRecord, ...]:
    return kaeru.stored(lambda uow: uow.incidents.get(kaeru.incident)).plans


def test_another_version_is_chosen_by_an_approver(kaeru: CommandLine) -> None:
    said = kaeru("incident", "choose", "shop", "v1.2.8", "--as", "dan")
    assert said.code == 1
    assert "not among the approvers" in said.err
    assert "Plan 2" in kaeru.ok("incident", "choose", "shop", "v1.2.8", "--as", "bob")
    kaeru.arm()
    assert [(p.state, p.to_version) for p in plans(kaeru)] == [("superseded", "v1.2.9"), ("ready", "v1.2.8")]
    kaeru.ok("incident", "choose", "shop", "--as", "bob")
    kaeru.arm()
    assert plans(kaeru)[-1].to_version == "v1.2.9"


@pytest.mark.parametrize(("version", "code"), [("v9.9.9", 1), ("../etc", 2)])
def test_what_cannot_be_gone_back_to_leaves_the_open_plan_alone(
    kaeru: CommandLine, version: str, code: int
) -> None:
    said = kaeru("incident", "choose", "shop", version, "--as", "bob")
    assert said.code == code
    assert version in said.err
    assert [p.state for p in plans(kaeru)] == ["ready"]


def test_a_fresh_plan_follows_a_rejected_one_only(kaeru: CommandLine) -> None:
    said = kaeru("incident", "refresh", "--as", "alice")
    assert said.code == 1
    assert "newer plan" in said.err
    kaeru.ok("incident", "reject", "--as", "bob")
    assert "Plan 2" in kaeru.ok("incident", "refresh", "--as", "alice")
    kaeru.arm()
    assert [p.state for p in plans(kaeru)] == ["rejected", "ready"]


def test_a_forward_fix_is_left_for_a_rollback_after_all(kaeru: CommandLine) -> None:
    assert "No forward fix" in kaeru("incident", "rollback", "--as", "alice").err
    kaeru.ok("incident", "severity", "shop", "low", "--as", "alice")
    refused = kaeru("incident", "approve", "--yes", "--as", "bob")
    assert refused.code == 1
    assert "`kaeru incident rollback` first" in refused.err
    out = kaeru.ok("incident", "rollback", "--as", "alice")
    assert f"kaeru incident approve {kaeru.incident}" in out
    kaeru.ok("incident", "approve", "--yes", "--as", "bob")
    assert kaeru.json("incident", "show")["status"] == "rolling_back"


def test_a_message_is_marked_once_for_a_person_and_who_typed_it_is_kept(kaeru: CommandLine) -> None:
    incident = kaeru.incident

    def say(uow: UnitOfWork) -> None:
        body = {"text": "the till is down"}
        uow.timeline.append(incident, at=now(), kind=Kind.MESSAGE, actor=BOB, body=body, slack_ts=TS)

    kaeru.stored(say, write=True)
    words = ("incident", "mark", "shop", TS, "--note", "first sign", "--at", "2026-11-24T14:05+01:00")
    kaeru.ok(*words, "--as", "alice")
    kaeru.ok("incident", "mark", "shop", LINK, "--as", "alice")  # the same message again

    entries = kaeru.stored(lambda uow: uow.timeline.entries(incident))
    (mark,) = [entry for entry in entries if entry.kind is Kind.MARK]
    assert (mark.slack_ts, mark.actor) == (TS, ALICE)
    assert mark.body == {"text": "the till is down", "note": "first sign"}
    assert mark.at == datetime(2026, 11, 24, 13, 5, tzinfo=UTC)
    notes = [ev for ev in events_of(entries) if isinstance(ev, e.NoteAdded)]
    assert [(n.by.startswith("cli:"), f"<@{ALICE}>" in n.text) for n in notes] == [(True, True)]
    assert "the till is down" in kaeru.ok("timeline", "show", incident, "--short")
    assert "intact" in kaeru.ok("timeline", "verify", incident)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("1764000000.999999",), 1, "has no such message"),
        (("yesterday",), 2, "is no message"),
        ((TS, "--at", "2026-11-24T14:05"), 2, "no time with its zone"),
        ((TS, "--at", "noon"), 2, "no time with its zone"),
    ],
)
def test_a_mark_needs_a_message_and_a_time_that_are_clear(
    kaeru: CommandLine, words: tuple[str, ...], code: int, sentence: str
) -> None:
    said = kaeru("incident", "mark", "shop", *words, "--as", "alice")
    assert said.code == code
    assert sentence in said.err


@pytest.mark.parametrize(
    ("chat", "here"),
    [
        (
            "This plan has expired. Press Refresh for a new one.",
            "Run `kaeru incident refresh` for a new one.",
        ),
        ("Use Choose version, or fix forward.", "Use `kaeru incident choose`, or fix forward."),
    ],
)
def test_buttons_are_named_by_their_commands(chat: str, here: str) -> None:
    assert spoken(chat, {}).endswith(here)
