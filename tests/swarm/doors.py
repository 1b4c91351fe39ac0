"""Other ways to a real daemon: TCP with TLS, SSH, and a line that loses answers."""

import asyncio
import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from sandbox.clusters import debian
from sandbox.clusters.commands import search_path
from sandbox.clusters.places import places
from tests.clusters import without

_SSHD = debian.Program("sshd", "openssh-server")


@dataclass
class Line:
    """A way through. `lose_answers` asks of each request's head whether its answer is lost, and the line with it.

    `keep` asks whether the request does not arrive at all: it ends up in `kept`, and may be delivered late.
    """

    docker_host: str
    lose_answers: Callable[[bytes], bool] = lambda _head: False
    keep: Callable[[bytes], bool] = lambda _head: False
    lost: int = 0
    kept: list[bytes] = field(default_factory=list)

    async def deliver_late(self, there_at: str, request: bytes) -> bytes:
        """The first line of the daemon's answer to a request that was kept."""
        reader, writer = await _connect(there_at)
        writer.write(request)
        answer = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return answer


@contextlib.asynccontextmanager
async def line_to(docker_host: str, *, at: Path | None = None) -> AsyncIterator[Line]:
    """A line to a daemon: on the socket `at`, or on a free port of 127.0.0.1."""
    line = Line("")
    relays: set[asyncio.Task[None]] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await _relay(line, docker_host, reader, writer)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(relay(reader, writer))
        relays.add(task)
        task.add_done_callback(relays.discard)
        task.add_done_callback(lambda _: writer.close())

    if at is not None:
        server = await asyncio.start_unix_server(accept, path=str(at))
        line.docker_host = f"unix://{at}"
    else:
        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        line.docker_host = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield line
    finally:
        server.close()
        for task in relays:
            task.cancel()
        await asyncio.gather(*relays, return_exceptions=True)
        await server.wait_closed()
        await asyncio.sleep(0)  # what was closed is closed in the next round of the loop


async def _relay(
    line: Line, there_at: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    there, back = await _connect(there_at)
    losing = False

    async def forth() -> None:
        nonlocal losing
        while block := await reader.read(1 << 16):
            if line.keep(block):
                line.kept.append(block + await _rest(block, reader))
                return
            losing = line.lose_answers(block) or losing
            back.write(block)
            await back.drain()

    async def answers() -> None:
        while block := await there.read(1 << 16):
            if losing:
                line.lost += 1
                return
            writer.write(block)
            await writer.drain()

    tasks = [asyncio.create_task(forth()), asyncio.create_task(answers())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        back.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _connect(there_at: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    place = urlsplit(there_at)
    if place.scheme == "unix":
        return await asyncio.open_unix_connection(place.path)
    return await asyncio.open_connection(place.hostname, place.port)


async def _rest(block: bytes, reader: asyncio.StreamReader) -> bytes:
    """What is still to come of a request that begins with `block`, which has the whole head."""
    head, _, body = block.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)^content-length: (\d+)", head, re.MULTILINE)
    assert length is not None
    return await reader.readexactly(int(length[1]) - len(body))


@dataclass(frozen=True)
class Certificates:
    """An authority, a daemon's certificate for its address, and kaeru's."""

    folder: Path

    def file(self, name: str) -> Path:
        return self.folder / f"{name}.pem"

    def of_daemon(self) -> dict[str, object]:
        """What dockerd is to be told: to let in nobody without a certificate of the authority."""
        files = {"tlscacert": "ca", "tlscert": "server", "tlskey": "server-key"}
        return {"tlsverify": True, **{option: str(self.file(name)) for option, name in files.items()}}


def certificates(folder: Path, address: str) -> Certificates:
    """Made by openssl."""
    folder.mkdir()

    def make(*argv: str) -> None:
        subprocess.run(["openssl", *argv], cwd=folder, check=True, capture_output=True, timeout=60)

    new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    make(
        *new, "-x509", "-keyout", "ca-key.pem", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test authority"
    )
    for name, extra in (
        ("server", f"subjectAltName=IP:{address}"),
        ("client", "extendedKeyUsage=clientAuth"),
    ):
        make(*new, "-keyout", f"{name}-key.pem", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / f"{name}.ext").write_text(f"{extra}\n", encoding="ascii")
        sign = (
            "x509",
            "-req",
            "-in",
            f"{name}.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca-key.pem",
            "-CAcreateserial",
        )
        make(*sign, "-out", f"{name}.pem", "-days", "2", "-extfile", f"{name}.ext")
    return Certificates(folder)


def _await_port(port: int, within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, f"nothing listens on {port}"
            time.sleep(0.05)
        else:
            return


@dataclass(frozen=True)
class SshServer:
    """An sshd on 127.0.0.1 that lets this user in with `key`; `path` goes in front of PATH and makes ssh find both."""

    port: int
    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / "bin"

    @property
    def docker_host(self) -> str:
        return f"ssh://127.0.0.1:{self.port}"

    def forget_host(self) -> None:
        (self.folder / "known_hosts").write_text("", encoding="ascii")

    def refuse_key(self) -> None:
        (self.folder / "authorized_keys").write_text("", encoding="ascii")


@contextlib.contextmanager
def sshd(folder: Path, docker_host: str, port: int) -> Iterator[SshServer]:
    """A real sshd, behind which `docker` means `docker_host`."""
    if reason := debian.why_not([_SSHD], "An SSH server for tests"):
        without("An SSH server", reason)
    debian.install(debian.missing([_SSHD]), places().root / "apt.log")
    program = shutil.which("sshd", path=search_path())
    assert program is not None
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    folder.mkdir()
    for name in ("host", "user"):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(argv, check=True, timeout=60)
    shutil.copy(folder / "user.pub", folder / "authorized_keys")
    kind, key, *_ = (folder / "host.pub").read_text(encoding="ascii").split()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {kind} {key}\n", encoding="ascii")
    docker = shutil.which("docker")
    assert docker is not None, "the docker command is needed on the other side"
    settings = {
        "Port": str(port),
        "ListenAddress": "127.0.0.1",
        "HostKey": str(folder / "host"),
        "AuthorizedKeysFile": str(folder / "authorized_keys"),
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "PermitRootLogin": "prohibit-password",
        "SetEnv": f"DOCKER_HOST={docker_host} PATH={Path(docker).parent}:{os.defpath.lstrip(':')}",
    }
    config = folder / "sshd_config"
    config.write_text("".join(f"{key} {value}\n" for key, value in settings.items()), encoding="ascii")
    _client(folder)
    with subprocess.Popen([program, "-D", "-e", "-f", str(config)], stderr=subprocess.DEVNULL) as process:
        try:
            _await_port(port)
            yield SshServer(port, folder)
        finally:
            process.terminate()
            process.wait(timeout=10)


def _client(folder: Path) -> None:
    """An ssh that has a home of its own: the real one reads the user's, whatever HOME says."""
    real = shutil.which("ssh")
    assert real is not None
    (folder / "config").write_text(
        f"Host *\n  IdentityFile {folder}/user\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {folder}/known_hosts\n  StrictHostKeyChecking yes\n",
        encoding="ascii",
    )
    script = folder / "bin" / "ssh"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {real} -F {folder}/config "$@"\n', encoding="ascii")
    script.chmod(0o755)
