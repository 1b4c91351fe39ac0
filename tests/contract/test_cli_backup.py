"""`kaeru backup`, `backups`, `backup-verify` and `check` without a bot, on a real PostgreSQL; and who decides about one."""

import json
from pathlib import Path

import pytest
import yaml

from bot.clock import now
from bot.domain import decide
from bot.domain.backups import Taken
from bot.domain.plan import Level, Warn
from sandbox.shop.releases import Shop
from sandbox.shop.releases.builder import build
from tests.contract.backup_worlds import PostgresqlWorld, files
from tests.contract.cli_worlds import CommandLine, command_line
from tests.contract.shop import copied
from tests.postgres import Server, postgres

__all__ = ["postgres"]

ALICE = "U0ALICE"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return build(tmp_path_factory.mktemp("built"), current="v1.3.0")


@pytest.fixture
def database(postgres: Server, tmp_path: Path) -> PostgresqlWorld:
    return PostgresqlWorld(postgres, tmp_path / "backups")


@pytest.fixture
def kaeru(built: Shop, database: PostgresqlWorld, tmp_path: Path) -> CommandLine:
    copied(built, tmp_path / "shop")
    made = command_line(tmp_path)
    whole = yaml.safe_load(made.config.read_text())
    backup = {"kind": "postgresql", **database.settings(keep=1, keep_for="1s")}
    whole["services"]["shop"]["databases"] = {"orders": {"backup": backup, "wait_for_backup": "always"}}
    made.config.write_text(yaml.safe_dump(whole, sort_keys=False))
    return made


def test_one_is_taken_listed_proven_and_found_out(kaeru: CommandLine, database: PostgresqlWorld) -> None:
    assert "there is none yet" in " ".join(kaeru("check").out.split())
    assert kaeru.ok("backups", "shop") == "orders: 0 backups\n"
    first = kaeru("backup", "shop", "--prove", "restored")
    assert first.code == 0, first
    assert "restored and counted at 20" in first.out
    assert "proving it by a restore into a scratch database" in first.err
    second = kaeru("backup", "shop", "orders")
    assert "read to its end" in second.out
    place = Path(second.out.splitlines()[0])
    listed = kaeru.json("backups", "shop")
    assert [one["name"] for one in listed] == ["orders"] * len(listed)
    newest = listed[0]
    assert (newest["place"], newest["proof"]) == (str(place), "read")
    assert newest["id"] in kaeru.ok("backups", "shop", "orders")
    seen = " ".join(kaeru("check").out.split())
    assert "is proven (read)" in seen
    assert "client programs" in seen

    content = bytearray(place.read_bytes())
    content[len(content) // 2] ^= 0xFF
    place.write_bytes(content)
    said = kaeru("backup-verify", "shop", "--prove", "read")
    assert said.code == 1
    assert "checksum" in said.err or "not what was written" in said.err
    listing = kaeru.ok("backups", "shop").split(newest["id"])[1]
    assert "its proof failed at 20" in listing
    whole = " ".join(kaeru("check").out.split())
    assert "is not proven. The backup" in whole
    assert "→ Look at the database; `kaeru backup shop orders` takes another one." in whole

    whole_file = yaml.safe_load(kaeru.config.read_text())
    whole_file["services"]["shop"]["databases"]["orders"]["backup"]["port"] = 5433
    kaeru.config.write_text(yaml.safe_dump(whole_file, sort_keys=False))
    elsewhere = kaeru.ok("backups", "shop")
    assert elsewhere.startswith("orders: 0 backups\n")
    assert "under another host, port or name" in elsewhere
    assert str(place.parent) in elsewhere
    assert len(files(database.folder)) == 2 * len(listed)


def test_a_weaker_proof_than_that_of_the_file_is_not_ignored_in_silence(kaeru: CommandLine) -> None:
    whole = yaml.safe_load(kaeru.config.read_text())
    whole["services"]["shop"]["databases"]["orders"]["backup"]["verify"] = "restored"
    kaeru.config.write_text(yaml.safe_dump(whole, sort_keys=False))
    said = kaeru("backup", "shop", "--prove", "read")
    assert said.code == 0
    assert "proves more than --prove read" in said.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("backup", "shop", "users"), "shop has no database 'users'"),
        (("backup", "tea"), "There is no service 'tea'."),
        (("backup-verify", "shop"), "There is no backup of orders yet."),
        (("backup-verify", "shop", "--backup", "b-1"), "There is no backup b-1 of orders."),
    ],
)
def test_what_cannot_be_done_says_what_can(kaeru: CommandLine, words: tuple[str, ...], sentence: str) -> None:
    said = kaeru(*words)
    assert said.code != 0
    assert sentence in said.err


def test_what_is_decided_about_a_backup(kaeru: CommandLine) -> None:
    """The bot, which takes it, is played by the test here."""
    kaeru.plan(ALICE)
    incident = kaeru.incident
    assert "orders: under way" in kaeru.ok("incident", "show")
    failed = "The disk is full. Make room."
    kaeru.change(incident, lambda i: decide.backup_failed(i, "orders", 1, failed, now=now()))
    assert f"orders: failed: {failed}" in kaeru.ok("incident", "show")
    assert "Saying so is for people of kaeru.yml" in kaeru("incident", "skip-backup").err
    assert "orders is backed up again" in kaeru.ok("incident", "back-up", "--as", "alice")
    danger = Warn(level=Level.DANGER, text="It is suddenly much smaller.")
    taken = Taken(
        id="b-2", at=now(), bytes=10, sha256="0" * 64, seconds=1.0, proof="read", warnings=(danger,)
    )
    kaeru.change(incident, lambda i: decide.backup_taken(i, "orders", 2, taken, now=now()))
    assert danger.text in kaeru.ok("incident", "show")
    kaeru.ok("incident", "use-backup", "--as", "alice")
    assert "Alice relies on it." in kaeru.ok("incident", "show")
    text = kaeru.ok("timeline", "show", incident)
    assert "Backup of orders begun again, asked for by Alice" in text
    assert "Backup of orders taken: 10 bytes" in text
    assert "Alice relies on the backup of orders" in text
    shown = json.dumps(kaeru.json("incident", "show"))
    assert "accepted_by" in shown or "Alice relies on it" in shown
