"""What a host is asked to do, on this machine or on another one."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Ended:
    """How a program ended; `last_line` is its last one on stderr, without secrets, or empty."""

    code: int
    last_line: str = ""


class OverTime(Exception):
    """The program did not end in time."""


class Machine(Protocol):
    """Paths are absolute. Everything may raise Lost and, where there is no connection at all, PortError."""

    async def readlink(self, path: str) -> str:
        """The link's text. Raises DiskTrouble."""
        ...

    async def entries(self, folder: str) -> list[tuple[str, bool]]:
        """Names in `folder`, and whether each is a folder and no link to one. Raises DiskTrouble."""
        ...

    async def resolved(self, folder: str) -> str:
        """`folder` without links in its path; as it is where it does not exist."""
        ...

    async def symlink(self, text: str, path: str) -> None:
        """Raises DiskTrouble, also where `path` exists."""
        ...

    async def rename(self, old: str, new: str) -> None:
        """Put `old` in the place of `new` in one atomic step. Raises DiskTrouble."""
        ...

    async def remove(self, path: str) -> None:
        """Nothing where it is not there. Raises DiskTrouble."""
        ...

    async def create(self, path: str, text: str) -> bool:
        """Write a new file; False where `path` exists. Raises DiskTrouble."""
        ...

    async def read(self, path: str) -> str | None:
        """A small file's text; None where it is not there. Raises DiskTrouble."""
        ...

    async def run(self, argv: tuple[str, ...], *, timeout_s: float, pid_file: str | None = None) -> Ended:
        """Run a program in a process group of its own, and wait for it; what it leaves behind lives on.

        With a `pid_file` its process id is appended there before it starts. Raises OverTime, after which the group
        has been sent SIGKILL if its id is known; Refused where it cannot be started; Lost where it may still run.
        """
        ...

    async def writable(self, folder: str) -> bool:
        """Whether files can be made in `folder`."""
        ...

    async def has_program(self, name: str) -> bool: ...

    async def aclose(self) -> None: ...
