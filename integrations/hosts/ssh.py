"""Connections by SSH: only to hosts whose key is known, kept while they are needed, and opened again when lost."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import asyncssh

from bot.ports.errors import AuthFailed, PortError, Refused
from integrations.hosts.address import Address, as_address
from integrations.hosts.errors import Lost, of_connecting, of_host_key
from integrations.hosts.settings import HostsSettings

KEEPALIVE_S, KEEPALIVES = 5, 3
"""A connection of which nothing is heard for so long is lost."""

T = TypeVar("T")
_LOST = (asyncssh.ConnectionLost, asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, ConnectionError)


class Ssh:
    """How every host is reached; holds the connection to the jump host. Reads no ~/.ssh/config."""

    def __init__(self, settings: HostsSettings) -> None:
        self._settings = settings
        self.timeout_s = settings.connect_timeout.total_seconds()
        self._known_hosts = settings.known_hosts or Path("~/.ssh/known_hosts").expanduser()
        self._jump: Line | None = None
        if settings.jump is not None:
            self._jump = Line(self, as_address(settings.jump), whose="The jump host", jump=None)

    def line(self, name: str, address: Address) -> "Line":
        return Line(self, address, whose=name, jump=self._jump)

    async def aclose(self) -> None:
        if self._jump is not None:
            await self._jump.aclose()

    async def connect(
        self, address: Address, *, whose: str, through: asyncssh.SSHClientConnection | None
    ) -> asyncssh.SSHClientConnection:
        """A fresh connection. Raises Refused, AuthFailed, Unavailable."""
        keys, agent = self._login(whose)
        self._look_up(address, whose=whose)
        # Nothing is left to asyncssh's defaults: they read the user's own files, and may trust any host.
        try:
            async with asyncio.timeout(self.timeout_s):
                return await asyncssh.connect(
                    address.host,
                    address.port,
                    config=None,
                    known_hosts=str(self._known_hosts),
                    username=address.user or (),
                    client_keys=keys,
                    agent_path=agent,
                    password_auth=False,
                    kbdint_auth=False,
                    gss_auth=False,
                    host_based_auth=False,
                    keepalive_interval=KEEPALIVE_S,
                    keepalive_count_max=KEEPALIVES,
                    tunnel=through or (),
                )
        except asyncssh.HostKeyNotVerifiable as error:
            raise of_host_key(address, str(self._known_hosts), whose=whose, known=True) from error
        except (asyncssh.Error, OSError, TimeoutError) as error:
            login = f"the key {self._settings.identity}" if agent is None else "the keys of the SSH agent"
            raise of_connecting(error, address, whose=whose, login=login) from error

    def _look_up(self, address: Address, *, whose: str) -> None:
        """Raises Refused where the host's key is not known at all."""
        file = str(self._known_hosts)
        try:
            found = asyncssh.match_known_hosts(file, address.host, "", address.port)
        except (OSError, ValueError) as error:
            words = getattr(error, "strerror", None) or "it is no list of host keys"
            raise Refused(
                f"The hosts' keys cannot be read from {file}: {words}.",
                remedy="Name the file with `known_hosts` in kaeru.yml; without it no host is talked to.",
            ) from error
        if not any(found[:2]):
            raise of_host_key(address, file, whose=whose, known=False)

    def _login(self, whose: str) -> tuple[list[asyncssh.SSHKey] | tuple[()], str | None]:
        """The private keys and the agent's socket: one of the two. Raises AuthFailed, Refused."""
        identity = self._settings.identity
        if identity is not None:
            try:
                return [asyncssh.read_private_key(identity)], None
            except (OSError, asyncssh.KeyImportError) as error:
                words = getattr(error, "strerror", None) or str(error)
                raise AuthFailed(
                    f"The key {identity} to log in to {whose} with cannot be used: {words}.",
                    remedy="Correct `identity` in kaeru.yml; a key with a passphrase belongs into an SSH agent.",
                ) from error
        agent = str(self._settings.agent or os.environ.get("SSH_AUTH_SOCK", ""))
        if not agent or not Path(agent).exists():
            found = (
                f"the SSH agent's socket {agent} is missing" if agent else "SSH_AUTH_SOCK names no SSH agent"
            )
            raise AuthFailed(
                f"There is no key to log in to {whose} with: {found}.",
                remedy="Set `identity` or `agent` in kaeru.yml, or start kaeru where the agent runs.",
            )
        return (), agent


