"""The command line itself: its help, what it imports, and what it says when the words or the surroundings are wrong."""

import subprocess
from pathlib import Path

import click
import pytest

from bot.cli.lazy import LazyGroup
from bot.cli.main import cli
from tests.contract.cli_worlds import KAERU, CommandLine
from tests.contract.shop import PROJECT


@pytest.fixture
def kaeru(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


def commands(
    group: LazyGroup, path: tuple[str, ...] = ()
) -> list[tuple[tuple[str, ...], str, click.Command]]:
    found = []
    context = click.Context(group)
    for name, (_, about) in group.lazy.items():
        command = group.get_command(context, name)
        assert command is not None
        found.append(((*path, name), about, command))
        if isinstance(command, LazyGroup):
            found += commands(command, (*path, name))
    return found


def test_every_command_says_of_itself_what_its_group_says_of_it() -> None:
    found = commands(cli)
    assert len(found) > 25
    for path, about, command in found:
        own = command.get_short_help_str(200).rstrip(".")
        assert own.startswith(about.rstrip(".")), path


def test_every_command_has_help_and_every_option_explains_itself() -> None:
    for path, _, command in commands(cli):
        assert command.help, path
        for option in (p for p in command.params if isinstance(p, click.Option)):
            assert option.help, (path, option.name)


@pytest.mark.parametrize(
    ("words", "unwanted"),
    [
        (("--help",), ("sqlalchemy", "pydantic", "slack_bolt", "dbos", "sandbox", "bot.app")),
        (
            ("timeline", "verify", "inc-1"),
            (
                "slack_bolt",
                "slack_sdk",
                "dbos",
                "matplotlib",
                "sandbox",
                "jinja2",
                "httpx",
                "aiohttp",
            ),
        ),
        (("incident", "list"), ("slack_bolt", "slack_sdk", "matplotlib", "sandbox", "aiohttp", "bot.app")),
        (("rollback", "shop"), ("slack_bolt", "slack_sdk", "dbos", "matplotlib", "sandbox", "bot.app")),
    ],
)
def test_a_command_imports_only_what_it_needs(
    kaeru: CommandLine, words: tuple[str, ...], unwanted: tuple[str, ...]
) -> None:
    argv = [KAERU[0], "-X", "importtime", *KAERU[1:], *words]
    done = subprocess.run(
        argv, cwd=PROJECT, env=kaeru.env, capture_output=True, text=True, timeout=60, check=False
    )
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if "|" in line}
    assert "bot.cli.main" in imported
    assert not imported.intersection(unwanted)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("rolback", "shop"), "No such command 'rolback'"),
        (("rollback",), "Missing argument 'SERVICE'"),
        (("rollback", "shop", "../etc"), "cannot be a version"),
        (("rollback", "shop", "--force"), "No such option"),
        (("incident", "severity", "inc-1", "terrible"), "is not one of"),
        (("incident", "note", "inc-1"), "Missing argument"),
        (("incident", "role", "inc-1", "the boss", "alice"), "cannot be a role"),
        (("incident", "lessons", "inc-1"), "nothing to record"),
        (("timeline", "export", "inc-1", "--format", "pdf"), "is not one of"),
        (("timeline", "search", "inc-1", " "), "Say what to look for"),
    ],
)
def test_wrong_words_are_told_in_a_line_and_end_with_2(
    kaeru: CommandLine, words: tuple[str, ...], expected: str
) -> None:
    said = kaeru(*words)
    assert said.code == 2
    assert expected in said.err
    assert "--help" in said.err
    assert said.err.startswith("kaeru: ")
    assert said.out == ""


def test_a_group_alone_shows_its_help(kaeru: CommandLine) -> None:
    said = kaeru("timeline")
    assert said.code == 2
    assert "verify" in said.err


def test_a_database_that_is_not_there_is_not_made_by_looking(kaeru: CommandLine) -> None:
    said = kaeru("timeline", "verify", "inc-1")
    assert said.code == 1
    assert "KAERU_DATA" in said.err
    assert not kaeru.data.exists()


def test_without_a_kaeru_yml_a_deciding_command_says_where_it_looked(kaeru: CommandLine) -> None:
    said = kaeru("rollback", "shop")
    assert said.code == 1
    assert "kaeru.example.yml" in said.err
    assert not kaeru.data.exists()


def test_no_password_is_printed(kaeru: CommandLine) -> None:
    url = "postgresql://kaeru:hunter2@127.0.0.1:9/kaeru"
    said = kaeru(
        "timeline", "verify", "inc-1", KAERU_DATABASE_URL=url, KAERU_ENGINE_DATABASE_URL=f"{url}_engine"
    )
    assert said.code == 1
    assert "127.0.0.1:9" in said.err
    assert "hunter2" not in said.out + said.err


def test_a_wrong_variable_is_told_without_its_value(kaeru: CommandLine) -> None:
    said = kaeru("status", SLACK_BOT_TOKEN="xapp-swapped-secret")
    assert said.code == 1
    assert "SLACK_BOT_TOKEN" in said.err
    assert "swapped-secret" not in said.err


def test_the_schema_is_the_one_in_the_documentation(kaeru: CommandLine) -> None:
    assert kaeru.ok("schema") == (PROJECT / "docs" / "kaeru.schema.json").read_text(encoding="utf-8")
