"""Notices on the command line: what is told is asked for here and sent by the bot; `kaeru check` tries each way."""

import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.shop.releases import Shop
from sandbox.shop.releases.builder import build
from tests.contract.cli_worlds import CommandLine, command_line
from tests.contract.notices_worlds import PATH, SECRET, WebhookWorld, open_world
from tests.contract.shop import copied


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return build(tmp_path_factory.mktemp("built"), current="v1.3.0")


@pytest.fixture
def kaeru(built: Shop, tmp_path: Path) -> CommandLine:
    copied(built, tmp_path / "shop")
    return command_line(tmp_path)


def told_by(kaeru: CommandLine, port: int, **workspace: Any) -> None:
    """Put a webhook for support at `port` into kaeru.yml."""
    written = yaml.safe_load(kaeru.config.read_text(encoding="utf-8"))
    desk = {
        "kind": "webhook",
        "audience": "support",
        "url": f"http://127.0.0.1:{port}{PATH}",
        "secret": SECRET,
    }
    written["services"]["shop"]["notices"] = {"desk": desk}
    written.setdefault("workspace", {}).update(workspace)
    kaeru.config.write_text(yaml.safe_dump(written), encoding="utf-8")


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_an_update_is_written_down_and_waits_for_the_bot(kaeru: CommandLine) -> None:
    told_by(kaeru, closed_port())
    kaeru.ok("rollback", "shop", "--as", "alice")
    out = kaeru.ok("incident", "tell", "shop", "support", "Orders", "may be late", "--as", "alice")
    assert "as soon as kaeru runs" in out
    lines = kaeru.ok("incident", "notices", "shop").splitlines()
    assert [line.split("  ", 1)[1] for line in lines[::2]] == ["begun", "update"]
    assert ["not told yet" in line and "desk (support)" in line for line in lines[1::2]] == [True, True]
    assert "Orders may be late" in kaeru.ok("timeline", "show", incident_of(kaeru))
    refused = kaeru("incident", "tell", "shop", "customers", "Hello", "--as", "alice")
    assert refused.code != 0
    assert "no notice of shop in kaeru.yml is for customers" in refused.err


def incident_of(kaeru: CommandLine) -> str:
    return str(kaeru.json("incident", "list")[0]["id"])


async def test_check_tries_each_way_and_tells_nobody(kaeru: CommandLine, tmp_path: Path) -> None:
    templates = tmp_path / "words"
    templates.mkdir()
    (templates / "support.txt.j2").write_text(
        "{% block subject %}{{ k.service }}{% endblock %}{% block text %}{{ k.reason.upper }}{{ k.nothing }}{% endblock %}"
    )
    world = WebhookWorld()
    async with open_world(world):
        told_by(kaeru, world.port, notice_templates="words")
        there = kaeru("check").out
        assert f"127.0.0.1:{world.port} can be reached; nothing was sent" in there
        assert "The template support.txt.j2 does not work" in there
        assert world.requests == []
    gone = kaeru("check").out
    assert f"The webhook at 127.0.0.1:{world.port} cannot be reached" in gone
    assert PATH not in there + gone
