"""A real daemon that lets nobody in without a certificate (`dockerd --tlsverify`)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.ports import AuthFailed
from sandbox.clusters.errors import Unavailable
from sandbox.clusters.throwaway import Node, throwaway_swarm
from tests.clusters import without
from tests.swarm.doors import Certificates, certificates, line_to
from tests.swarm.world import BAD, GOOD, asked, remembered, rolled_back, service_on, succeeded

pytestmark = [pytest.mark.swarm, pytest.mark.timeout(240)]

PORT = 2376


@dataclass(frozen=True)
class Guarded:
    node: Node
    pems: Certificates

    @property
    def docker_host(self) -> str:
        return f"tcp://{self.node.address}:{PORT}"

    def tls(self, **other: Path) -> dict[str, Path]:
        """What kaeru.yml would say; `other` files instead of the right ones."""
        file = self.pems.file
        return {"ca": file("ca"), "cert": file("client"), "key": file("client-key"), **other}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Its socket is for the tests' own hands; kaeru comes over TCP."""
    try:
        with throwaway_swarm(1) as swarm:
            node = swarm.manager
            pems = certificates(tmp_path_factory.mktemp("tls") / "pems", node.address)
            hosts = [node.docker_host, f"tcp://{node.address}:{PORT}"]
            node.stop()
            node.daemon.start({"hosts": hosts, **pems.of_daemon()})
            node.daemon.await_ready()
            yield Guarded(node, pems)
    except Unavailable as error:
        without("Docker Swarm", str(error))


@pytest.fixture(scope="module")
def strangers(guarded: Guarded, tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Of another authority."""
    return certificates(tmp_path_factory.mktemp("strangers") / "pems", guarded.node.address)


async def test_a_rollback_over_tls(guarded: Guarded) -> None:
    async with service_on(guarded.node.docker_host, repository="kaeru-test/web") as service:
        target = service.target(host=guarded.docker_host, tls=guarded.tls())
        try:
            await service.create(GOOD, replicas=1)
            await target.inspect()
            await remembered(service, target, BAD)
            succeeded(await rolled_back(target, GOOD), GOOD)
            assert await service.running() == [GOOD]
        finally:
            await target.aclose()


async def test_a_daemon_that_is_not_trusted_gets_no_certificate(
    guarded: Guarded, strangers: Certificates
) -> None:
    with pytest.raises(AuthFailed, match="not the one of a daemon that is trusted"):
        await asked(guarded.docker_host, tls=guarded.tls(ca=strangers.file("ca")))


async def test_a_certificate_that_the_daemon_does_not_accept_is_explained(
    guarded: Guarded, strangers: Certificates
) -> None:
    """Again and again: what it says of that is lost when it was sent a request by then."""
    theirs = guarded.tls(cert=strangers.file("client"), key=strangers.file("client-key"))
    for _ in range(5):
        with pytest.raises(AuthFailed, match="did not accept kaeru's certificate"):
            await asked(guarded.docker_host, tls=theirs)


async def test_files_that_do_not_fit_are_explained(
    guarded: Guarded, strangers: Certificates, tmp_path: Path
) -> None:
    with pytest.raises(AuthFailed, match="cannot be read: No such file"):
        await asked(guarded.docker_host, tls=guarded.tls(key=tmp_path / "none.pem"))
    with pytest.raises(AuthFailed, match="cannot be used for TLS"):
        await asked(guarded.docker_host, tls=guarded.tls(key=strangers.file("client-key")))


async def test_one_side_without_tls_is_explained(guarded: Guarded) -> None:
    async with line_to(guarded.node.docker_host) as plain:
        with pytest.raises(AuthFailed, match="do not agree on TLS"):
            await asked(plain.docker_host, tls=guarded.tls())
    with pytest.raises(AuthFailed, match="wants TLS") as plainly:
        await asked(guarded.docker_host)
    assert "tls.ca" in plainly.value.remedy
