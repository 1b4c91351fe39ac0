"""`kaeru restore` without a bot, on a real PostgreSQL: what it shows, what it asks for, who may agree."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from bot.catalog import load_catalog
from bot.clock import now
from bot.domain import decide
from bot.domain.restores import RestorePlan, RestoreState
from bot.ports.backups import Backup
from integrations.fleet import hands_of, let_go
from integrations.registry import kinds
from sandbox.shop.releases import Shop
from sandbox.shop.releases.builder import build
from tests.contract.cli_worlds import CommandLine, command_line
from tests.contract.shop import copied

if TYPE_CHECKING:
    from tests.postgres import Server

pytest_plugins = ("tests.postgres",)

ALICE, BOB = "U0ALICE", "U0BOB"
PLAN = RestorePlan(
    backup="b-1",
    into="orders",
    replaces=True,
    actions=("Restore it beside orders.", "Swap the two."),
    fingerprint="f",
    lost_since=now(),
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return build(tmp_path_factory.mktemp("built"), current="v1.3.0")


@pytest.fixture
def kaeru(built: Shop, tmp_path: Path, postgres: "Server") -> CommandLine:
    """The shop with a database of which nothing has been backed up yet."""
    copied(built, tmp_path / "shop")
    made = command_line(tmp_path)
    database = postgres.create_database()
    postgres.run("CREATE TABLE orders (name text)", database)
    whole = yaml.safe_load(made.config.read_text())
    backup = {
        "kind": "postgresql",
        "host": str(postgres.folder),
        "user": "postgres",
        "database": database,
        "directory": "backups",
    }
    whole["services"]["shop"]["databases"] = {"orders": {"backup": backup}}
    made.config.write_text(yaml.safe_dump(whole, sort_keys=False))
    return made


def back_up(kaeru: CommandLine, key: str) -> str:
    """Take a backup; its id."""

    async def take() -> str:
        hands = hands_of(load_catalog(kaeru.config, kinds()).service("shop"))
        backups = hands.database("orders").backups
        assert backups is not None
        try:
            *_, last = [seen async for seen in backups.take(key)]
        finally:
            await let_go(hands)
        assert isinstance(last, Backup)
        return last.id

    return asyncio.run(take())


def test_a_dry_run_shows_what_would_be_lost_and_what_else_there_is(kaeru: CommandLine) -> None:
    older, newer = back_up(kaeru, "older"), back_up(kaeru, "newer")
    out = kaeru.ok("restore", "shop", "--replace", "--dry-run")
    assert f"orders: backup {newer} into " in out
    assert "is there and will be replaced; what was written since " in out
    assert "Other backups:" in out
    assert older in out
    assert "nothing was changed" in out
    assert "_restored" in kaeru.ok("restore", "shop", "orders", "--dry-run")


def test_a_dry_run_of_what_cannot_be_done_fails_and_promises_nothing(kaeru: CommandLine) -> None:
    back_up(kaeru, "one")
    said = kaeru("restore", "shop", "--into", "postgres", "--dry-run")
    assert said.code == 1
    assert "FAIL name: postgres is there already: choose a name that is free" in said.out
    for promise in ("will be replaced", "What will be done", "End the ", "Rename"):
        assert promise not in said.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("restore", "shop", "--dry-run"), "No backup of orders has been proven. There is no backup at all."),
        (("restore", "shop", "--backup", "b-1", "--dry-run"), "There is no backup b-1 of orders."),
        (("restore", "shop", "users", "--dry-run"), "shop has no database 'users'"),
        (("restore", "shop", "--into", "x", "--replace"), "use either --into or --replace"),
        (("restore", "shop", "--as", "alice"), "shop has no open incident, and a restore belongs to one."),
        (("restore", "tea"), "There is no service 'tea'."),
    ],
)
def test_what_cannot_be_done_says_what_can(kaeru: CommandLine, words: tuple[str, ...], sentence: str) -> None:
    kaeru.ok("rollback", "shop", "--as", "alice")
    kaeru.ok("incident", "close", "--as", "alice")
    said = kaeru(*words)
    assert said.code != 0
    assert sentence in said.err
    assert "Traceback" not in said.err


def test_two_people_agree_and_the_second_one_begins_it(kaeru: CommandLine) -> None:
    kaeru.plan(ALICE)
    assert "Asking for a restore is for people of kaeru.yml" in kaeru("restore", "shop").err
    assert "Restore 1 of orders is asked for." in kaeru.ok("restore", "shop", "--as", "alice")
    incident = kaeru.incident
    assert "has no plan to agree to yet" in kaeru("incident", "agree", "--as", "bob").err

    kaeru.change(incident, lambda i: decide.restore_planned(i, 1, PLAN, (), now=now()))
    assert "is another one by now" in kaeru("incident", "agree", "--digest", "0" * 16, "--as", "bob").err
    assert "Nothing was agreed to" in kaeru("incident", "agree", "--as", "alice", typed="n\n").err
    assert kaeru.stored(lambda uow: uow.incidents.get(incident)).restore(1).approvals == ()
    first = kaeru.ok("incident", "agree", "--yes", "--as", "alice")
    assert "Swap the two." in first
    assert "Agreed, 1 of 2." in first
    assert "have agreed already" in kaeru("incident", "agree", "--yes", "--as", "alice").err
    assert "Agreed. orders is restored" in kaeru.ok("incident", "agree", "--yes", "--as", "bob")
    kept = kaeru.stored(lambda uow: uow.incidents.get(incident)).restore(1)
    assert (kept.state, kept.approvals) == (RestoreState.RUNNING, (ALICE, BOB))
    shown = kaeru.ok("incident", "show")
    assert "running, agreed to by Alice, Bob" in shown
    assert "MAY NOT BE WHOLE" not in shown  # its plan is one that swaps at once
    assert "No restore waits for a decision" in kaeru("incident", "set-aside", "--as", "bob").err


def test_a_database_that_is_being_loaded_anew_is_called_not_whole(kaeru: CommandLine) -> None:
    kaeru.plan(ALICE)
    kaeru.ok("restore", "shop", "--as", "alice")
    plan = PLAN.model_copy(update={"at_once": False})
    kaeru.change(kaeru.incident, lambda i: decide.restore_planned(i, 1, plan, (), now=now()))
    assert "NOT BE WHOLE" not in kaeru.ok("incident", "show")
    kaeru.ok("incident", "agree", "--yes", "--as", "alice")
    kaeru.ok("incident", "agree", "--yes", "--as", "bob")
    assert "THE DATABASE orders MAY NOT BE WHOLE until this has ended" in kaeru.ok("incident", "show")


def test_sentences_name_options_and_no_buttons(kaeru: CommandLine) -> None:
    kaeru.plan(ALICE)
    database = yaml.safe_load(kaeru.config.read_text())["services"]["shop"]["databases"]["orders"]["backup"][
        "database"
    ]
    assert "Use --replace" in kaeru("restore", "shop", "--into", database, "--dry-run").err
    kaeru.ok("restore", "shop", "--as", "alice")
    blocked = "The disk is full."
    kaeru.change(kaeru.incident, lambda i: decide.restore_blocked(i, 1, blocked, now=now()))
    said = kaeru("incident", "agree", "--as", "bob")
    assert "Press" not in said.err + kaeru.ok("incident", "show")


def test_one_that_waits_is_set_aside(kaeru: CommandLine) -> None:
    kaeru.plan(ALICE)
    kaeru.ok("restore", "shop", "--as", "alice")
    assert "is set aside" in kaeru.ok("incident", "set-aside", "--as", "bob")
    assert (
        kaeru.stored(lambda uow: uow.incidents.get(kaeru.incident)).restore(1).state is RestoreState.REJECTED
    )
