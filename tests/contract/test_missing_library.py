"""A library of an extra that is not installed: the service that needs it says which command brings it, the others are served."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from sandbox.shop.releases.builder import build
from sandbox.workspace.local import LocalWorkspace
from tests.contract.cli_worlds import KAERU, CommandLine, Said, command_line
from tests.contract.shop import PROJECT
from tests.contract.test_cli_bot import bot

COMMAND = "pip install 'kaeru[mysql]'"
LEDGER = """\
  ledger:
    owners: [alice]
    target: { kind: symlink, releases: ledger/releases, link: ledger/current }
    databases:
      books:
        backup: { kind: mariadb, database: books, user: kaeru, directory: backups }
"""


@pytest.fixture
def kaeru(tmp_path: Path) -> CommandLine:
    """A shop without a database, and a ledger with one, where aiomysql is not installed."""
    build(tmp_path / "shop", current="v1.3.0")
    build(tmp_path / "ledger", current="v1.3.0")
    found = command_line(tmp_path)
    found.config.write_text(found.config.read_text(encoding="utf-8").rstrip() + "\n" + LEDGER)
    hiding = tmp_path / "hiding"
    hiding.mkdir()
    said = "raise ModuleNotFoundError(\"No module named 'aiomysql'\", name='aiomysql')\n"
    (hiding / "aiomysql.py").write_text(said)
    found.environment = {"PYTHONPATH": os.pathsep.join((str(hiding), str(PROJECT)))}
    return found


def said_by(kaeru: CommandLine, *words: str) -> Said:
    """Not forked from this process, which has the library."""
    done = subprocess.run(
        [*KAERU, *words], env=kaeru.env, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Said(done.returncode, done.stdout, done.stderr)


def test_check_fails_for_the_service_that_needs_it_alone(kaeru: CommandLine) -> None:
    said = said_by(kaeru, "check")
    flat = " ".join(said.out.split())
    assert said.code == 1
    assert "The library aiomysql is not installed." in flat
    assert COMMAND in flat
    assert "v1.3.0 is set" in flat  # the shop was looked at


def test_a_command_about_the_service_says_what_to_install(kaeru: CommandLine) -> None:
    said = said_by(kaeru, "backup", "ledger")
    assert said.code == 1
    assert COMMAND in " ".join(said.err.split())


def test_other_services_are_planned(kaeru: CommandLine) -> None:
    said = said_by(kaeru, "rollback", "shop", "v1.2.9", "--dry-run", "--as", "alice")
    assert said.code == 0, said
    assert "Dry run: nothing was changed." in said.out


async def test_the_bot_starts_and_names_the_service_it_cannot_act_for(kaeru: CommandLine) -> None:
    async with LocalWorkspace(manifest=PROJECT / "manifest.yml", rate_limits=False) as ws:
        kaeru.environment |= {
            "SLACK_BOT_TOKEN": ws.bot_token,
            "SLACK_APP_TOKEN": ws.app_token,
            "KAERU_SLACK_API_URL": ws.api_url,
        }
        async with bot(kaeru):
            pass
    log = (kaeru.folder / "bot.log").read_text()
    assert re.search(r"cannot act for ledger.*" + re.escape(COMMAND), log), log
    assert "Traceback" not in log


def test_the_documented_installation_brings_every_extra() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lock = (PROJECT / "requirements.lock").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))
    needed = {
        re.split(r"[\[>=<]", one)[0] for extra in project["optional-dependencies"].values() for one in extra
    }
    assert needed
    assert needed <= locked
