"""Another machine: its disk by SFTP, its programs by SSH."""

import asyncio
import shlex
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncssh
from asyncssh.constants import FILEXFER_TYPE_DIRECTORY

from integrations.hosts.errors import DiskTrouble, Kind, Lost
from integrations.hosts.machine import Ended, OverTime
from integrations.hosts.session import Program
from integrations.hosts.ssh import Line

KILL_S = 5.0
"""How long the command that kills a process group may take, and before that the process to say who it is."""
POLL_S = 0.1
SMALL = 4096
"""Bytes of a file that are read."""

# Appends the id that the program is about to have: this sh is replaced by it. The login shell starts every command
# anyway; this text is always the same, and the program and its arguments are arguments of it.
_NOTED = ("sh", "-c", 'echo "$$" >> "$0" && exec "$@"')

T = TypeVar("T")


class RemoteMachine:
    """The Machine at the end of `line`."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def aclose(self) -> None:
        await self._line.aclose()

    async def readlink(self, path: str) -> str:
        return await self._asked(lambda sftp: sftp.readlink(path))

    async def entries(self, folder: str) -> list[tuple[str, bool]]:
        found = await self._asked(lambda sftp: sftp.readdir(folder))
        return [(_text(e.filename), e.attrs.type == FILEXFER_TYPE_DIRECTORY) for e in found]

    async def resolved(self, folder: str) -> str:
        try:
            return str(await self._asked(lambda sftp: sftp.realpath(folder)))
        except DiskTrouble:
            return folder

    async def symlink(self, text: str, path: str) -> None:
        await self._done(lambda sftp: sftp.symlink(text, path), path)

    async def rename(self, old: str, new: str) -> None:
        await self._done(lambda sftp: sftp.posix_rename(old, new), new)

    async def remove(self, path: str) -> None:
        try:
            await self._done(lambda sftp: sftp.remove(path), path)
        except DiskTrouble as trouble:
            if trouble.kind is not Kind.MISSING:
                raise

    async def create(self, path: str, text: str) -> bool:
        async def written(sftp: asyncssh.SFTPClient) -> None:
            async with sftp.open(path, "x", encoding="utf-8") as file:
                await file.write(text)

        try:
            await self._done(written, path)
        except DiskTrouble:
            if await self.read(path) is None:
                raise
            return False
        return True

    async def read(self, path: str) -> str | None:
        async def read(sftp: asyncssh.SFTPClient) -> str:
            async with sftp.open(path, "r", encoding="utf-8", errors="replace") as file:
                return str(await file.read(SMALL))

        try:
            return await self._asked(read)
        except DiskTrouble as trouble:
            if trouble.kind is Kind.MISSING:
                return None
            raise

    async def run(self, argv: tuple[str, ...], *, timeout_s: float, pid_file: str | None = None) -> Ended:
        command = shlex.join(argv if pid_file is None else (*_NOTED, pid_file, *argv))
        connection = await self._line.connection()
        program = await self._started(connection, command)
        try:
            async with asyncio.timeout(timeout_s):
                return await program.ended()
        except TimeoutError as error:
            program.kill()
            if pid_file is not None:
                await self._kill(pid_file)
            raise OverTime from error
        finally:
            program.close()

    async def writable(self, folder: str) -> bool:
        return await self._holds("test", "-w", folder, "-a", "-x", folder)

    async def has_program(self, name: str) -> bool:
        return await self._holds("command", "-v", name)

    async def _holds(self, *argv: str) -> bool:
        """What a command of the login shell says, as its exit code."""
        try:
            return (await self.run(argv, timeout_s=self._line.timeout_s)).code == 0
        except OverTime as error:
            raise Lost(f"{argv[0]} did not end in time") from error

    async def _started(self, connection: asyncssh.SSHClientConnection, command: str) -> Program:
        try:
            async with asyncio.timeout(self._line.timeout_s):
                return await Program.start(connection, command)
        except TimeoutError as error:
            raise Lost(f"no program was started within {self._line.timeout_s:g} s") from error
        except (asyncssh.Error, OSError) as error:
            if isinstance(error, asyncssh.ChannelOpenError) and not connection.is_closed():
                raise Lost(f"no program can be started: {error.reason}") from error
            self._line.drop()
            raise Lost("the connection was lost") from error

    async def _kill(self, pid_file: str) -> None:
        """End the group of the program that noted itself: what SSH's own signal does not reach where root logs in."""
        try:
            async with asyncio.timeout(KILL_S):
                # A slow host may not have come so far as to note it; then it would begin after it was given up.
                while (pid := last_pid(await self.read(pid_file) or "")) is None:  # noqa: ASYNC110 - it is on another machine
                    await asyncio.sleep(POLL_S)
            await self.run(("kill", "-s", "KILL", "--", f"-{pid}"), timeout_s=KILL_S)
        except (TimeoutError, OverTime):
            return  # what could be tried was tried; the caller takes it for unknown anyway

    async def _asked(self, question: Callable[[asyncssh.SFTPClient], Awaitable[T]]) -> T:
        try:
            return await self._line.asked(question)
        except asyncssh.SFTPError as error:
            raise _trouble(error) from error

    async def _done(self, work: Callable[[asyncssh.SFTPClient], Awaitable[T]], path: str) -> T:
        try:
            return await self._line.done(work)
        except asyncssh.SFTPFailure as error:
            raise await self._explained(error, path) from error
        except asyncssh.SFTPError as error:
            raise _trouble(error) from error

    async def _explained(self, error: asyncssh.SFTPError, path: str) -> DiskTrouble:
        """SFTP has no word for a full disk: `Failure` is all it says, so the disk is asked."""
        folder = path.rpartition("/")[0] or "/"
        try:
            room = await self._line.asked(lambda sftp: sftp.statvfs(folder))
        except asyncssh.SFTPError:
            return _trouble(error)
        if room.bavail == 0 or (room.files and room.favail == 0):
            return DiskTrouble(Kind.FULL, "No space left on device")
        return _trouble(error)


def last_pid(text: str) -> int | None:
    """The process id that a program has appended to its note."""
    last = text.rstrip().rpartition("\n")[2]
    return int(last) if last.isascii() and last.isdigit() else None


def _text(name: bytes | str) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else name


def _trouble(error: asyncssh.SFTPError) -> DiskTrouble:
    kinds: tuple[tuple[type[asyncssh.SFTPError] | tuple[type[asyncssh.SFTPError], ...], Kind], ...] = (
        ((asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath, asyncssh.SFTPNotADirectory), Kind.MISSING),
        ((asyncssh.SFTPPermissionDenied, asyncssh.SFTPWriteProtect), Kind.DENIED),
        ((asyncssh.SFTPNoSpaceOnFilesystem, asyncssh.SFTPQuotaExceeded), Kind.FULL),
        (asyncssh.SFTPBadMessage, Kind.NO_LINK),  # what sshd makes of EINVAL, which is readlink's of a folder
        (asyncssh.SFTPOpUnsupported, Kind.UNSUPPORTED),
    )
    kind = next((kind for types, kind in kinds if isinstance(error, types)), Kind.FAILED)
    return DiskTrouble(kind, error.reason)
