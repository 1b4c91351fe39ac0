"""`kaeru check` on a real workspace and a real shop."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sandbox.shop.releases.builder import build
from sandbox.workspace.local import LocalWorkspace
from tests.contract.cli_worlds import CommandLine, command_line
from tests.contract.shop import PROJECT, RunningShop, running
from tests.contract.workspace_bot import manifest


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningShop]:
    with running(build(tmp_path_factory.mktemp("check") / "shop", current="v1.2.9")) as found:
        yield found


@pytest.fixture
async def ws() -> AsyncIterator[LocalWorkspace]:
    async with LocalWorkspace(manifest=PROJECT / "manifest.yml", rate_limits=False) as workspace:
        yield workspace


def kaeru_for(ws: LocalWorkspace, shop: RunningShop, tmp_path: Path) -> CommandLine:
    (tmp_path / "shop").symlink_to(shop.root)
    kaeru = command_line(tmp_path, url=shop.url)
    kaeru.environment = {
        "SLACK_BOT_TOKEN": ws.bot_token,
        "SLACK_APP_TOKEN": ws.app_token,
        "KAERU_SLACK_API_URL": ws.api_url,
    }
    return kaeru


async def test_where_all_is_well_it_says_so_and_changes_nothing(
    ws: LocalWorkspace, shop: RunningShop, tmp_path: Path
) -> None:
    kaeru = kaeru_for(ws, shop, tmp_path)
    alerts = {"KAERU_ALERTS_LISTEN": "127.0.0.1:0", "KAERU_ALERTS_TOKEN": "sEcReT-token-of-the-alerts"}
    said = await asyncio.to_thread(kaeru, "check", **alerts)
    assert said.code == 0, said
    assert "127.0.0.1:0 is free; the label 'service' names shop" in " ".join(said.out.split())
    assert "FAIL" not in said.out
    assert "4 people are named in kaeru.yml, all are in Slack" in " ".join(said.out.split())
    assert "v1.2.9 runs" in said.out
    assert "kaeru's own renders" in said.out
    assert "\x1b" not in said.out
    assert ws.bot_token not in said.out + said.err
    assert list(kaeru.data.iterdir()) == []


async def test_who_receives_notices_has_to_be_in_slack(
    ws: LocalWorkspace, shop: RunningShop, tmp_path: Path
) -> None:
    kaeru = kaeru_for(ws, shop, tmp_path)
    text = kaeru.config.read_text(encoding="utf-8")
    desk = "    notices: {desk: {kind: slack, audience: support, people: [U0GONE]}}\n    watch:"
    kaeru.config.write_text(text.replace("    watch:", desk), encoding="utf-8")
    said = await asyncio.to_thread(kaeru, "check")
    assert "nobody in this workspace has the id U0GONE" in " ".join(said.out.split()), said


async def test_what_would_fail_later_fails_now(ws: LocalWorkspace, shop: RunningShop, tmp_path: Path) -> None:
    kaeru = kaeru_for(ws, shop, tmp_path)
    (tmp_path / "ours.md.j2").write_text("{{ pm.incident_id }}\n{{ pm.tmies.total }}\n")
    text = kaeru.config.read_text(encoding="utf-8").replace("U0DAN", "U0NOBODY")
    text = text.replace("oncall: [alice,", "oncall: [dan, alice,")
    text = text.replace("    watch:", "    postmortem_template: ours.md.j2\n    watch:")
    kaeru.config.write_text(text, encoding="utf-8")
    said = await asyncio.to_thread(kaeru, "check", KAERU_DATAA="x")
    assert said.code == 1, said
    flat = " ".join(said.out.split())
    assert "U0NOBODY" in flat
    assert "in line 2" in flat
    assert "Did you mean KAERU_DATA?" in flat


async def test_a_scope_that_is_not_granted_is_named(shop: RunningShop, tmp_path: Path) -> None:
    granted = manifest(without_scopes=("bookmarks:write",))
    async with LocalWorkspace(manifest=granted, rate_limits=False) as ws:
        said = await asyncio.to_thread(kaeru_for(ws, shop, tmp_path), "check")
    assert said.code == 1, said
    assert "missing: bookmarks:write" in said.out


def test_without_tokens_and_without_a_file(tmp_path: Path) -> None:
    said = CommandLine(tmp_path)("check", "--config", str(tmp_path / "other.yml"))
    assert said.code == 2
    assert "SLACK_BOT_TOKEN and SLACK_APP_TOKEN are not set" in said.out
    assert "other.yml" in "".join(said.out.split()), "a long path is wrapped"
