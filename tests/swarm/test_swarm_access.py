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
from bot.ports import AuthFailed, OutcomeUnknown, Refused, Unavailable
from bot.workflows.applying import applied
from integrations.swarm.access import Manager
from integrations.swarm.settings import SwarmSettings
from sandbox.clusters.swarm import SwarmCluster
from tests.swarm.doors import Certificates, SshServer, certificates, line_to, refusing, sshd
from tests.swarm.world import BAD, GOOD, Service, change, rolled_back, succeeded

pytestmark = pytest.mark.swarm


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("tls") / "pems")


@pytest.fixture
def ssh(swarm: SwarmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshServer]:
    with sshd(tmp_path / "ssh", swarm.docker_host, _free_port()) as server:
        monkeypatch.setenv("PATH", f"{server.path}:{os.environ['PATH']}")
        yield server


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def asked(host: str | None = None, *, service: str = "none", **other: object) -> None:
    """Ask a manager for a service, and let go of it."""
    manager = Manager(SwarmSettings(service=service, host=host, **other))
    try:
        await manager.service()
    finally:
        await manager.aclose()


def tls_of(pems: Certificates, **other: Path) -> dict[str, Path]:
    return {"ca": pems.file("ca"), "cert": pems.file("client"), "key": pems.file("client-key"), **other}


async def test_an_answer_that_is_lost_is_observed_and_not_repeated(service: Service, tmp_path: Path) -> None:
    async with line_to(service.docker_host, at=tmp_path / "line.sock") as line:
        target = service.target(host=line.docker_host)
        try:
            await service.create(GOOD)
            await target.inspect()
            await service.deploy(BAD)
            planned = change(await target.inspect(), GOOD)
            before = {task["ID"] for task in await service.tasks()}
            line.lose_answers = lambda head: head.startswith(b"POST ") and line.lost == 0
            with pytest.raises(OutcomeUnknown, match="was lost"):
                await target.apply(planned, "INC-1/apply")
            assert line.lost == 1
            succeeded(await applied(target, planned, key="INC-1/apply"), GOOD)
            assert len({task["ID"] for task in await service.tasks()} - before) == 2, "one task in each slot"
        finally:
            await target.aclose()


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


async def test_tcp_with_tls(service: Service, pems: Certificates) -> None:
    async with line_to(service.docker_host, tls=pems.server()) as line:
        await service.create(GOOD, replicas=1)
        await service.recorded(BAD)
        target = service.target(host=line.docker_host, tls=tls_of(pems))
        try:
            succeeded(await rolled_back(target, BAD), BAD)
        finally:
            await target.aclose()


async def test_tls_that_does_not_fit_is_explained(
    swarm: SwarmCluster, pems: Certificates, tmp_path: Path
) -> None:
    strangers = certificates(tmp_path / "strangers")
    port = _free_port()
    host = f"tcp://127.0.0.1:{port}"
    with refusing(pems, port):
        with pytest.raises(AuthFailed, match="not the one of a daemon that is trusted"):
            await asked(host, tls=tls_of(pems, ca=strangers.file("ca")))
        theirs = tls_of(pems, cert=strangers.file("client"), key=strangers.file("client-key"))
        with pytest.raises(AuthFailed, match="did not accept kaeru's certificate"):
            await asked(host, tls=theirs)
    with pytest.raises(AuthFailed, match="cannot be read: No such file"):
        await asked(host, tls=tls_of(pems, key=tmp_path / "none.pem"))
    with pytest.raises(AuthFailed, match="cannot be used for TLS"):
        await asked(host, tls=tls_of(pems, key=strangers.file("client-key")))
    async with line_to(swarm.docker_host) as plain:
        with pytest.raises(AuthFailed, match="do not agree on TLS"):
            await asked(plain.docker_host, tls=tls_of(pems))


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
