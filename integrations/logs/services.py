"""What the tasks of a Docker Swarm service wrote, those of the past included as long as the Swarm knows them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiodocker import DockerError

from bot.ports.errors import AuthFailed, PortError, Refused, Unavailable
from integrations.logs.parts import text_of
from integrations.logs.reader import Again, LogReader, Raw, Span
from integrations.logs.settings import SwarmLogSettings
from integrations.process import redact
from integrations.swarm.access import ANSWER_S, CONNECT_S, Manager
from integrations.swarm.errors import Missing, translate
from integrations.swarm.service import moment

AT_ONCE = 4
"""Tasks that are read at the same time."""
_HEAD = 8  # bytes before each piece: which stream it is of, and its length
_COMPLAINT = 3  # the daemon itself speaks
_LONGEST = 1024 * 1024
_CHUNK = 256 * 1024


class _Told(Exception):
    """The daemon says in the middle of a log why it cannot give it."""


class LogManager(Manager):
    """A manager that is asked for logs too."""

    async def log(self, task: str, since: datetime, *, timeout_s: float) -> AsyncGenerator[bytes, None]:
        """Lines with their times, of both streams. Raises Unavailable, Refused, AuthFailed."""
        docker = await self._connected()
        params = {
            "stdout": "1",
            "stderr": "1",
            "timestamps": "1",
            "since": f"{since.timestamp():.6f}",
        }
        bounds = aiohttp.ClientTimeout(
            total=ANSWER_S + timeout_s, sock_connect=CONNECT_S, sock_read=timeout_s
        )
        doing = f"read the log of the task {task[:12]}"
        try:
            # There is no public method for the log of a single task.
            async with docker._query(f"tasks/{task}/logs", params=params, timeout=bounds) as got:  # noqa: SLF001 - see above
                try:
                    tty = got.content_type != "application/vnd.docker.multiplexed-stream"
                    pieces = _pieces(got.content, guess=tty)
                    async for line in _lines(pieces):
                        yield line
                finally:
                    got.close()
        except _Told as error:
            raise Unavailable(f"{self.host} cannot {doing}: {error}.") from error
        except (DockerError, aiohttp.ClientError, TimeoutError, OSError) as error:
            raise translate(error, host=self.host, doing=doing) from error


class ServiceLogs:
    """Asks for the log of each task by itself, so that a node that does not answer keeps no other one's back."""

    def __init__(self, settings: SwarmLogSettings) -> None:
        self._settings = settings
        self._manager = LogManager(settings.manager)

    @property
    def identity(self) -> str:
        return f"the log of the service {self._settings.service} on {self._manager.host}"

    async def past(self, span: Span) -> AsyncGenerator[list[Raw], None]:
        service = await self._manager.service()
        tasks = [task for task in await self._manager.tasks(service["ID"]) if _ran(task, span)]
        failed: list[PortError] = []
        for begin in range(0, len(tasks), AT_ONCE):
            some = tasks[begin : begin + AT_ONCE]
            for task, found in zip(
                some, await asyncio.gather(*(self._tried(task, span) for task in some)), strict=True
            ):
                if isinstance(found, PortError):
                    failed.append(found)
                    span.missing(f"The log of {_name(service, task)} could not be read: {found}")
                elif found:
                    yield found
        if failed and len(failed) == len(tasks):
            raise failed[0]
        if not tasks:
            span.missing(f"The Swarm knows no task of {self._settings.service} that ran in that time.")

    def tail(self, since: datetime) -> Again:
        return Again(self, since)

    async def aclose(self) -> None:
        await self._manager.aclose()

    async def _tried(self, task: dict[str, Any], span: Span) -> list[Raw] | PortError:
        try:
            return [raw async for raw in self._lines(task, span)]
        except AuthFailed:
            raise
        except Missing:
            return []  # forgotten meanwhile
        except (Refused, Unavailable) as error:
            return error

    async def _lines(self, task: dict[str, Any], span: Span) -> AsyncGenerator[Raw, None]:
        source = str(task["ID"])[:12]
        begin, size = span.begin(source), 0
        timeout_s = self._settings.read_timeout.total_seconds()
        async with aclosing(self._manager.log(str(task["ID"]), begin, timeout_s=timeout_s)) as lines:
            async for line in lines:
                size += len(line) + 1
                if size > self._settings.max_read:
                    span.missing(
                        f"The task {source} wrote more than {self._settings.max_read} bytes; its end was not read."
                    )
                    return
                stamp, _, text = line.partition(b" ")
                at = _moment(stamp)
                if at is not None and begin <= at < span.until:
                    yield Raw(at, text_of(text), source)


async def _pieces(content: aiohttp.StreamReader, *, guess: bool) -> AsyncIterator[tuple[int, bytes]]:
    """Each piece with the number of its stream. A task with a terminal has one stream, without heads."""
    while True:
        try:
            head = await content.readexactly(_HEAD)
        except asyncio.IncompleteReadError as error:
            if error.partial:
                yield 1, error.partial
            return
        if guess and not (head[0] <= _COMPLAINT and head[1:4] == b"\0\0\0"):
            yield 1, head
            async for chunk in content.iter_chunked(_CHUNK):
                yield 1, chunk
            return
        length = int.from_bytes(head[4:], "big")
        try:
            yield head[0], await content.readexactly(length)
        except asyncio.IncompleteReadError as error:
            raise _Told("it broke off in the middle of a line") from error


async def _lines(pieces: AsyncIterator[tuple[int, bytes]]) -> AsyncIterator[bytes]:
    rest: dict[int, bytes] = {}
    async for stream, piece in pieces:
        if stream == _COMPLAINT:
            raise _Told(redact(piece.decode(errors="replace")).strip().rstrip(".")[:200])
        *whole, left = (rest.get(stream, b"") + piece).split(b"\n")
        for line in whole:
            yield line
        if len(left) > _LONGEST:
            yield left
            left = b""
        rest[stream] = left
    for left in rest.values():
        if left:
            yield left


def _ran(task: dict[str, Any], span: Span) -> bool:
    """Whether it may have written something in that time: it has a container, and did not end before."""
    status = task.get("Status") or {}
    if not (status.get("ContainerStatus") or {}).get("ContainerID"):
        return False
    over = status.get("State") in ("complete", "failed", "shutdown", "orphaned", "remove")
    return not over or moment(str(status["Timestamp"])) >= span.since


def _name(service: dict[str, Any], task: dict[str, Any]) -> str:
    return f"{service['Spec']['Name']}.{task.get('Slot') or task.get('NodeID', '')[:12]}"


def _moment(stamp: bytes) -> datetime | None:
    try:
        return moment(stamp.decode("ascii")).astimezone(UTC)
    except ValueError:
        return None


def make(settings: SwarmLogSettings) -> LogReader:
    return LogReader(ServiceLogs(settings), settings)
