"""One program on another machine, over a channel of its own."""

import asyncio

import asyncssh

from integrations.hosts.errors import Lost
from integrations.hosts.machine import Ended
from integrations.process import LAST_LINE, redact

REST_S = 0.3
"""How long after a program's end its last words may take; what it left running may hold the channel for ever."""
KEPT = 16 * 1024
"""Bytes of what it said that are kept, the last ones."""


class Program(asyncssh.SSHClientSession[bytes]):
    """Believes the exit code, and does not wait for what the program leaves behind to close the channel."""

    def __init__(self) -> None:
        self._said = b""
        self._code: int | str | None = None
        self._over = asyncio.Event()
        self._silent = asyncio.Event()
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None

    @classmethod
    async def start(cls, connection: asyncssh.SSHClientConnection, command: str) -> "Program":
        """Raises asyncssh.Error, OSError."""
        program = cls()
        channel, _ = await connection.create_session(lambda: program, command, encoding=None)
        program.attach(channel)
        return program

    def attach(self, channel: "asyncssh.SSHClientChannel[bytes]") -> None:
        """The program reads nothing: its input is at its end."""
        self._channel = channel
        channel.write_eof()

    async def ended(self) -> Ended:
        """Wait for its end. Raises Lost where that cannot be known any more."""
        await self._over.wait()
        if self._code is None:
            raise Lost("the connection was lost while the program ran")
        try:
            async with asyncio.timeout(REST_S):
                await self._silent.wait()
        except TimeoutError:
            pass  # a daemon holds the channel; what was said is said
        lines = [line.strip() for line in self._said.decode(errors="replace").splitlines() if line.strip()]
        last = redact(lines[-1])[:LAST_LINE] if lines else ""
        if isinstance(self._code, str):
            return Ended(-1, f"it was ended by SIG{self._code}")
        return Ended(self._code, last)

    def kill(self) -> None:
        """As far as sshd passes the signal on: not where root logs in, nor with a forced command."""
        if self._channel is not None and not self._over.is_set():
            self._channel.kill()

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()

    # What asyncssh calls.

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if datatype == asyncssh.EXTENDED_DATA_STDERR:
            self._said = (self._said + data)[-KEPT:]

    def eof_received(self) -> bool:
        self._silent.set()
        return False

    def exit_status_received(self, status: int) -> None:
        self._code = status
        self._over.set()

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:  # noqa: FBT001, ARG002 - asyncssh's signature
        self._code = signal
        self._over.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncssh's signature
        self._over.set()
        self._silent.set()
