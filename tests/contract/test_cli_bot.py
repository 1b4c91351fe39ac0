"""The command line beside a running bot: it decides in one process, the bot acts and tells in another."""

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from bot.domain.incident import Incident, PlanState, Status
from sandbox.shop.control import linked_release
from sandbox.shop.releases.builder import build
from sandbox.workspace.local import LocalWorkspace
from tests.contract.cli_worlds import KAERU, CommandLine, Said, command_line
from tests.contract.shop import PROJECT, RunningShop, running

PATIENCE_S = 60.0


@contextlib.asynccontextmanager
async def bot(kaeru: CommandLine) -> AsyncIterator[None]:
    """`kaeru run`, stopped as an operator stops it."""
    log = (kaeru.folder / "bot.log").open("wb")
    process = await asyncio.create_subprocess_exec(
        *KAERU, "run", "--announce", cwd=PROJECT, env=kaeru.env, stdout=asyncio.subprocess.PIPE, stderr=log
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)
        assert json.loads(line or b"{}") == {"ready": True}, (kaeru.folder / "bot.log").read_text()
        yield
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()
        log.close()


async def test_what_is_decided_here_is_done_and_told_there(tmp_path: Path) -> None:
    with running(build(tmp_path / "shop", current="v1.3.0")) as shop:
        async with LocalWorkspace(manifest=PROJECT / "manifest.yml", rate_limits=False) as ws:
            kaeru = command_line(tmp_path, url=shop.url, watch="2s")
            kaeru.environment = {
                "SLACK_BOT_TOKEN": ws.bot_token,
                "SLACK_APP_TOKEN": ws.app_token,
                "KAERU_SLACK_API_URL": ws.api_url,
                "PYTHONWARNINGS": "default",
            }
            async with bot(kaeru):
                await roll_back(kaeru, ws, shop)
            log = (kaeru.folder / "bot.log").read_text()
            said = [
                text for text in ("is ready: v1.3.0 to v1.2.9", ": mitigated", ": verified") if text in log
            ]
            assert len(said) == 3, log
            assert log.rstrip().endswith(
                "kaeru has stopped; whatever was under way goes on at the next start"
            )
            assert "kaeru is told to stop (SIGTERM)" in log


async def roll_back(kaeru: CommandLine, ws: LocalWorkspace, shop: RunningShop) -> None:
    alice = ws.person("alice")
    await say(kaeru, "rollback", "shop", "v1.2.9", "--as", "alice")
    channel = (await alice.channel("inc-", timeout=PATIENCE_S))["id"]
    incident = (await until(kaeru, lambda seen: seen.channel_id == channel)).id
    follow = await asyncio.create_subprocess_exec(
        *KAERU, "incident", "follow", incident, cwd=PROJECT, env=kaeru.env, stdout=asyncio.subprocess.PIPE
    )
    try:
        await say(kaeru, "incident", "severity", incident, "high", "--as", "alice")
        await until(kaeru, lambda seen: seen.plans[-1].state is PlanState.READY)
        await say(kaeru, "incident", "approve", incident, "--yes", "--as", "bob")
        await until(kaeru, lambda seen: seen.status is Status.VERIFIED)
        assert linked_release(shop.root).name == "v1.2.9"
        assert shop.get("/version")[2]["version"] == "v1.2.9"
        # The command line was seen in the channel by whom it acted for.
        await alice.message(channel, "typed on the command line", timeout=PATIENCE_S)
        await say(
            kaeru, "incident", "close", incident, "--accept", "--summary", "back on v1.2.9", "--as", "alice"
        )
        told, _ = await asyncio.wait_for(follow.communicate(), PATIENCE_S)
        assert "Verified" in told.decode()
        assert "Incident closed by Alice: back on v1.2.9" in told.decode()
    finally:
        with contextlib.suppress(ProcessLookupError):
            follow.kill()
        await follow.wait()
    has_file = lambda message: any(f["name"].endswith(".md") for f in message.get("files", ()))  # noqa: E731  short enough to read in place
    await alice.message(channel, has_file, timeout=PATIENCE_S)
    assert "intact" in (await say(kaeru, "timeline", "verify", incident)).out
    status = (await say(kaeru, "status", "--json")).json
    assert (status["incidents"], status["undelivered"], status["parked"]) == ([], [], [])


async def say(kaeru: CommandLine, *words: str) -> Said:
    """Run a command that must succeed, while the workspace goes on in this process."""
    said = await asyncio.to_thread(kaeru, *words)
    assert said.code == 0, (words, said)
    return said


async def until(kaeru: CommandLine, holds: Callable[[Incident], bool]) -> Incident:
    """The incident, once it is as it should be."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while True:
        incident: Incident
        (incident,) = await asyncio.to_thread(
            kaeru.stored, lambda uow: uow.incidents.list(open_only=False, limit=2)
        )
        if holds(incident):
            return incident
        assert asyncio.get_running_loop().time() < deadline, incident
        await asyncio.sleep(0.1)
