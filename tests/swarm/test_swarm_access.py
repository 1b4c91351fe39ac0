"""The ways to a manager, and what is said where one is closed."""

import asyncio
import hashlib
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.domain.evidence import Outcome
from bot.ports import AuthFailed, Refused, Unavailable
from bot.workflows.applying import applied
from sandbox.clusters.swarm import SwarmCluster
from tests.swarm.doors import SshServer, line_to, sshd
from tests.swarm.world import BAD, GOOD, Service, asked, change, rolled_back, succeeded

pytestmark = pytest.mark.swarm


@pytest.fixture
def ssh(swarm: SwarmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshServer]:
    with sshd(tmp_path / "ssh", swarm.docker_host, _free_port()) as server:
        monkeypatch.setenv("PATH", f"{server.path}:{os.environ['PATH']}")
        yield server


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def test_a_daemon_that_is_away_and_comes_back_mid_run(service: Service, tmp_path: Path) -> None:
    at = tmp_path / "line.sock"
    target = service.target(host=f"unix://{at}")
    try:
        async with line_to(service.docker_host, at=at):
            await service.create(GOOD)
            await target.inspect()
            await service.deploy(BAD)
            planned = change(await target.inspect(), GOOD)
            assert (await target.apply(planned, "INC-1/apply")).outcome is Outcome.UNKNOWN
        at.unlink(missing_ok=True)
        with pytest.raises(Unavailable, match="No Docker daemon answers"):
            await target.observe(planned, "INC-1/apply")
        run = asyncio.create_task(applied(target, planned, key="INC-1/apply"))
        async with line_to(service.docker_host, at=at):
            succeeded(await run, GOOD)
    finally:
        await target.aclose()


async def test_ssh(service: Service, ssh: SshServer) -> None:
    await service.create(GOOD, replicas=1)
    await service.recorded(BAD)
    target = service.target(host=ssh.docker_host)
    try:
        succeeded(await rolled_back(target, BAD), BAD)
    finally:
        await target.aclose()


async def test_ssh_that_does_not_let_us_in_is_explained(ssh: SshServer) -> None:
    ssh.refuse_key()
    with pytest.raises(AuthFailed, match="Permission denied"):
        await asked(ssh.docker_host)
    ssh.forget_host()
    with pytest.raises(AuthFailed, match="Host key verification failed"):
        await asked(ssh.docker_host)
    with pytest.raises(Unavailable, match="Connection refused"):
        await asked(f"ssh://127.0.0.1:{_free_port()}")


async def test_a_docker_context(
    service: Service, ssh: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    for name, host in (("local", service.docker_host), ("far", ssh.docker_host)):
        argv = ["docker", "context", "create", name, "--docker", f"host={host}"]
        await asyncio.to_thread(subprocess.run, argv, check=True, capture_output=True, timeout=60)
    await service.create(GOOD, replicas=1)
    for name in ("local", "far"):
        target = service.target(host=None, context=name)
        try:
            assert (await target.inspect()).running == GOOD
        finally:
            await target.aclose()
    with pytest.raises(Refused, match="no Docker context elsewhere"):
        await asked(context="elsewhere")
    meta = tmp_path / "docker" / "contexts" / "meta" / hashlib.sha256(b"local").hexdigest() / "meta.json"
    meta.write_text(json.dumps({"Name": "local"}), encoding="utf-8")
    with pytest.raises(Refused, match="cannot be read"):
        await asked(context="local")


async def test_a_service_that_does_not_exist_is_named(swarm: SwarmCluster) -> None:
    with pytest.raises(Refused, match="no service none on") as refused:
        await asked(swarm.docker_host)
    assert "docker service ls" in refused.value.remedy


async def test_no_right_to_use_the_socket(swarm: SwarmCluster, tmp_path: Path) -> None:
    async with line_to(swarm.docker_host, at=tmp_path / "closed.sock") as line:
        (tmp_path / "closed.sock").chmod(0)
        me = os.geteuid()
        os.seteuid(65534 if me == 0 else me)  # nothing keeps root out
        try:
            with pytest.raises(AuthFailed, match="no right to use") as failed:
                await asked(line.docker_host)
        finally:
            os.seteuid(me)
    assert "group of the socket" in failed.value.remedy