class Line:
    """The way to one host: a connection and an SFTP session on it, made when first needed."""

    def __init__(self, ssh: Ssh, address: Address, *, whose: str, jump: "Line | None") -> None:
        self._ssh = ssh
        self._address = address
        self._whose = whose
        self._jump = jump
        self.timeout_s = ssh.timeout_s
        self._lock = asyncio.Lock()
        self._connection: asyncssh.SSHClientConnection | None = None
        self._sftp: asyncssh.SFTPClient | None = None

    async def connection(self) -> asyncssh.SSHClientConnection:
        """The kept connection, or a fresh one. Raises Refused, AuthFailed, Unavailable."""
        async with self._lock:
            return await self._connected()

    async def sftp(self) -> asyncssh.SFTPClient:
        """Raises Refused, AuthFailed, Unavailable."""
        async with self._lock:
            connection = await self._connected()
            if self._sftp is None:
                try:
                    async with asyncio.timeout(self.timeout_s):
                        self._sftp = await connection.start_sftp_client()
                except TimeoutError as error:
                    self.drop()
                    raise of_connecting(error, self._address, whose=self._whose, login="") from error
                except (asyncssh.ChannelOpenError, asyncssh.SFTPError) as error:
                    if connection.is_closed():
                        self.drop()
                        raise of_connecting(error, self._address, whose=self._whose, login="") from error
                    raise Refused(
                        f"{self._whose} offers no SFTP: {error.reason}.",
                        remedy="Enable it there: Subsystem sftp internal-sftp in sshd_config.",
                    ) from error
            return self._sftp

    async def asked(self, question: Callable[[asyncssh.SFTPClient], Awaitable[T]]) -> T:
        """A question that changes nothing; asked once more where the kept connection turns out to be lost.

        Raises SFTPError for what the disk says, Lost, and what `sftp` raises.
        """
        try:
            return await self.done(question)
        except Lost:
            if self._connection is not None:
                raise  # it is only slow
        return await self.done(question)

    async def done(self, work: Callable[[asyncssh.SFTPClient], Awaitable[T]]) -> T:
        """Something that changes the host, done at most once. Raises as `asked` does."""
        sftp = await self.sftp()
        try:
            async with asyncio.timeout(self.timeout_s):
                return await work(sftp)
        except TimeoutError as error:
            # Not the whole connection: a program may be running over it. Where it is dead, keepalive will say so.
            self._sftp = None
            sftp.exit()
            raise Lost(f"{self._whose} did not answer within {self.timeout_s:g} s") from error
        except _LOST as error:
            self.drop()
            raise Lost(f"the connection to {self._whose} was lost") from error
        except asyncssh.SFTPError:
            raise  # what the disk says
        except asyncssh.Error as error:
            self.drop()
            raise Lost(f"the connection to {self._whose} ended: {error.reason}") from error

    def drop(self) -> None:
        """What is kept is of no use any more."""
        connection, self._connection, self._sftp = self._connection, None, None
        if connection is not None:
            connection.abort()

    async def aclose(self) -> None:
        connection, self._connection, self._sftp = self._connection, None, None
        if connection is not None:
            connection.close()
            try:
                async with asyncio.timeout(1.0):
                    await connection.wait_closed()
            except (TimeoutError, asyncssh.Error, OSError):
                connection.abort()

    async def _connected(self) -> asyncssh.SSHClientConnection:
        if self._connection is not None and self._connection.is_closed():
            self.drop()
        if self._connection is None:
            through = await self._tunnel()
            self._connection = await self._ssh.connect(self._address, whose=self._whose, through=through)
        return self._connection

    async def _tunnel(self) -> asyncssh.SSHClientConnection | None:
        if self._jump is None:
            return None
        try:
            return await self._jump.connection()
        except PortError as error:
            raise type(error)(f"{self._whose} cannot be reached: {error}", remedy=error.remedy) from error
