"""A relay between a client and a real server that changes, on the way, what a test wants changed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

Alter = Callable[[bytes], bytes]
Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
CHUNK = 2**16


def same(data: bytes) -> bytes:
    return data


@contextlib.asynccontextmanager
async def relayed_socket(
    server: Path, place: Path, *, answers: Alter = same, requests: Alter = same
) -> AsyncIterator[None]:
    """The server at the socket `server` is at the socket `place` as well."""
    relay = _Relay(lambda: asyncio.open_unix_connection(str(server)), answers, requests)
    async with relay.running(await asyncio.start_unix_server(relay.serve, str(place))):
        yield


@contextlib.asynccontextmanager
async def relayed_port(port: int, *, answers: Alter = same, requests: Alter = same) -> AsyncIterator[int]:
    """The server at 127.0.0.1:`port` is at another port as well. An answer to what is altered to b"" is no answer."""
    relay = _Relay(lambda: asyncio.open_connection("127.0.0.1", port), answers, requests)
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    async with relay.running(server):
        yield server.sockets[0].getsockname()[1]


class _Relay:
    def __init__(self, connect: Connect, answers: Alter, requests: Alter) -> None:
        self._connect, self._answers, self._requests = connect, answers, requests
        self._serving: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def running(self, server: asyncio.Server) -> AsyncIterator[None]:
        try:
            yield
        finally:
            server.close()
            serving = list(self._serving)
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving, return_exceptions=True)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            far_reader, far_writer = await self._connect()
        except BaseException:
            writer.transport.abort()
            raise
        ways = (
            asyncio.create_task(_carry(reader, far_writer, self._requests)),
            asyncio.create_task(_carry(far_reader, writer, self._answers)),
        )
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            # At once: this task may be cancelled while it waits below.
            for end in (writer, far_writer):
                end.transport.abort()
            self._serving.discard(task)
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (writer, far_writer):
                with contextlib.suppress(OSError):
                    await end.wait_closed()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, alter: Alter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            altered = alter(data)
            if not altered:
                return
            writer.write(altered)
            await writer.drain()
