"""What ssh says when it ends, and what that explains."""

import asyncio
import os
import shutil
from contextlib import aclosing
from pathlib import Path

import pytest

from bot.ports import Refused, Unavailable
from integrations.swarm.access import Manager
from integrations.swarm.settings import SwarmSettings
from sandbox.clusters.swarm import SwarmCluster
from tests.swarm.world import eventually

pytestmark = pytest.mark.swarm


async def test_an_old_complaint_of_ssh_explains_nothing_but_its_own_connection(
    swarm: SwarmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker, program = shutil.which("docker"), tmp_path / "ssh"
    assert docker is not None
    # A line that dies after a second, and says so; the next one is as good as ever, until the way is closed.
    program.write_text(
        f"#!/bin/sh\n"
        f'[ -e {tmp_path}/closed ] && {{ echo "ssh: the way is closed" >&2; exit 255; }}\n'
        f"timeout -s KILL 1 {docker} --host {swarm.docker_host} system dial-stdio\n"
        f'echo "client_loop: send disconnect: Broken pipe" >&2\n'
        f"exit 255\n",
        encoding="utf-8",
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    before = asyncio.all_tasks()

    async def line_is_dead() -> bool:
        return asyncio.all_tasks() <= before

    settings = SwarmSettings(service="none", host="ssh://127.0.0.1")
    async with aclosing(Manager(settings)) as manager:
        await manager.nodes()
        await eventually(line_is_dead, "the line has died")
        with pytest.raises(Refused, match="no service none"):
            await manager.service()
        await eventually(line_is_dead, "the line has died once more")
        (tmp_path / "closed").touch()
        with pytest.raises(Unavailable, match="the way is closed"):
            await manager.service()
