"""A door on 127.0.0.1 to what answers inside a cluster, for clients that may only talk to 127.0.0.1.

For a Swarm it also stands in for the ingress network, which needs IPVS in the kernel: connections go in turn to
the service's containers that run at that moment, the way a published port would spread them.
"""

import asyncio
import contextlib
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from sandbox.clusters.engine import Engine, EngineError

Addresses = Callable[[], Sequence[tuple[str, int]]]
_FRESH_S = 0.1  # how long an answer on who is there is believed
_CONNECT_S = 0.5


@contextlib.contextmanager
def relay(addresses: Addresses) -> Iterator[str]:
    """Listen on a free port while the context lasts; yields http://127.0.0.1:PORT.

    `addresses` says where a new connection may go; it is asked in a thread and may block. Where nobody answers,
    the client's connection is closed at once.
    """
    loop = asyncio.new_event_loop()
    door = _Door(addresses)
    server = loop.run_until_complete(asyncio.start_server(door.serve, "127.0.0.1", 0))
    port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, name="relay", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(_shut(server, door), loop).result(timeout=10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


async def _shut(server: asyncio.Server, door: "_Door") -> None:
    server.close()
    await door.close()


def to_address(host: str, port: int) -> Addresses:
    """Always the same address: that of a Kubernetes Service, for instance."""
    return lambda: [(host, port)]


def to_service(docker_hosts: Sequence[str], service: str, port: int) -> Addresses:
    """The containers of a Swarm service on these nodes that get new connections, by their addresses on the node's bridges.

    As on the ingress network, one that is told to stop gets none any more, however long it takes to end.
    """

    def ask() -> list[tuple[str, int]]:
        engines = [Engine(host) for host in docker_hosts]
        wanted = _wanted(engines, service)
        found = []
        for engine in engines:
            found += [(address, port) for address in container_addresses(engine, service, wanted)]
        return found

    return ask


def _wanted(engines: Sequence[Engine], service: str) -> set[str] | None:
    """The tasks that are to run, by id; None where no manager says: nodes go on with what they were told last."""
    filters = json.dumps({"service": [service], "desired-state": ["running"]})
    for engine in engines:
        try:
            tasks = engine.ask("GET", "/tasks", query={"filters": filters})
        except EngineError:
            continue  # a worker, or a daemon that is away
        return {str(task["ID"]) for task in tasks}
    return None


def container_addresses(engine: Engine, service: str, wanted: set[str] | None = None) -> list[str]:
    """Where the running containers of a Swarm service on this node can be reached, only of `wanted` tasks if given."""
    filters = {"label": [f"com.docker.swarm.service.name={service}"], "status": ["running"]}
    containers = [
        container
        for container in engine.ask("GET", "/containers/json", query={"filters": json.dumps(filters)})
        if wanted is None or container["Labels"].get("com.docker.swarm.task.id") in wanted
    ]
    gateway: dict[str, str] = {}
    if any("bridge" not in container["NetworkSettings"]["Networks"] for container in containers):
        # A container with a network of its own reaches its node through this one, which is not listed with it.
        members = engine.ask("GET", "/networks/docker_gwbridge")["Containers"]
        gateway = {key: value["IPv4Address"].partition("/")[0] for key, value in members.items()}
    found = []
    for container in containers:
        bridge = container["NetworkSettings"]["Networks"].get("bridge", {}).get("IPAddress")
        if address := bridge or gateway.get(container["Id"]):
            found.append(address)
    return found


class _Door:
    def __init__(self, addresses: Addresses) -> None:
        self._ask = addresses
        self._known: Sequence[tuple[str, int]] = ()
        self._asked = float("-inf")
        self._turn = itertools.count()
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._tasks.add(task)
        try:
            await self._carry(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            # Either end hung up, or the door is closing: both ends are closed below.
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await self._connect()
        if there is None:
            return
        far_reader, far_writer = there
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_pump(reader, far_writer))
                both.create_task(_pump(far_reader, writer))
        except* ConnectionError:
            # One direction broke; the connection is over.
            pass
        finally:
            far_writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        async with self._lock:
            if time.monotonic() - self._asked > _FRESH_S:
                self._known = await asyncio.to_thread(self._ask)
                self._asked = time.monotonic()
        known = list(self._known)
        first = next(self._turn)
        for number in range(len(known)):
            host, port = known[(first + number) % len(known)]
            try:
                async with asyncio.timeout(_CONNECT_S):
                    return await asyncio.open_connection(host, port)
            except OSError:  # a TimeoutError is one; the next may answer
                continue
        return None


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        with contextlib.suppress(OSError):
            writer.write_eof()
