"""The way to a manager through SSH: a socket of our own, behind which every connection is `ssh … docker system dial-stdio`.

That is what the docker command itself does. It uses the ssh of this machine, and with it the user's
configuration, keys, agent and known hosts; and it needs no open port on the manager, only docker's command line.
"""

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from bot.ports.errors import Refused
from integrations.process import INHERITED, redact

CONNECT_S = 10
_BLOCK = 64 * 1024


def command(host: str) -> tuple[str, ...]:
    """The argv for `ssh://[user@]host[:port]`."""
    url = urlsplit(host)
    argv = ["ssh", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_S}", "-T"]
    if url.username:
        argv += ["-l", url.username]
    if url.port:
        argv += ["-p", str(url.port)]
    return (*argv, "--", url.hostname or "", "docker", "system", "dial-stdio")


class Tunnel:
    """Listens on `path` from `open` to `aclose`.

    `complaint` is what ssh said last when it ended with an error, `complained_at` when that was, in the loop's time.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = tuple(argv)
        self._folder = tempfile.mkdtemp(prefix="kaeru-ssh-")  # readable for this user alone
        self.path = Path(self._folder) / "docker.sock"
        self.complaint = ""
        self.complained_at = 0.0
        self._server: asyncio.Server | None = None
        self._relays: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Raises Refused where there is no ssh."""
        if self._server is not None:
            return
        if shutil.which(self._argv[0]) is None:
            raise Refused(
                f"There is no program {self._argv[0]} on this machine.", remedy="Install openssh-client."
            )
        self._server = await asyncio.start_unix_server(self._accept, path=str(self.path))

    async def aclose(self) -> None:
        if self._server is not None:
            self._server.close()
        for relay in self._relays:
            relay.cancel()
        await asyncio.gather(*self._relays, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of our own: asyncio logs it as an error where the one it would make is cancelled.
        relay = asyncio.create_task(self._relay(reader, writer))
        self._relays.add(relay)
        relay.add_done_callback(self._relays.discard)
        relay.add_done_callback(lambda _: writer.close())  # also where it was cancelled before it began

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side has ended."""
        names = INHERITED | {"SSH_AUTH_SOCK", "SSH_AGENT_PID"}
        environment = {name: value for name, value in os.environ.items() if name in names}
        pipe = asyncio.subprocess.PIPE
        ssh = await asyncio.create_subprocess_exec(
            *self._argv, stdin=pipe, stdout=pipe, stderr=pipe, env=environment
        )
        assert ssh.stdin is not None  # noqa: S101 - all three are pipes
        assert ssh.stdout is not None  # noqa: S101 - all three are pipes
        assert ssh.stderr is not None  # noqa: S101 - all three are pipes
        there = asyncio.create_task(_pump(reader, ssh.stdin))
        back = asyncio.create_task(_pump(ssh.stdout, writer))
        said = asyncio.create_task(_words(ssh.stderr))
        try:
            await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
            if back.done():
                # ssh has ended, or is about to; why is worth knowing.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(2):
                        lines = (await said).decode(errors="replace").strip().splitlines()
                        if await ssh.wait() != 0 and lines:
                            self.complaint = redact(lines[-1])[:300]
                            self.complained_at = asyncio.get_running_loop().time()
        finally:
            # First what cannot be interrupted: this may be cancelled a second time.
            if ssh.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    ssh.terminate()
            for task in (there, back, said):
                task.cancel()
            await asyncio.gather(there, back, said, return_exceptions=True)
            await ssh.wait()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while block := await source.read(_BLOCK):
            sink.write(block)
            await sink.drain()


async def _words(source: asyncio.StreamReader) -> bytes:
    """The last 4 KiB until the end."""
    kept = b""
    while block := await source.read(_BLOCK):
        kept = (kept + block)[-4096:]
    return kept
